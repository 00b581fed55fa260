"""Inference clusters through the SDK. Each call starts the work and returns; `ModelManagement.computes` shows how it goes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from services.azureml import translate
from services.azureml.access import Access
from services.azureml.deadline import within
from services.azureml.quiet import quiet

CALL_SECONDS = 60.0


def create_aks(
    access: Access, name: str, *, nodes: int, vm_size: str, purpose: str, timeout: float = CALL_SECONDS
) -> None:
    """Create a cluster; `purpose` is `DevTest` or `FastProd`. Look for the name before."""

    def send() -> None:
        from azureml.core.compute import AksCompute, ComputeTarget

        wanted = AksCompute.provisioning_configuration(agent_count=nodes, vm_size=vm_size, cluster_purpose=purpose)
        ComputeTarget.create(access.workspace(), name, wanted)

    _call(send, doing=f"create the cluster {name}", timeout=timeout)


def detach(access: Access, name: str, *, timeout: float = CALL_SECONDS) -> None:
    """Take a cluster out of the workspace; the cluster itself stays."""

    def send() -> None:
        _target(access, name).detach()

    _call(send, doing=f"detach the cluster {name}", timeout=timeout)


def _target(access: Access, name: str) -> Any:
    from azureml.core.compute import ComputeTarget

    return ComputeTarget(access.workspace(), name)


def _call(call: Callable[[], None], *, doing: str, timeout: float) -> None:
    def quietly() -> None:
        with quiet():
            call()

    with translate.errors(doing, change=True):
        within(timeout, quietly, doing=doing, change=True)
