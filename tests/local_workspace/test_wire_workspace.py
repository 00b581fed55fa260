"""The workspace itself: who may talk to it, how addresses are read, and where its telemetry lies."""

from __future__ import annotations

import base64
import json
import stat
import time
from typing import TYPE_CHECKING

import pytest
import requests

from tests.running_workspace import RunningWorkspace

if TYPE_CHECKING:
    from azureml.core import Workspace

KEYS = {
    "url",
    "token",
    "read_token",
    "subscription_id",
    "resource_group",
    "workspace_name",
    "tenant_id",
    "ca_bundle",
    "logs_url",
    "logs_workspace_id",
}


def test_the_connection_file_has_exactly_what_a_client_needs_and_is_private(local_workspace: RunningWorkspace) -> None:
    assert set(local_workspace.connection) == KEYS
    assert stat.S_IMODE(local_workspace.connection_file.stat().st_mode) == 0o600
    assert stat.S_IMODE(local_workspace.data.stat().st_mode) == 0o700


def test_the_sdk_opens_the_workspace(sdk_workspace: Workspace, local_workspace: RunningWorkspace) -> None:
    details = sdk_workspace.get_details()

    assert details["id"] == local_workspace.resource_id
    assert details["applicationInsights"].endswith("/components/local-insights")
    assert sdk_workspace.sku == "Basic"


def test_the_sdk_lists_the_workspace_of_the_resource_group(sdk_workspace: Workspace) -> None:
    from azureml.core import Workspace

    found = Workspace.list(
        sdk_workspace.subscription_id, auth=sdk_workspace._auth, resource_group=sdk_workspace.resource_group
    )

    assert list(found) == [sdk_workspace.name]


def test_arm_reads_lead_to_the_customer_id_of_the_logs(local_workspace: RunningWorkspace) -> None:
    workspace = local_workspace.call("GET", local_workspace.resource_id + "?api-version=2022-05-01").json()
    component = local_workspace.call("GET", workspace["properties"]["applicationInsights"] + "?api-version=2020-02-02")
    logs_id = component.json()["properties"]["WorkspaceResourceId"]
    logs = local_workspace.call("GET", logs_id + "?api-version=2022-10-01").json()

    assert logs["properties"]["customerId"] == local_workspace.connection["logs_workspace_id"]
    assert local_workspace.connection["logs_url"] in component.json()["properties"]["ConnectionString"]


def test_the_tokens_query_the_logs(local_workspace: RunningWorkspace) -> None:
    known = local_workspace.connection
    for token in ("token", "read_token"):
        answer = requests.post(
            f"{known['logs_url']}/v1/workspaces/{known['logs_workspace_id']}/query",
            headers={"Authorization": f"Bearer {known[token]}"},
            json={"query": "Requests | count"},
            timeout=30,
        )
        assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("name", ["token", "read_token"])
def test_a_token_is_a_jwt_with_tenant_and_expiry(local_workspace: RunningWorkspace, name: str) -> None:
    part = local_workspace.connection[name].split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))

    assert claims["tid"] == local_workspace.connection["tenant_id"]
    assert claims["exp"] > time.time() + 24 * 3600


def test_no_token_and_a_wrong_token_are_refused(local_workspace: RunningWorkspace) -> None:
    assert local_workspace.mms("GET", "/models", token=None).status_code == 401
    assert local_workspace.mms("GET", "/models", token="x").status_code == 401


def test_a_token_with_the_same_claims_and_other_bytes_is_refused(local_workspace: RunningWorkspace) -> None:
    head, claims, signature = local_workspace.connection["token"].split(".")
    other_signature = signature[:-2] + ("AA" if not signature.endswith("AA") else "BB")

    assert local_workspace.mms("GET", "/models", token=f"{head}.{claims}.{signature}").status_code == 200
    assert local_workspace.mms("GET", "/models", token=f"{head}.{claims}.{other_signature}").status_code == 401
    assert local_workspace.mms("GET", "/models", token=f"{head}.{claims}.").status_code == 401


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/models"),
        ("POST", "/assets"),
        ("POST", "/services"),
        ("POST", "/services/validate"),
        ("POST", "/services/validate/name/abc"),
        ("POST", "/services/abc/regenerateKeys"),
        ("PATCH", "/services/abc"),
        ("DELETE", "/services/abc"),
        ("DELETE", "/models/abc:1"),
    ],
)
def test_the_read_token_changes_nothing(local_workspace: RunningWorkspace, method: str, path: str) -> None:
    answer = local_workspace.mms(method, path, token="read_token", json={})

    assert answer.status_code == 403
    assert answer.json()["code"] == "Forbidden"


def test_the_read_token_creates_no_experiment_and_reads_no_cluster_credentials(
    local_workspace: RunningWorkspace,
) -> None:
    place = local_workspace.resource_id
    for method, path in [
        ("POST", f"/history/v1.0{place}/experiments/new"),
        ("POST", f"{place}/computes/prod/listKeys"),
        ("POST", f"/artifact/v2.0{place}/artifacts/batch/metadata/LocalUpload/x"),
        ("PUT", f"{place}/computes/prod"),
        ("PUT", f"/environment/v1.0{place}/environments/x"),
    ]:
        assert local_workspace.call(method, path, token="read_token", json={}).status_code == 403, path


def test_the_read_token_reads_and_asks_for_keys(local_workspace: RunningWorkspace, broken_service: object) -> None:
    name = broken_service("readable")  # type: ignore[operator]

    assert local_workspace.mms("GET", "/models", token="read_token").status_code == 200
    assert local_workspace.mms("HEAD", "/models", token="read_token").status_code == 200
    keys = local_workspace.mms("POST", f"/services/{name}/listkeys", token="read_token")
    assert keys.status_code == 200
    # Not 403: the reader may ask, and this service has no tokens.
    assert local_workspace.mms("POST", f"/services/{name}/token", token="read_token").status_code == 400


def test_addresses_match_in_any_case_and_with_doubled_slashes(local_workspace: RunningWorkspace) -> None:
    place = local_workspace.resource_id.replace("resourceGroups", "resourcegroups")

    assert local_workspace.call("GET", f"/MODELMANAGEMENT/v1.0{place}/Models").status_code == 200
    assert local_workspace.call("GET", f"//modelmanagement//v1.0{place}/models").status_code == 200
    assert local_workspace.call("GET", f"/{place}?api-version=2022-05-01").status_code == 200


def test_another_host_name_is_refused(local_workspace: RunningWorkspace) -> None:
    assert local_workspace.call("GET", "/health", token=None).status_code == 200
    assert local_workspace.call("GET", "/health", token=None, headers={"Host": "evil.example"}).status_code == 400


def test_what_is_not_there_is_a_404_in_words(local_workspace: RunningWorkspace) -> None:
    answer = local_workspace.mms("GET", "/nothing")

    assert answer.status_code == 404
    assert "/nothing" in answer.json()["details"][0]["message"]


def test_the_workspace_has_empty_lists_of_what_it_does_not_carry(
    sdk_workspace: Workspace, local_workspace: RunningWorkspace
) -> None:
    from azureml.core import Dataset, Experiment

    assert Dataset.get_all(sdk_workspace) == {}
    with pytest.warns(DeprecationWarning, match="Image class"):
        assert sdk_workspace.images == {}
    assert isinstance(Experiment.list(sdk_workspace), list)
    place = local_workspace.resource_id
    types = local_workspace.call("GET", f"/pipelines/v1.0{place}/DataTypes").json()
    assert {"AnyFile", "AnyDirectory"} <= {one["Id"] for one in types}
    assert local_workspace.call("GET", f"/pipelines/v1.0{place}/Pipelines?activeOnly=true").json() == []


def test_reading_an_experiment_makes_it_and_its_runs_are_not_there(
    sdk_workspace: Workspace, local_workspace: RunningWorkspace
) -> None:
    from azureml.core import Experiment

    experiment = Experiment(sdk_workspace, "ridge")

    assert experiment.id
    assert experiment.id == Experiment(sdk_workspace, "ridge").id
    gone = local_workspace.call("GET", f"/history/v1.0{local_workspace.resource_id}/experiments/ridge/runs/run-1")
    assert gone.status_code == 404
