"""Computes: AKS clusters created, attached, listed, detached and deleted, as asynchronous operations.

No cluster stands behind a compute of the local workspace: its size and purpose set the rules that services meet. At the
cluster's own address its document says, as Azure's does, whether Container Insights collects its containers' logs.
"""

from __future__ import annotations

import json
import re
import uuid
from typing import Any

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from local_workspace import ledger
from local_workspace.identity import Identity
from local_workspace.resources import shapes, workspaces
from local_workspace.state import State, dumps, now
from local_workspace.wire import Call, Refused, route

NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9-]{1,22}[a-zA-Z0-9]")
CLUSTER = re.compile(
    r"/subscriptions/[^/]+/resourcegroups/[^/]+/providers/Microsoft\.ContainerService/managedClusters/[^/]+", re.I
)
PRODUCTION, DEV_TEST = "FastProd", "DevTest"
PURPOSES = (PRODUCTION, "DenseProd", DEV_TEST)
PRODUCTION_NODES = 3
PAGE = 100
DEFAULT_VM_SIZE = "Standard_D3_v2"


def routes(identity: Identity) -> list[Route]:
    """Reads at the data plane, writes at the resource manager; each answers at both."""
    made = []
    for base in (f"{identity.resource_id}/computes", f"/rp/workspaces{identity.resource_id}/computes"):
        made += [
            route(base, _list),
            route(f"{base}/{{name}}", _get),
            route(f"{base}/{{name}}", _put, "PUT"),
            route(f"{base}/{{name}}", _delete, "DELETE"),
            route(f"{base}/{{name}}/listKeys", _credentials, "POST"),
        ]
    operations = f"/subscriptions/{identity.subscription_id}/providers/Microsoft.MachineLearningServices/locations"
    clusters = "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.ContainerService"
    return [
        *made,
        route(f"{operations}/local/computeOperationsStatus/{{id}}", _operation),
        route(f"{clusters}/managedClusters/{{cluster}}", _cluster_document),
    ]


def find(state: State, name: str) -> dict[str, Any] | None:
    """A compute by name, or None."""
    row = state.row("SELECT document FROM computes WHERE lower(name) = lower(?)", (name,))
    return json.loads(row["document"]) if row else None


def has_container_insights(state: State, name: str) -> bool:
    """Whether the logs of this cluster's containers go to Log Analytics."""
    return state.row("SELECT 1 FROM container_insights WHERE compute = ?", (name,)) is not None


def set_container_insights(state: State, name: str, *, on: bool) -> str | None:
    """Switch it on or off; the cluster's name, or None when there is no such cluster."""
    with state.transaction() as work:
        document = find(state, name)
        if document is None:
            return None
        change = "INSERT OR IGNORE INTO container_insights (compute) VALUES (?)"
        work.execute(change if on else "DELETE FROM container_insights WHERE compute = ?", (document["name"],))
    return str(document["name"])


def _list(call: Call) -> dict[str, Any]:
    after = call.query.get("$skipToken") or call.query.get("$skiptoken") or ""
    rows = call.workspace.state.rows(
        "SELECT name, document FROM computes WHERE name > ? ORDER BY name LIMIT ?", (after, PAGE + 1)
    )
    page: dict[str, Any] = {"value": [json.loads(row["document"]) for row in rows[:PAGE]]}
    # The SDK follows the key even when it is null.
    if len(rows) > PAGE:
        page["nextLink"] = call.next_link(rows[PAGE - 1]["name"])
    return page


def _get(call: Call) -> dict[str, Any]:
    return _must_find(call)


def _put(call: Call) -> Response:
    name, asked = call.path["name"], call.document()
    shapes.check(asked, shapes.COMPUTE)
    state = call.workspace.state
    properties = asked.get("properties") or {}
    with state.transaction() as work:
        before = find(state, name)
        if before is None:
            document, warning = _created(call, name, asked, properties)
            kind: ledger.Kind = "attach" if properties.get("resourceId") else "create"
        else:
            document, warning = _updated(before, properties)
            kind = "update"
        work.execute(
            "INSERT INTO computes (name, document) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET document = excluded.document",
            (document["name"], dumps(document)),
        )
        operation_id = _start(state, document["name"])
        ledger.record(state, kind, "compute", document["name"], caller=call.caller, operation_id=operation_id)
    headers = _operation_header(call, operation_id)
    if warning:
        headers["Warning"] = f'299 - "{warning}"'
    return JSONResponse(document, status_code=201 if before is None else 200, headers=headers)


def _created(
    call: Call, name: str, asked: dict[str, Any], properties: dict[str, Any]
) -> tuple[dict[str, Any], str | None]:
    if not NAME.fullmatch(name):
        raise Refused(
            400,
            "InvalidComputeName",
            f"'{name}' cannot name a compute: 3 to 24 letters, digits and hyphens, beginning with a letter.",
        )
    if str(properties.get("computeType") or "").upper() != "AKS":
        raise Refused(
            400,
            "UnsupportedComputeType",
            f"The local workspace has AKS clusters only, not '{properties.get('computeType')}'.",
        )
    resource_id = properties.get("resourceId")
    if resource_id:
        _check_attachable(call.workspace.state, resource_id)
    inner = dict(properties.get("properties") or {})
    ssl = inner.pop("sslConfiguration", None) or {}
    cluster, warning = _cluster(inner)
    identity = call.workspace.identity
    moment = now()
    group = f"/subscriptions/{identity.subscription_id}/resourceGroups/{identity.resource_group}"
    made = f"{group}/providers/Microsoft.ContainerService/managedClusters/{name}"
    return {
        "id": f"{identity.resource_id}/computes/{name}",
        "name": name,
        "type": "Microsoft.MachineLearningServices/workspaces/computes",
        "location": asked.get("location") or identity.location,
        "tags": asked.get("tags") or {},
        "properties": {
            "computeType": "AKS",
            "description": properties.get("description"),
            "computeLocation": properties.get("computeLocation") or asked.get("location") or identity.location,
            "provisioningState": "Succeeded",
            "provisioningErrors": None,
            "provisioningWarnings": {"ClusterTooSmallForProduction": warning} if warning else {},
            "createdOn": moment,
            "modifiedOn": moment,
            "resourceId": resource_id or made,
            "isAttachedCompute": bool(resource_id),
            "properties": cluster | {"sslConfiguration": {"status": ssl.get("status", "Disabled")}},
        },
    }, warning


def _check_attachable(state: State, resource_id: str) -> None:
    if not CLUSTER.fullmatch(resource_id):
        raise Refused(400, "InvalidResourceId", f"'{resource_id}' is not the resource id of an AKS cluster.")
    taken = state.row(
        "SELECT name FROM computes WHERE lower(json_extract(document, '$.properties.resourceId')) = lower(?)",
        (resource_id,),
    )
    if taken:
        raise Refused(
            400,
            "ClusterAlreadyAttached",
            f"This cluster is attached already, as {taken['name']}: a second attachment would break the first."
            " Detach it first.",
        )


def _cluster(asked: dict[str, Any]) -> tuple[dict[str, Any], str | None]:
    """What the wire says about a cluster, and a warning where it is small on purpose."""
    purpose = asked.get("clusterPurpose") or PRODUCTION
    if purpose not in PURPOSES:
        raise Refused(400, "InvalidClusterPurpose", f"'{purpose}' is no purpose: choose FastProd or DevTest.")
    count = asked.get("agentCount") or PRODUCTION_NODES
    if not isinstance(count, int) or isinstance(count, bool) or count < 1:
        raise Refused(400, "InvalidAgentCount", "A cluster has at least 1 node.")
    if purpose != DEV_TEST and count < PRODUCTION_NODES:
        raise Refused(
            400,
            "ClusterTooSmall",
            f"A production cluster needs at least {PRODUCTION_NODES} nodes, and this one has {count}:"
            " add nodes, or make it a DevTest cluster.",
        )
    small = count < PRODUCTION_NODES
    warning = f"With {count} node(s) this DevTest cluster survives no loss of a node; do not serve production from it."
    return {
        "agentCount": count,
        "agentVmSize": asked.get("agentVmSize") or DEFAULT_VM_SIZE,
        "clusterPurpose": purpose,
        "clusterFqdn": "127.0.0.1",
        "systemServices": [],
        "loadBalancerType": asked.get("loadBalancerType") or "PublicIp",
        "loadBalancerSubnet": asked.get("loadBalancerSubnet"),
    }, warning if small else None


def _updated(before: dict[str, Any], properties: dict[str, Any]) -> tuple[dict[str, Any], str | None]:
    inner = dict(properties.get("properties") or {})
    ssl = inner.pop("sslConfiguration", None)
    present = before["properties"]["properties"]
    cluster, warning = _cluster({**present, **{key: value for key, value in inner.items() if value is not None}})
    present.update(cluster)
    if ssl is not None:
        # Certificate and key are let go: nothing here speaks TLS to callers of a service.
        present["sslConfiguration"] = {"status": ssl.get("status", "Disabled")}
    before["properties"]["modifiedOn"] = now()
    return before, warning


def _delete(call: Call) -> Response:
    state = call.workspace.state
    with state.transaction() as work:
        document = _must_find(call)
        users = state.rows(
            "SELECT name FROM services WHERE lower(json_extract(document, '$.computeName')) = lower(?) ORDER BY name",
            (document["name"],),
        )
        if users:
            names = ", ".join(row["name"] for row in users)
            raise Refused(409, "ComputeInUse", f"These services run on {document['name']}: {names}. Delete them first.")
        work.execute("DELETE FROM computes WHERE name = ?", (document["name"],))
        work.execute("DELETE FROM container_insights WHERE compute = ?", (document["name"],))
        operation_id = _start(state, document["name"])
        detached = call.query.get("underlyingResourceAction", "delete").lower() == "detach"
        kind: ledger.Kind = "detach" if detached else "delete"
        ledger.record(state, kind, "compute", document["name"], caller=call.caller, operation_id=operation_id)
    return Response(status_code=202, headers=_operation_header(call, operation_id))


def _credentials(call: Call) -> dict[str, Any]:
    document = _must_find(call)
    raise Refused(
        400,
        "NoCluster",
        f"No Kubernetes cluster stands behind {document['name']}: the local workspace runs its services itself.",
    )


def _operation(call: Call) -> dict[str, Any]:
    row = call.workspace.state.row("SELECT document FROM compute_operations WHERE id = ?", (call.path["id"],))
    if row is None:
        raise Refused(404, "OperationNotFound", f"There is no operation {call.path['id']}.")
    document: dict[str, Any] = json.loads(row["document"])
    return document


def _cluster_document(call: Call) -> dict[str, Any]:
    """The cluster behind a compute, as far as anyone here asks about it."""
    state = call.workspace.state
    row = state.row(
        "SELECT document FROM computes WHERE lower(json_extract(document, '$.properties.resourceId')) = lower(?)",
        (call.address,),
    )
    if row is None:
        raise Refused(404, "ResourceNotFound", f"There is no cluster {call.path['cluster']} behind a compute here.")
    compute = json.loads(row["document"])
    properties = compute["properties"]
    on = has_container_insights(state, compute["name"])
    logs = {"logAnalyticsWorkspaceResourceID": workspaces.log_workspace_id(call.workspace.identity)} if on else None
    pool = {"name": "agentpool", "count": properties["properties"]["agentCount"]}
    return {
        "id": properties["resourceId"],
        "name": call.path["cluster"],
        "type": "Microsoft.ContainerService/ManagedClusters",
        "location": compute["location"],
        "tags": {},
        "properties": {
            "provisioningState": "Succeeded",
            "powerState": {"code": "Running"},
            "agentPoolProfiles": [pool | {"vmSize": properties["properties"]["agentVmSize"]}],
            "addonProfiles": {"omsagent": {"enabled": on, "config": logs}},
        },
    }


def _must_find(call: Call) -> dict[str, Any]:
    document = find(call.workspace.state, call.path["name"])
    if document is None:
        raise Refused(404, "ComputeNotFound", f"There is no compute {call.path['name']} in this workspace.")
    return document


def _start(state: State, name: str) -> str:
    """An operation on a compute: there is nothing to wait for, so it has succeeded when it is first asked about."""
    operation_id = str(uuid.uuid4())
    moment = now()
    document = {"id": operation_id, "name": name, "status": "Succeeded", "startTime": moment, "endTime": moment}
    with state.transaction() as work:
        work.execute("INSERT INTO compute_operations (id, document) VALUES (?, ?)", (operation_id, dumps(document)))
    return operation_id


def _operation_header(call: Call, operation_id: str) -> dict[str, str]:
    identity = call.workspace.identity
    path = (
        f"/subscriptions/{identity.subscription_id}/providers/Microsoft.MachineLearningServices"
        f"/locations/local/computeOperationsStatus/{operation_id}"
    )
    return {"Azure-AsyncOperation": f"{identity.url}{path}?api-version=2020-02-02"}
