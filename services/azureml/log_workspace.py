"""Where a workspace's telemetry lies: from the workspace to its Application Insights to its Log Analytics workspace."""

from __future__ import annotations

from dataclasses import dataclass

from services.azureml.access import Access
from services.azureml.wire import Wire

WORKSPACE_VERSION = "2022-05-01"
COMPONENT_VERSION = "2020-02-02"
LOG_WORKSPACE_VERSION = "2021-06-01"


@dataclass(frozen=True, kw_only=True)
class LogWorkspace:
    """Where telemetry lies: by its address in the resource manager, and by the id queries are sent to."""

    resource_id: str
    customer_id: str


def find_log_workspace(access: Access) -> str | None:
    """Customer id of the Log Analytics workspace behind the workspace's Application Insights; None = there is none."""
    found = find_log_resource(access)
    return found.customer_id if found else None


def find_log_resource(access: Access) -> LogWorkspace | None:
    """The Log Analytics workspace behind the workspace's Application Insights; None = there is none."""
    wire = Wire(access)
    try:
        arm = access.arm_url()
        doing = "find where the telemetry lies"
        workspace = _properties(wire, f"{arm}{access.coordinates().path}", WORKSPACE_VERSION, doing)
        component = str(workspace.get("applicationInsights") or "")
        if not component:
            return None
        behind = str(_properties(wire, f"{arm}{component}", COMPONENT_VERSION, doing).get("WorkspaceResourceId") or "")
        if not behind:
            return None
        found = _properties(wire, f"{arm}{behind}", LOG_WORKSPACE_VERSION, doing).get("customerId")
        return LogWorkspace(resource_id=behind, customer_id=str(found)) if found else None
    finally:
        wire.close()


def _properties(wire: Wire, url: str, version: str, doing: str) -> dict[str, object]:
    document = wire.read(url, doing=doing, params={"api-version": version}).json()
    found: dict[str, object] = document.get("properties") or {}
    return found
