"""Operations: what a change of a service came to, polled by id for as long as the workspace exists."""

from __future__ import annotations

import hashlib
import hmac
import json
import uuid
from datetime import UTC, datetime
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from local_workspace.identity import Identity
from local_workspace.state import State, now
from local_workspace.wire import Call, Refused, route
from local_workspace.workspace import Workspace

KINDS = {"create": "Service", "update": "Service", "regenerate": "RegenerateKeys", "delete": "Service"}


def routes(resource_id: str) -> list[Route]:
    """The operations of model management."""
    base = f"/modelmanagement/v1.0{resource_id}/operations"
    return [route(base, _list), route(f"{base}/{{id}}", _get)]


def open_routes(workspace: Workspace) -> list[Route]:
    """The logs of operations, at addresses that carry a signature."""

    async def read_log(request: Request) -> Response:
        operation_id = request.path_params["id"]
        expected = _signature(workspace.identity, operation_id)
        if not hmac.compare_digest(expected, request.query_params.get("sig", "")):
            return PlainTextResponse("The signature of this address is not valid.", status_code=403)
        return PlainTextResponse(await run_in_threadpool(log_text, workspace.state, operation_id))

    return [Route("/operation-logs/{id}", read_log)]


def begin(state: State, kind: str, *, service: str, service_id: str, ended: bool = False) -> str:
    """Note a new operation; one that is done already is noted as ended."""
    operation_id = str(uuid.uuid4())
    moment = now()
    with state.transaction() as work:
        work.execute(
            "INSERT INTO operations (id, service, service_id, kind, state, created, ended) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                operation_id,
                service,
                service_id,
                kind,
                "Succeeded" if ended else "Running",
                moment,
                moment if ended else None,
            ),
        )
    return operation_id


def check_idle(state: State, service: str) -> None:
    """Refuse a change while another one of the same service is going on."""
    row = state.row("SELECT id, created FROM operations WHERE service = ? AND state = 'Running'", (service,))
    if row:
        raise Refused(
            409,
            "Conflict",
            f"Another operation ({row['id']}) on {service} has been running since {row['created']}:"
            " wait until it has ended.",
        )


def log_text(state: State, operation_id: str) -> str:
    """The whole log of an operation."""
    rows = state.rows("SELECT at, text FROM operation_lines WHERE operation_id = ? ORDER BY sequence", (operation_id,))
    return "".join(f"{row['at']} {row['text']}\n" for row in rows)


def location(call: Call, operation_id: str) -> dict[str, str]:
    """The header that tells a caller where to poll."""
    base = f"/modelmanagement/v1.0{call.workspace.identity.resource_id}/operations"
    return {"Operation-Location": f"{call.workspace.identity.url}{base}/{operation_id}"}


def _list(call: Call) -> dict[str, Any]:
    rows = call.workspace.state.rows(
        "SELECT * FROM operations WHERE (?1 IS NULL OR service = ?1) ORDER BY created DESC LIMIT 255",
        (call.query.get("serviceName"),),
    )
    return {"value": [_document(row, call.workspace) for row in rows]}


def _get(call: Call) -> dict[str, Any]:
    state = call.workspace.state
    row = state.row("SELECT * FROM operations WHERE id = ?", (call.path["id"],))
    if row is None:
        raise Refused(404, "OperationNotFound", f"There is no operation {call.path['id']}.")
    document = _document(row, call.workspace)
    if "offset" in call.query:
        document["streamingOperationLog"] = _streaming(state, row["id"])[call.number("offset", default=0) :]
    return document


def _document(row: Any, workspace: Workspace) -> dict[str, Any]:
    identity = workspace.identity
    document: dict[str, Any] = {
        "id": row["id"],
        "operationType": KINDS[row["kind"]],
        "state": row["state"],
        "createdTime": row["created"],
        "resourceLocation": f"/modelmanagement/v1.0{identity.resource_id}/services/{row['service']}",
        "operationLog": f"{identity.url}/operation-logs/{row['id']}?sig={_signature(identity, row['id'])}",
        "operationDetails": {
            "subOperationType": row["phase"] or "DeployService",
            "subOperationState": row["phase_state"] or ("Running" if row["state"] == "Running" else row["state"]),
        },
    }
    if row["ended"]:
        document["endTime"] = row["ended"]
    if row["error"]:
        document["error"] = json.loads(row["error"])
    return document


def _streaming(state: State, operation_id: str) -> str:
    """The log as records `time|text` joined by `#`, which therefore stand in no text."""
    rows = state.rows("SELECT at, text FROM operation_lines WHERE operation_id = ? ORDER BY sequence", (operation_id,))
    records = []
    for row in rows:
        moment = datetime.fromisoformat(row["at"]).astimezone(UTC)
        text = row["text"].replace("#", " ").replace("|", " ").replace("\n", " ")
        records.append(f"{moment:%Y%m%d%H%M%S}|{text}")
    return "#".join(records)


def _signature(identity: Identity, operation_id: str) -> str:
    return hmac.new(identity.signing_key.encode(), f"log\n{operation_id}".encode(), hashlib.sha256).hexdigest()
