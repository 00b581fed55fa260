"""Inference clusters through the SDK: created, attached, listed, detached, deleted."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

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
