"""What has the wrong kind is refused with a sentence and kept nowhere: one odd row would break every list it is in."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from tests.local_workspace.conftest import aci
from tests.running_workspace import RunningWorkspace

if TYPE_CHECKING:
    from azureml.core import Workspace


@pytest.fixture
def asset(local_workspace: RunningWorkspace) -> str:
    """An asset that models can be made of."""
    made = local_workspace.mms("POST", "/assets", json={"name": "odd", "artifacts": [{"prefix": "LocalUpload/a/b"}]})
    return f"aml://asset/{made.json()['id']}"


@pytest.mark.parametrize(
    ("member", "value", "kind"),
    [
        ("description", {"a": 1}, "a text"),
        ("framework", ["Onnx"], "a text"),
        ("datasets", ["x"], "a list of objects"),
        ("kvTags", {"a": {"b": 1}}, "an object of texts"),
        ("resourceRequirements", 1, "an object"),
        ("sampleInputData", 1.5, "a text"),
        ("unpack", "yes", "true or false"),
    ],
)
def test_a_model_of_the_wrong_kind_is_refused(
    local_workspace: RunningWorkspace, asset: str, member: str, value: Any, kind: str
) -> None:
    answer = local_workspace.mms("POST", "/models", json={"name": "odd-model", "url": asset, member: value})

    assert (answer.status_code, answer.json()["message"]) == (400, f"'{member}' has to be {kind}.")
    assert local_workspace.mms("GET", "/models?name=odd-model").json()["value"] == []


def test_a_change_of_a_model_to_the_wrong_kind_is_refused(local_workspace: RunningWorkspace, asset: str) -> None:
    model = local_workspace.mms("POST", "/models", json={"name": "odd-patch", "url": asset}).json()

    for member, value in (("description", [1]), ("datasets", ["x"]), ("kvTags", "x"), ("properties/a", {"b": 1})):
        answer = local_workspace.mms("PATCH", f"/models/{model['id']}", json=[{"path": f"/{member}", "value": value}])
        assert answer.status_code == 400, (member, answer.text)
    assert local_workspace.mms("GET", "/models?datasetId=x&name=odd-patch").json()["value"] == []
    assert local_workspace.mms("GET", f"/models/{model['id']}").json()["kvTags"] == {}


@pytest.mark.parametrize(
    "odd",
    [
        {"environmentVariables": 1},
        {"python": {"condaDependencies": {"dependencies": [1]}}},
        {"python": {"condaDependencies": {"dependencies": [{"pip": "numpy"}]}}},
        {"python": {"condaDependencies": {"packages": []}}},
        {"docker": {"platform": 1}},
        {"r": {"cranPackages": [1]}},
        {"spark": []},
    ],
)
def test_an_environment_that_no_client_could_list_is_refused(
    local_workspace: RunningWorkspace, odd: dict[str, Any]
) -> None:
    path = f"/environment/v1.0{local_workspace.resource_id}/environments/odd"

    assert local_workspace.call("PUT", path, json=odd).status_code == 400
    assert local_workspace.call("GET", path).status_code == 404


def test_a_null_among_the_packages_breaks_no_list(
    sdk_workspace: Workspace, local_workspace: RunningWorkspace, unique: Callable[[str], str]
) -> None:
    from azureml.core import Environment

    name = unique("null-packages")
    path = f"/environment/v1.0{local_workspace.resource_id}/environments/{name}"
    body = {"python": {"condaDependencies": {"dependencies": None, "channels": None}}}
    assert local_workspace.call("PUT", path, json=body).status_code == 200

    assert name in Environment.list(sdk_workspace)


@pytest.mark.parametrize(
    "odd",
    [
        {"kvTags": [1]},
        {"authEnabled": "false"},
        {"keys": "key"},
        {"containerResourceRequirements": {"cpu": "1", "memoryInGB": 1}},
        {"containerResourceRequirements": {"cpu": 1e308, "memoryInGB": 1}},
        {"description": {}},
        {"environmentImageRequest": {"modelIds": "a:1"}},
        {"environmentImageRequest": {"assets": ["a"]}},
        {"vnetConfiguration": {"vnetName": 1, "subnetName": 2}},
    ],
)
def test_a_service_of_the_wrong_kind_is_refused(local_workspace: RunningWorkspace, odd: dict[str, Any]) -> None:
    asked = aci("odd-service", **odd)

    assert local_workspace.mms("POST", "/services", json=asked).status_code == 400
    verdict = local_workspace.mms("POST", "/services/validate", json={"type": "Create", "createRequest": asked})
    assert (verdict.status_code, "error" in verdict.json()) == (200, True)
    assert local_workspace.mms("GET", "/services/odd-service").status_code == 404


def test_a_change_of_a_service_to_the_wrong_kind_is_refused(
    local_workspace: RunningWorkspace, broken_service: Callable[..., str]
) -> None:
    name = broken_service(kvTags={"kept": "1"}, authEnabled=True)
    before = local_workspace.mms("GET", f"/services/{name}").json()

    for path, value in (
        ("authEnabled", None),
        ("authEnabled", "x"),
        ("kvTags", "x"),
        ("properties", 1),
        ("description", {"a": 1}),
        ("appInsightsEnabled", []),
        ("environmentImageRequest", None),
        ("environmentImageRequest", "x"),
    ):
        answer = local_workspace.mms(
            "PATCH", f"/services/{name}", json=[{"op": "replace", "path": f"/{path}", "value": value}]
        )
        assert answer.status_code == 400, (path, value, answer.text)
    assert local_workspace.mms("GET", f"/services/{name}").json() == before


def test_one_tag_is_changed_and_the_others_stay(
    local_workspace: RunningWorkspace, broken_service: Callable[..., str]
) -> None:
    name = broken_service(kvTags={"kept": "1"})

    steps = [{"op": "add", "path": "/kvTags/new", "value": "2"}]
    assert local_workspace.mms("PATCH", f"/services/{name}", json=steps).status_code == 200
    assert local_workspace.mms("GET", f"/services/{name}").json()["kvTags"] == {"kept": "1", "new": "2"}


def test_a_service_that_this_machine_could_not_hold_is_refused(
    local_workspace: RunningWorkspace, unique: Callable[[str], str]
) -> None:
    cluster = unique("cluster")
    path = f"{local_workspace.resource_id}/computes/{cluster}"
    assert local_workspace.call("PUT", path, json={"properties": {"computeType": "AKS"}}).status_code == 201
    asked = aci("odd-service") | {"computeType": "AKS", "computeName": cluster, "numReplicas": 1_000_000}

    answer = local_workspace.mms("POST", "/services", json=asked)
    assert (answer.status_code, "at most 100 replicas" in answer.json()["message"]) == (400, True)


@pytest.mark.parametrize("body", [b'{"name": NaN}', b'"\\ud800"', b"[" * 100_000, b"{", b"\xff"])
def test_what_is_not_json_is_refused(local_workspace: RunningWorkspace, body: bytes) -> None:
    answer = local_workspace.mms("POST", "/models", data=body)

    assert (answer.status_code, answer.json()["message"]) == (400, "The body of this request is not JSON.")


def test_a_model_version_has_one_spelling(local_workspace: RunningWorkspace, asset: str) -> None:
    assert local_workspace.mms("POST", "/models", json={"name": "spelt", "url": asset}).json()["id"] == "spelt:1"

    for odd in ("spelt:01", "spelt:\uff11", "spelt:\u00b9", "spelt:99999999999999999999", "spelt:-1", "spelt:", ":1"):
        assert local_workspace.mms("GET", f"/models/{odd}").status_code == 404, odd
    for count in ("\u00b2", "1e9", "99999999999999999999"):
        assert local_workspace.mms("GET", "/models", params={"count": count}).status_code == 400
