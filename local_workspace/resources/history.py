"""Run history, as far as models lead to it: experiments by name, and runs that this workspace has none of."""

from __future__ import annotations

import uuid
from typing import Any

from starlette.routing import Route

from local_workspace.state import State, now
from local_workspace.wire import Call, Refused, route


def routes(resource_id: str) -> list[Route]:
    """Experiments and runs."""
    base = f"/history/v1.0{resource_id}"
    return [
        route(f"{base}/experiments", _list),
        route(f"{base}/experiments:query", _list, "POST"),
        route(f"{base}/experimentids/{{id}}", _get_by_id),
        route(f"{base}/experiments/{{name}}", _get),
        route(f"{base}/experiments/{{name}}", _create, "POST"),
        route(f"{base}/experiments/{{name}}/runs:query", _no_runs, "POST"),
        route(f"{base}/runs:query", _no_runs, "POST"),
        route(f"{base}/runs/{{run}}", _no_run),
        route(f"{base}/experiments/{{name}}/runs/{{run}}", _no_run),
        route(f"{base}/experiments/{{name}}/runs/{{run}}/details", _no_run),
        route(f"{base}/experimentids/{{id}}/runs/{{run}}", _no_run),
        route(f"{base}/experimentids/{{id}}/runs/{{run}}/details", _no_run),
    ]


def _list(call: Call) -> dict[str, Any]:
    rows = call.workspace.state.rows("SELECT * FROM experiments ORDER BY created DESC")
    return {"value": [_document(row) for row in rows], "continuationToken": None, "nextLink": None}


def _get(call: Call) -> dict[str, Any]:
    return _find(call.workspace.state, "name", call.path["name"])


def _get_by_id(call: Call) -> dict[str, Any]:
    return _find(call.workspace.state, "id", call.path["id"])


def _create(call: Call) -> dict[str, Any]:
    with call.workspace.state.transaction() as work:
        work.execute(
            "INSERT INTO experiments (name, id, created) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
            (call.path["name"], str(uuid.uuid4()), now()),
        )
    return _find(call.workspace.state, "name", call.path["name"])


def _find(state: State, column: str, value: str) -> dict[str, Any]:
    row = state.row(f"SELECT * FROM experiments WHERE {column} = ?", (value,))  # noqa: S608 - one of two literals
    if row is None:
        raise Refused(404, "NotFound", f"There is no experiment {value} in this workspace.")
    return _document(row)


def _document(row: Any) -> dict[str, Any]:
    return {
        "experimentId": row["id"],
        "name": row["name"],
        "description": "",
        "createdUtc": row["created"],
        "tags": {},
        "archivedTime": None,
        "latestModifiedRunTime": None,
        "artifactLocation": None,
    }


def _no_runs(call: Call) -> dict[str, Any]:
    return {"value": [], "continuationToken": None, "nextLink": None}


def _no_run(call: Call) -> dict[str, Any]:
    raise Refused(404, "NotFound", f"There is no run {call.path['run']}: the local workspace does not train.")
