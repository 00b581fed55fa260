"""What a service may be: refused before anything runs, by the validate calls and by create and update themselves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.local_workspace.conftest import aci
from tests.running_workspace import RunningWorkspace


@pytest.fixture(scope="module")
def cluster(local_workspace: RunningWorkspace) -> str:
    """A production cluster."""
    name = "rules"
    body = {"properties": {"computeType": "AKS", "properties": {"agentCount": 3, "agentVmSize": "Standard_D3_v2"}}}
    local_workspace.call("PUT", f"{local_workspace.resource_id}/computes/{name}", json=body).raise_for_status()
    return name


def aks(name: str, cluster: str, **settings: Any) -> dict[str, Any]:
    """A create request for AKS."""
    return aci(name) | {"computeType": "AKS", "computeName": cluster} | settings


@pytest.mark.parametrize("name", ["ab", "Wine", "1wine", "wine-", "wine_1", "a" * 33, ""])
def test_a_bad_name_is_refused(local_workspace: RunningWorkspace, name: str) -> None:
    assert local_workspace.mms("POST", "/services", json=aci(name)).status_code == 400
    if name:
        verdict = local_workspace.mms("POST", f"/services/validate/name/{name}", json={})
        assert verdict.status_code == 200
        assert "3 to 32" in verdict.json()["error"]["message"]


def test_a_name_in_use_is_refused_and_a_free_one_is_fine(
    local_workspace: RunningWorkspace, broken_service: Callable[..., str]
) -> None:
    name = broken_service()

    verdict = local_workspace.mms("POST", f"/services/validate/name/{name}", json={})
    created = local_workspace.mms("POST", "/services", json=aci(name))

    assert "exists already" in verdict.json()["error"]["message"]
    assert (created.status_code, created.json()["code"]) == (409, "ServiceNameTaken")
    assert local_workspace.mms("POST", "/services/validate/name/still-free", json={}).json() == {}


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"computeType": "VM"}, "ACI and AKS"),
        ({"numReplicas": 2}, "numReplicas cannot be set"),
        ({"aadAuthEnabled": True}, "aadAuthEnabled cannot be set"),
        ({"containerResourceRequirements": {"cpu": 0, "memoryInGB": 1}}, "'cpu' has to be above 0"),
        ({"containerResourceRequirements": {"cpu": 1, "memoryInGB": -1}}, "'memoryInGB' has to be above 0"),
        ({"containerResourceRequirements": {"cpu": 1, "memoryInGB": "much"}}, "has to be a number"),
        ({"sslEnabled": True, "cname": "x"}, "all three: certificate"),
        ({"vnetConfiguration": {"vnetName": "x"}}, "needs both"),
        ({"encryptionProperties": {"keyName": "x"}}, "all three: vault"),
        ({"keys": {"secondaryKey": "12345678"}}, "together with a primary key"),
        ({"keys": {"primaryKey": "short"}}, "8 to 256"),
        ({"environmentImageRequest": None}, "environmentImageRequest"),
        ({"environmentImageRequest": {"modelIds": []}}, "inference configuration"),
    ],
)
def test_what_aci_cannot_be_is_refused_with_the_reason(
    local_workspace: RunningWorkspace, settings: dict[str, Any], says: str
) -> None:
    answer = local_workspace.mms("POST", "/services", json=aci("refused") | settings)

    assert answer.status_code == 400
    assert says in answer.json()["message"]
    assert says in answer.json()["details"][0]["message"]
    assert local_workspace.mms("GET", "/services/refused").status_code == 404


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"authEnabled": True, "aadAuthEnabled": True}, "not by both"),
        ({"numReplicas": 2, "autoScaler": {"autoscaleEnabled": True}}, "exclude each other"),
        ({"autoScaler": {"autoscaleEnabled": False}}, "number of replicas"),
        ({"autoScaler": {"autoscaleEnabled": True, "minReplicas": 11}}, "not a range"),
        ({"autoScaler": {"autoscaleEnabled": True, "targetUtilization": 101}}, "between 1 and 100"),
        ({"scoringTimeoutMs": -1}, "'scoringTimeoutMs'"),
        ({"livenessProbeRequirements": {"periodSeconds": -1}}, "'periodSeconds'"),
        ({"namespace": "Not_A_Namespace"}, "namespace"),
        ({"containerResourceRequirements": {"cpu": 1, "cpuLimit": 0.5}}, "limit of 'cpu'"),
        ({"location": "here", "sslEnabled": True}, "sslEnabled cannot be set"),
    ],
)
def test_what_aks_cannot_be_is_refused_with_the_reason(
    local_workspace: RunningWorkspace, cluster: str, settings: dict[str, Any], says: str
) -> None:
    request = aks("refused", cluster, **settings)

    answer = local_workspace.mms("POST", "/services", json=request)
    body = {"type": "Create", "serviceName": "refused", "createRequest": request, "updateRequest": None}
    verdict = local_workspace.mms("POST", "/services/validate", json=body)

    assert (answer.status_code, verdict.status_code) == (400, 200)
    assert says in answer.json()["message"]
    assert says in verdict.json()["error"]["message"]


def test_an_unknown_cluster_or_model_is_a_404(local_workspace: RunningWorkspace, cluster: str) -> None:
    no_cluster = local_workspace.mms("POST", "/services", json=aks("refused", "nowhere"))
    request = aci("refused")["environmentImageRequest"] | {"modelIds": ["nothing:1"]}
    no_model = local_workspace.mms("POST", "/services", json=aci("refused", environmentImageRequest=request))

    assert (no_cluster.status_code, no_cluster.json()["code"]) == (404, "ComputeNotFound")
    assert (no_model.status_code, no_model.json()["code"]) == (404, "ModelNotFound")
    assert local_workspace.mms("POST", "/services", json=aks("refused", "")).status_code == 400


def test_what_no_node_can_hold_is_said_before(local_workspace: RunningWorkspace, cluster: str) -> None:
    def verdict(**resources: float) -> dict[str, Any]:
        request = aks("large", cluster, containerResourceRequirements=resources)
        found: dict[str, Any] = local_workspace.mms("POST", "/services/validate/resource", json=request).json()
        return found

    assert verdict(cpu=1, memoryInGB=1) == {}
    assert "0/3 nodes are available: 3 Insufficient cpu." in verdict(cpu=5, memoryInGB=1)["error"]["message"]
    assert "Insufficient memory" in verdict(cpu=1, memoryInGB=15)["error"]["message"]
    assert "nvidia.com/gpu" in verdict(cpu=1, memoryInGB=1, gpu=1)["error"]["message"]


def test_a_broken_service_ends_failed_with_its_reason(
    local_workspace: RunningWorkspace, broken_service: Callable[..., str], swagger: Callable[..., Any]
) -> None:
    name = broken_service()

    service = swagger("services", "query_by_id", name)
    operation = swagger("operations", "get", service.operation_id)

    assert service.state.value == "Failed"
    assert (service.error.code, service.error.status_code) == ("SourceInvalid", 400)
    assert "never uploaded" in service.error.details[0].message
    assert (operation.state.value, operation.error.code) == ("Failed", "SourceInvalid")
    assert operation.operation_details.sub_operation_type == "BuildEnvironment"
    assert operation.end_time >= operation.created_time
    log = local_workspace.call(
        "GET", operation.operation_log.removeprefix(local_workspace.connection["url"]), token=None
    )
    assert "never uploaded" in log.text
    assert local_workspace.call("GET", f"/operation-logs/{operation.id}", token=None).status_code == 403


def test_a_patch_of_what_cannot_be_changed_is_refused(
    local_workspace: RunningWorkspace, broken_service: Callable[..., str]
) -> None:
    name = broken_service(properties={"p": "1"})
    for path, value in [
        ("/containerResourceRequirements/cpu", 2),
        ("/numReplicas", 2),
        ("/location", "there"),
        ("/properties/p", "2"),
        ("/authEnabled/x", True),
        ("/properties/a/b", "1"),
    ]:
        patch = [{"op": "replace", "path": path, "value": value}]
        answer = local_workspace.mms("PATCH", f"/services/{name}", json=patch)
        assert answer.status_code == 400, path
        body = {"type": "Update", "serviceName": name, "createRequest": None, "updateRequest": patch}
        assert "error" in local_workspace.mms("POST", "/services/validate", json=body).json()
    assert local_workspace.mms("PATCH", "/services/nowhere", json=[]).status_code == 404
    assert local_workspace.mms("PATCH", f"/services/{name}", json={}).status_code == 400


def test_a_compute_is_not_deleted_while_a_service_runs_on_it(
    local_workspace: RunningWorkspace, cluster: str, unique: Callable[[str], str]
) -> None:
    name = unique("on-aks")
    created = local_workspace.mms("POST", "/services", json=aks(name, cluster))
    local_workspace.wait_for_operation(created.headers["Operation-Location"].rpartition("/")[2])

    path = f"{local_workspace.resource_id}/computes/{cluster}?underlyingResourceAction=detach"
    refused = local_workspace.call("DELETE", path)

    assert refused.status_code == 409
    assert name in refused.json()["error"]["message"]
    local_workspace.mms("DELETE", f"/services/{name}")


def test_deleting_twice_is_a_204(local_workspace: RunningWorkspace, broken_service: Callable[..., str]) -> None:
    name = broken_service()

    assert local_workspace.mms("DELETE", f"/services/{name}").status_code == 200
    assert local_workspace.mms("DELETE", f"/services/{name}").status_code == 204
    assert local_workspace.mms("GET", f"/services/{name}").status_code == 404
    assert [row["kind"] for row in local_workspace.ledger(name=name)] == ["create", "delete"]
