"""The workspace itself: ARM reads, discovery, and the way from it to its Application Insights and Log Analytics."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from local_workspace.identity import Identity
from local_workspace.wire import Call, Refused, route

SERVICES = ("api", "experimentation", "history", "hyperdrive", "modelmanagement", "studio")
INSIGHTS_NAME = "local-insights"
LOGS_NAME = "local-logs"


def routes(identity: Identity) -> list[Route]:
    """ARM addresses of the workspace and of what it leads to."""
    subscription = f"/subscriptions/{identity.subscription_id}"
    group = f"{subscription}/resourceGroups/{identity.resource_group}"
    listed = f"{group}/providers/Microsoft.MachineLearningServices/workspaces"
    return [
        route(identity.resource_id, _get),
        route(listed, _list),
        route("/subscriptions", _subscriptions),
        route(subscription, _subscription),
        route(group, _resource_group),
        route(component_id(identity), _component),
        route(log_workspace_id(identity), _log_workspace),
    ]


def open_routes(identity: Identity) -> list[Route]:
    """What is read without a token: discovery and the sign of life."""

    async def discover(request: Request) -> Response:
        if request.path_params["workspace_id"].lower() != identity.workspace_id:
            return JSONResponse({"error": {"code": "WorkspaceNotFound"}}, status_code=404)
        return JSONResponse(dict.fromkeys(SERVICES, identity.url))

    async def health(_: Request) -> Response:
        return JSONResponse({"status": "ok"})

    return [Route("/discovery/workspaces/{workspace_id}", discover), Route("/health", health)]


def component_id(identity: Identity) -> str:
    """ARM id of the Application Insights component."""
    return f"{_group(identity)}/providers/Microsoft.Insights/components/{INSIGHTS_NAME}"


def log_workspace_id(identity: Identity) -> str:
    """ARM id of the Log Analytics workspace."""
    return f"{_group(identity)}/providers/Microsoft.OperationalInsights/workspaces/{LOGS_NAME}"


def _group(identity: Identity) -> str:
    return f"/subscriptions/{identity.subscription_id}/resourceGroups/{identity.resource_group}"


def _get(call: Call) -> dict[str, Any]:
    return _document(call.workspace.identity)


def _list(call: Call) -> dict[str, Any]:
    return {"value": [_document(call.workspace.identity)]}


def _subscriptions(call: Call) -> dict[str, Any]:
    return {"value": [_subscription(call)]}


def _subscription(call: Call) -> dict[str, Any]:
    identity = call.workspace.identity
    return {
        "id": f"/subscriptions/{identity.subscription_id}",
        "subscriptionId": identity.subscription_id,
        "displayName": "local",
        "state": "Enabled",
        "tenantId": identity.tenant_id,
    }


def _resource_group(call: Call) -> dict[str, Any]:
    identity = call.workspace.identity
    return {
        "id": _group(identity),
        "name": identity.resource_group,
        "type": "Microsoft.Resources/resourceGroups",
        "location": identity.location,
        "tags": {},
        "properties": {"provisioningState": "Succeeded"},
    }


def _document(identity: Identity) -> dict[str, Any]:
    # The port is in the discovery address because the SDK keeps what it found there for ever.
    discovery = f"{identity.url}/discovery/workspaces/{identity.workspace_id}?e={identity.port}"
    return {
        "id": identity.resource_id,
        "name": identity.workspace_name,
        "type": "Microsoft.MachineLearningServices/workspaces",
        "location": identity.location,
        "tags": {},
        "sku": {"name": "Basic", "tier": "Basic"},
        "identity": {"type": "SystemAssigned", "principalId": identity.workspace_id, "tenantId": identity.tenant_id},
        "properties": {
            "workspaceId": identity.workspace_id,
            "discoveryUrl": discovery,
            "friendlyName": identity.workspace_name,
            "description": "A local workspace: no cloud",
            "creationTime": identity.created,
            "provisioningState": "Succeeded",
            "storageAccount": f"{_group(identity)}/providers/Microsoft.Storage/storageAccounts/local",
            "keyVault": f"{_group(identity)}/providers/Microsoft.KeyVault/vaults/local",
            "applicationInsights": component_id(identity),
            "containerRegistry": None,
            "sdkTelemetryAppInsightsKey": None,
            "hbiWorkspace": False,
            "imageBuildCompute": None,
        },
    }


def _component(call: Call) -> dict[str, Any]:
    identity = call.workspace.identity
    connection = f"InstrumentationKey={identity.instrumentation_key};IngestionEndpoint={identity.logs_url}/"
    return {
        "id": component_id(identity),
        "name": INSIGHTS_NAME,
        "type": "microsoft.insights/components",
        "location": identity.location,
        "kind": "web",
        "tags": {},
        "properties": {
            "AppId": identity.instrumentation_key,
            "Application_Type": "web",
            "ApplicationId": INSIGHTS_NAME,
            "InstrumentationKey": identity.instrumentation_key,
            "ConnectionString": connection,
            "IngestionMode": "LogAnalytics",
            "WorkspaceResourceId": log_workspace_id(identity),
            "RetentionInDays": 30,
            "provisioningState": "Succeeded",
        },
    }


def _log_workspace(call: Call) -> dict[str, Any]:
    identity = call.workspace.identity
    return {
        "id": log_workspace_id(identity),
        "name": LOGS_NAME,
        "type": "Microsoft.OperationalInsights/workspaces",
        "location": identity.location,
        "tags": {},
        "properties": {
            "customerId": identity.logs_workspace_id,
            "provisioningState": "Succeeded",
            "retentionInDays": 30,
            "sku": {"name": "PerGB2018"},
        },
    }


def nothing_here(call: Call) -> dict[str, Any]:
    """The answer for every address that no resource has."""
    raise Refused(404, "NotFound", f"This workspace has nothing at {call.method} {call.address}.")
