"""Inference clusters through the SDK: created, attached, listed, detached, deleted."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
import requests

from local_workspace import container_insights_command
from tests.running_workspace import RunningWorkspace

if TYPE_CHECKING:
    from azureml.core import Workspace

CLUSTER = "/subscriptions/s/resourcegroups/r/providers/Microsoft.ContainerService/managedClusters/"


def test_a_cluster_is_created_listed_and_deleted(sdk_workspace: Workspace, local_workspace: RunningWorkspace) -> None:
    from azureml.core.compute import AksCompute, ComputeTarget

    made = ComputeTarget.create(sdk_workspace, "created", AksCompute.provisioning_configuration(agent_count=3))
    made.wait_for_completion()

    read = ComputeTarget(sdk_workspace, "created")
    assert (read.provisioning_state, read.agent_count, read.cluster_purpose) == ("Succeeded", 3, "FastProd")
    assert "created" in [compute.name for compute in ComputeTarget.list(sdk_workspace)]
    read.delete()
    with pytest.raises(Exception, match="ComputeTargetNotFound"):
        ComputeTarget(sdk_workspace, "created")
    assert [row["kind"] for row in local_workspace.ledger(name="created")] == ["create", "delete"]


def test_a_cluster_is_attached_once_and_detached(sdk_workspace: Workspace, local_workspace: RunningWorkspace) -> None:
    from azureml.core.compute import AksCompute, ComputeTarget
    from azureml.exceptions import ComputeTargetException

    configuration = AksCompute.attach_configuration(resource_id=CLUSTER + "attached")
    attached = ComputeTarget.attach(sdk_workspace, "attached", configuration)
    attached.wait_for_completion()

    assert ComputeTarget(sdk_workspace, "attached").cluster_resource_id == CLUSTER + "attached"
    with pytest.raises(ComputeTargetException, match="attached already, as attached"):
        ComputeTarget.attach(sdk_workspace, "again", configuration)
    attached.detach()
    assert [row["kind"] for row in local_workspace.ledger(name="attached")] == ["attach", "detach"]


def test_a_production_cluster_wants_three_nodes_and_a_test_cluster_is_warned(
    local_workspace: RunningWorkspace, unique: Callable[[str], str]
) -> None:
    def put(count: int, purpose: str) -> Any:
        inner = {"agentCount": count, "clusterPurpose": purpose}
        body = {"location": "local", "properties": {"computeType": "AKS", "properties": inner}}
        return local_workspace.call("PUT", f"{local_workspace.resource_id}/computes/{unique('nodes')}", json=body)

    small = put(2, "FastProd")
    assert small.status_code == 400
    assert "3 nodes" in small.json()["error"]["message"]
    assert put(3, "FastProd").status_code == 201
    test = put(1, "DevTest")
    assert test.status_code == 201
    assert "DevTest" in test.headers["Warning"]
    assert test.json()["properties"]["provisioningWarnings"]


def test_what_is_no_cluster_is_refused(local_workspace: RunningWorkspace) -> None:
    base = f"{local_workspace.resource_id}/computes"
    for name, properties in [
        ("x", {"computeType": "AKS"}),
        ("trainer", {"computeType": "AmlCompute"}),
        ("other", {"computeType": "AKS", "resourceId": "/subscriptions/s"}),
        ("none", {"computeType": "AKS", "properties": {"agentCount": -1}}),
    ]:
        answer = local_workspace.call("PUT", f"{base}/{name}", json={"properties": properties})
        assert answer.status_code == 400, name
        assert answer.json()["error"]["message"]


def test_an_operation_on_a_cluster_can_be_asked_about(local_workspace: RunningWorkspace) -> None:
    body = {"properties": {"computeType": "AKS"}}
    made = local_workspace.call("PUT", f"{local_workspace.resource_id}/computes/polled", json=body)

    address = made.headers["Azure-AsyncOperation"].removeprefix(local_workspace.connection["url"])
    assert local_workspace.call("GET", address).json()["status"] == "Succeeded"
    assert local_workspace.call("GET", address.replace("?", "x?")).status_code == 404
    gone = local_workspace.call("DELETE", f"{local_workspace.resource_id}/computes/polled")
    assert "Azure-AsyncOperation" in gone.headers


def test_the_cluster_says_whether_container_insights_watches_it(
    sdk_workspace: Workspace, local_workspace: RunningWorkspace, unique: Callable[[str], str]
) -> None:
    name = unique("watched")
    body = {"properties": {"computeType": "AKS"}}
    made = local_workspace.call("PUT", f"{local_workspace.resource_id}/computes/{name}", json=body).json()
    switch, cluster = f"/admin/computes/{name}/container-insights", made["properties"]["resourceId"]

    def enabled() -> bool:
        answer = local_workspace.call("GET", cluster, token="read_token")
        return bool(answer.json()["properties"]["addonProfiles"]["omsagent"]["enabled"])

    assert enabled() is False
    assert local_workspace.admin("PUT", switch, {"on": True}) == {"compute": name, "on": True}
    assert enabled() is True
    assert local_workspace.admin("GET", switch)["on"] is True
    assert local_workspace.admin("PUT", switch, {"on": False})["on"] is False
    assert enabled() is False
    assert local_workspace.call("GET", f"{cluster}-none").status_code == 404
    for path, wrong in ((switch, {"on": "yes"}), ("/admin/computes/none/container-insights", {"on": True})):
        with pytest.raises(requests.HTTPError):
            local_workspace.admin("PUT", path, wrong)


def test_the_command_switches_container_insights(
    local_workspace: RunningWorkspace, unique: Callable[[str], str], capsys: pytest.CaptureFixture[str]
) -> None:
    name = unique("switched")
    body = {"properties": {"computeType": "AKS"}}
    local_workspace.call("PUT", f"{local_workspace.resource_id}/computes/{name}", json=body)
    data = ["--data", str(local_workspace.data)]

    codes = [container_insights_command.main([name, switch, *data]) for switch in ("show", "on", "show", "off")]

    assert codes == [0, 0, 0, 0]
    said = [line.rpartition(" ")[2] for line in capsys.readouterr().out.splitlines()]
    assert said == ["off.", "on.", "on.", "off."]
    assert container_insights_command.main(["none", "on", *data]) == 1
    assert "no compute none" in capsys.readouterr().err
