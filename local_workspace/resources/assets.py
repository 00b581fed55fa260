"""Assets: what a model is made of, as a list of artifacts."""

from __future__ import annotations

import json
import uuid
from typing import Any

from starlette.responses import Response
from starlette.routing import Route

from local_workspace.resources import shapes
from local_workspace.state import State, dumps, now
from local_workspace.wire import Call, Refused, route

KEPT = ("name", "type", "description", "artifacts", "kvTags", "properties", "runid", "meta")
SHAPES: dict[str, shapes.Shape] = {
    **dict.fromkeys(("name", "type", "description", "runid"), "a text"),
    "artifacts": "a list of objects",
    "kvTags": "an object of texts",
    "properties": "an object of texts",
    "meta": "an object",
}


def routes(resource_id: str) -> list[Route]:
    """The assets of model management."""
    base = f"/modelmanagement/v1.0{resource_id}/assets"
    return [
        route(base, _create, "POST"),
        route(base, _list),
        route(f"{base}/{{id}}", _get),
        route(f"{base}/{{id}}", _delete, "DELETE"),
    ]


def find(state: State, asset_id: str) -> dict[str, Any]:
    """An asset by id."""
    row = state.row("SELECT document FROM assets WHERE id = ?", (asset_id,))
    if row is None:
        raise Refused(404, "AssetNotFound", f"There is no asset {asset_id}.")
    document: dict[str, Any] = json.loads(row["document"])
    return document


def _create(call: Call) -> dict[str, Any]:
    asked = call.document()
    shapes.check(asked, SHAPES)
    artifacts = asked.get("artifacts")
    if not asked.get("name") or not artifacts:
        raise Refused(400, "BadRequest", "An asset needs a name and at least one artifact.")
    for entry in artifacts:
        shapes.check(entry, {"id": "a text", "prefix": "a text"}, within="artifacts/")
    if not all(entry.get("id") or entry.get("prefix") for entry in artifacts):
        raise Refused(400, "BadRequest", "Each artifact of an asset needs an 'id' or a 'prefix'.")
    document = {key: asked[key] for key in KEPT if asked.get(key) is not None}
    document |= {
        "id": uuid.uuid4().hex,
        "kvTags": asked.get("kvTags") or {},
        "properties": asked.get("properties") or {},
        "createdTime": now(),
    }
    with call.workspace.state.transaction() as work:
        work.execute("INSERT INTO assets (id, document) VALUES (?, ?)", (document["id"], dumps(document)))
    return document


def _list(call: Call) -> dict[str, Any]:
    name, run_id = call.query.get("name"), call.query.get("runId")
    rows = call.workspace.state.rows(
        "SELECT document FROM assets WHERE (?1 IS NULL OR json_extract(document, '$.name') = ?1)"
        " AND (?2 IS NULL OR json_extract(document, '$.runid') = ?2)"
        " ORDER BY json_extract(document, '$.createdTime') DESC LIMIT 255",
        (name, run_id),
    )
    return {"value": [json.loads(row["document"]) for row in rows], "continuationToken": None, "nextLink": None}


def _get(call: Call) -> dict[str, Any]:
    return find(call.workspace.state, call.path["id"])


def _delete(call: Call) -> Response:
    state = call.workspace.state
    url = f"aml://asset/{call.path['id']}"
    if state.row("SELECT 1 FROM models WHERE json_extract(document, '$.url') = ?", (url,)):
        raise Refused(412, "DeletionRequired", "A model is made of this asset: delete the model first.")
    with state.transaction() as work:
        gone = work.execute("DELETE FROM assets WHERE id = ?", (call.path["id"],)).rowcount
    return Response(status_code=200 if gone else 204)
