"""How answers of Azure ML become our types, and its refusals our sentences."""

from __future__ import annotations

import json
import pickle
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from azure.core.exceptions import ClientAuthenticationError

from services.azureml import credentials, payloads, translate
from services.azureml.authentication import azure_authentication
from services.azureml.connection import ConnectionFile
from services.azureml.deadline import DeadlinePassed, check, within
from services.azureml.quiet import quiet
from services.azureml.secrets import Keys
from services.azureml.types import MARK, Operation, Problem, Replicas, Service, visible_tags
from services.errors import Conflict, DeskError, Forbidden, Invalid, NotFound, Unavailable
from services.scrubbing import scrub
from services.settings import Settings

KEY = "x7Rk2LpQ9vTzWm4YcB8nHs3JdF6gKa1E"

AKS: dict[str, Any] = {
    "name": "wine",
    "computeType": "AKS",
    "computeName": "cluster-1",
    "createdTime": "2026-11-20T10:00:00.1234567Z",
    "kvTags": {"stage": "prod", MARK: "op-1"},
    "properties": {},
    "state": "Healthy",
    "authEnabled": False,
    "aadAuthEnabled": True,
    "appInsightsEnabled": True,
    "scoringUri": "https://10.0.0.1/api/v1/service/wine/score",
    "autoScaler": {"autoscaleEnabled": True, "minReplicas": 1, "maxReplicas": 3},
    "containerResourceRequirements": {"cpu": 0.5, "memoryInGB": 1.0, "gpu": None},
    "deploymentStatus": {"desiredReplicas": 2, "updatedReplicas": 1, "availableReplicas": 1, "error": None},
    "environmentImageRequest": {
        "modelIds": ["wine:3"],
        "assets": [{"id": "a.tar.gz", "url": "aml://artifact/LocalUpload/1/a.tar.gz", "unpack": True}],
        "environment": {
            "name": "env",
            "version": "4",
            "environmentVariables": {"AZUREML_ENTRY_SCRIPT": "src/score.py", "DB_PASSWORD": "hunter2"},
        },
    },
}


def test_a_service_is_read_flat_and_survives_being_stored() -> None:
    service = payloads.service(AKS)
    assert service.compute == "cluster-1"
    assert service.created_at == datetime(2026, 11, 20, 10, 0, 0, 123456, tzinfo=UTC)
    assert service.model_ids == ("wine:3",)
    assert service.entry_script == "src/score.py"
    assert (service.environment_name, service.environment_version) == ("env", "4")
    assert service.configuration["autoscale_max_replicas"] == 3
    assert service.configuration["token_auth_enabled"] is True
    assert service.auth == "token"
    assert service.operation == "op-1"
    assert visible_tags(service.tags) == {"stage": "prod"}
    assert service.deployment_status == Replicas(desired=2, updated=1, available=1)
    assert service.swagger_uri == "https://10.0.0.1/api/v1/service/wine/swagger.json"
    assert "hunter2" not in json.dumps(service.to_json())
    assert Service.from_json(json.loads(json.dumps(service.to_json()))) == service


@pytest.mark.parametrize(
    "broken",
    [
        {**AKS, "createdTime": None},
        {**AKS, "createdTime": "yesterday"},
        {**AKS, "kvTags": ["stage"]},
        {**AKS, "computeType": None},
        {**AKS, "environmentImageRequest": {"assets": [3]}},
        {**AKS, "environmentImageRequest": "gone"},
        {**AKS, "models": [3], "environmentImageRequest": None},
        {**AKS, "deploymentStatus": {"desiredReplicas": "many"}},
        {**AKS, "scoringUri": 3},
        "not an object",
        None,
    ],
)
def test_one_broken_service_is_one_broken_row(broken: Any) -> None:
    row = payloads.service_row(broken)
    assert row.broken is not None
    assert "cannot be read" in row.broken
    if isinstance(broken, dict):
        assert row.name == "wine"
    assert Service.from_json(json.loads(json.dumps(row.to_json()))) == row


def test_an_operation_is_read_with_the_new_part_of_its_log() -> None:
    raw = "20261121100000|Building: step #1#20261121100001|Authorization: Bearer " + KEY
    operation = payloads.operation(
        {
            "id": "o1",
            "state": "Failed",
            "operationDetails": {"subOperationType": "BuildEnvironment", "subOperationState": "Failed"},
            "error": {"code": "Bad", "statusCode": 400, "message": "no", "details": [{"code": "x", "message": "why"}]},
            "streamingOperationLog": raw,
        },
        offset=7,
    )
    assert operation.is_final
    assert operation.phase == "BuildEnvironment"
    assert operation.next_offset == 7 + len(raw)
    assert operation.log == (
        "2026-11-21 10:00:00 Building: step #1\n2026-11-21 10:00:01 Authorization: Bearer [hidden]"
    )
    assert operation.error == Problem(code="Bad", status_code=400, message="no", details=(("x", "why"),))
    assert operation.error.text == "no\nwhy"
    assert Operation.from_json(json.loads(json.dumps(operation.to_json()))) == operation


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, Invalid),
        (401, Unavailable),
        (403, Forbidden),
        (404, NotFound),
        (409, translate.Busy),
        (412, Conflict),
        (429, translate.Throttled),
        (500, Unavailable),
        (503, Unavailable),
    ],
)
def test_each_refusal_has_its_kind_and_says_what_was_tried(status: int, kind: type[DeskError]) -> None:
    body = {"code": "C", "statusCode": status, "message": f"Because of it. Key {KEY}", "details": []}
    error = translate.refused(status, body, doing="deploy wine", headers={"retry-after": "7"})
    assert type(error) is kind
    assert "deploy wine" in error.sentence
    assert KEY not in error.sentence
    assert error.detail is not None
    assert "Because of it." in error.detail
    assert KEY not in error.detail


def test_a_change_that_failed_on_the_other_side_may_have_been_done() -> None:
    assert isinstance(translate.refused(500, "", doing="deploy wine", change=True), translate.AnswerLost)
    assert not isinstance(translate.refused(400, "", doing="deploy wine", change=True), translate.AnswerLost)


def test_the_reason_is_found_in_what_the_sdk_quotes() -> None:
    with quiet():
        from azureml.exceptions import WebserviceException

    body = json.dumps({"code": "Conflict", "statusCode": 409, "message": "busy", "details": []}).encode()
    said = WebserviceException(f"Received bad response:\nResponse Code: 409\nHeaders: {{}}\nContent: {body!r}")
    with pytest.raises(translate.Busy) as caught, translate.errors("change wine"):
        raise said
    assert caught.value.detail == "busy"


def test_a_bug_of_ours_stays_a_bug() -> None:
    with pytest.raises(ZeroDivisionError), translate.errors("divide"):
        raise ZeroDivisionError


def test_the_sdk_prints_into_the_log_and_other_threads_to_the_terminal(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG", logger="azureml.said")
    with quiet():
        print(f"Registering with {KEY}")
        other = threading.Thread(target=lambda: print("another thread"))
        other.start()
        other.join()
    print("after", file=sys.stderr)
    out, err = capsys.readouterr()
    assert out == "another thread\n"
    assert err == "after\n"
    assert "Registering with [hidden]" in caplog.text


def test_a_call_that_was_given_up_gets_no_token_any_more() -> None:
    go, done = threading.Event(), threading.Event()
    seen: list[BaseException] = []

    def call() -> None:
        go.wait(30)
        try:
            check()
        except DeadlinePassed as problem:
            seen.append(problem)
        done.set()

    with pytest.raises(translate.AnswerLost):
        within(0.05, call, doing="wait", change=True)
    go.set()
    assert done.wait(30)
    assert len(seen) == 1


def test_keys_show_nothing_and_cannot_be_stored() -> None:
    keys = Keys(primary=KEY, secondary=KEY[::-1])
    assert KEY not in repr(keys)
    with pytest.raises(TypeError):
        pickle.dumps(keys)


@pytest.mark.parametrize("name", ["AZUREML_DEV_URL_MMS", "AZUREML_MMS_TEST_ENDPOINT", "ARM_CLOUD_METADATA_URL"])
def test_a_variable_that_redirects_the_sdk_stops_the_start(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "https://elsewhere.example.com")
    with pytest.raises(Invalid, match=name):
        credentials.for_worker(_settings(workspace_connection=Path("/nowhere/connection.json")))


def test_the_way_to_a_workspace_that_is_not_there_yet_is_made_but_not_usable() -> None:
    access = credentials.for_desk(_settings(workspace_connection=Path("/nowhere/connection.json")))
    assert access.name == "local token (read only)"
    with pytest.raises(Unavailable, match="not ready yet"):
        access.token()


def test_a_connection_file_is_read_again_when_it_is_written_anew(tmp_path: Path) -> None:
    path = tmp_path / "connection.json"
    document = {
        "url": "http://127.0.0.1:1/",
        "token": "first.token.value",
        "read_token": "r",
        "subscription_id": "s",
        "resource_group": "g",
        "workspace_name": "w",
        "tenant_id": "t",
        "ca_bundle": None,
        "logs_url": "http://127.0.0.1:2",
        "logs_workspace_id": "l",
    }
    path.write_text(json.dumps(document))
    file = ConnectionFile(path, token="token")
    assert file.now().token == "first.token.value"
    assert not file.renew()
    new = path.with_suffix(".new")
    new.write_text(json.dumps(document | {"token": "second.token.value"}))
    new.replace(path)
    assert file.now().token == "second.token.value"
    path.write_text("{")
    with pytest.raises(Unavailable, match="cannot be read"):
        file.renew()


def test_the_worker_takes_its_own_service_principal_and_the_desk_the_shared_one() -> None:
    settings = _settings(
        azure_subscription_id="sub",
        azure_resource_group="rg",
        azure_workspace_name="ws",
        azure_tenant_id="11111111-1111-1111-1111-111111111111",
        azure_client_id="22222222-2222-2222-2222-22222222abcd",
        azure_client_secret="shared-secret-value",
        worker_azure_client_id="33333333-3333-3333-3333-33333333ef01",
        worker_azure_client_secret="worker-secret-value",
    )
    worker, desk = credentials.for_worker(settings), credentials.for_desk(settings)
    assert worker.name == "service principal …ef01"
    assert desk.name == "service principal …abcd"
    assert not worker.is_local
    assert worker.arm_url() == "https://management.azure.com"
    assert worker.coordinates().path.endswith(
        "/resourceGroups/rg/providers/Microsoft.MachineLearningServices/workspaces/ws"
    )


@pytest.mark.parametrize(
    "document",
    [
        {"subscription_id": "sub", "resource_group": "rg", "workspace_name": "ws"},
        {"Scope": "/subscriptions/sub/resourceGroups/rg/providers/Microsoft.MachineLearningServices/workspaces/ws"},
    ],
)
def test_config_json_names_the_workspace_as_the_sdk_reads_it(document: dict[str, str], tmp_path: Path) -> None:
    folder = tmp_path / ".azureml"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(document))
    found = credentials.azure_coordinates(_settings(azure_config_json=tmp_path))
    assert (found.subscription_id, found.resource_group, found.workspace_name) == ("sub", "rg", "ws")


def test_the_sdk_asks_our_credential_for_the_resource_manager_of_the_named_cloud() -> None:
    asked: list[str] = []

    def token_for(audience: str) -> str:
        asked.append(audience)
        return "the-token"

    authentication = azure_authentication(token_for, cloud="AzureUSGovernment")
    assert authentication.get_authentication_header() == {"Authorization": "Bearer the-token"}
    assert asked == ["https://management.core.usgovcloudapi.net/"]


def test_a_refused_sign_in_says_what_to_check_and_not_the_secret() -> None:
    with (
        pytest.raises(Unavailable, match="does not sign us in: the client secret is wrong") as caught,
        translate.errors("sign in to Azure"),
    ):
        raise ClientAuthenticationError(f"AADSTS7000215: Invalid client secret {KEY} provided")
    assert caught.value.detail is not None
    assert KEY not in caught.value.detail


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ("Authentication failed: AADSTS7000215: Invalid client secret provided.", "the client secret is wrong"),
        (
            "Authentication failed: AADSTS7000222: The provided client secret keys are expired.",
            "has ended. Make a new one",
        ),
        ("Authentication failed: AADSTS90002: Tenant 'x' not found.", "there is no such tenant"),
        (
            "Authentication failed: HTTPSConnection(host='login'): Failed to resolve 'login'",
            "cannot be reached from here",
        ),
        ("DefaultAzureCredential failed to retrieve a token from the included credentials.", "or run `az login`"),
        ("Authentication failed: AADSTS1: something new", "check tenant, client id and secret or certificate"),
    ],
)
def test_a_refused_sign_in_says_its_cause_and_what_to_do(said: str, sentence: str) -> None:
    explained = translate.explain(ClientAuthenticationError(said), doing="sign in to Azure")

    assert isinstance(explained, Unavailable)
    assert sentence in explained.sentence
    assert scrub(explained.sentence) == explained.sentence, "the log hides no part of it"


def test_an_unknown_cloud_and_a_half_set_service_principal_are_refused_by_name() -> None:
    base = {"azure_subscription_id": "sub", "azure_resource_group": "rg", "azure_workspace_name": "ws"}
    with pytest.raises(Invalid, match="AZURE_CLOUD"):
        credentials.for_worker(_settings(**base, azure_cloud="AzureMoonCloud"))
    with pytest.raises(Invalid, match="AZURE_CLIENT_ID"):
        credentials.for_worker(_settings(**base, azure_tenant_id="t", azure_client_secret="some-secret"))


def _settings(**values: Any) -> Settings:
    return Settings(_env_file=None, **values)  # type: ignore[call-arg]
