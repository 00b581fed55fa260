"""Models: versions under names, registered, listed, changed, deleted unless a service uses them."""

from __future__ import annotations

import json
import re
import sqlite3
from typing import Any

from starlette.responses import Response
from starlette.routing import Route

from local_workspace import ledger
from local_workspace.resources import assets, shapes
from local_workspace.resources.filters import Where
from local_workspace.state import State, dumps, now
from local_workspace.wire import Call, Refused, route

NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9\-._]{0,254}")
VERSION = re.compile(r"[1-9][0-9]{0,17}")
PAGE = 255
ORDERS = {
    "createdatdesc": "sequence DESC",
    "createdatasc": "sequence ASC",
    "updatedatdesc": "modified DESC, sequence DESC",
    "updatedatasc": "modified ASC, sequence ASC",
}
KEPT = (
    "framework",
    "frameworkVersion",
    "description",
    "experimentName",
    "runId",
    "parentModelId",
    "sampleInputData",
    "sampleOutputData",
    "resourceRequirements",
)
PATCHED = ("kvTags", "properties", "description", "datasets", *KEPT[6:])
SHAPES: dict[str, shapes.Shape] = {
    "name": "a text",
    "url": "a text",
    "mimeType": "a text",
    "unpack": "true or false",
    "kvTags": "an object of texts",
    "properties": "an object of texts",
    "datasets": "a list of objects",
    **dict.fromkeys(KEPT[:-1], "a text"),
    "resourceRequirements": shapes.RESOURCES,
}


def routes(resource_id: str) -> list[Route]:
    """The models of model management."""
    base = f"/modelmanagement/v1.0{resource_id}/models"
    return [
        route(base, _register, "POST"),
        route(base, _list),
        route(f"{base}/list", _list_by_post, "POST"),
        route(f"{base}/{{id}}", _get),
        route(f"{base}/{{id}}", _patch, "PATCH"),
        route(f"{base}/{{id}}", _delete, "DELETE"),
    ]


def find(state: State, model_id: str) -> dict[str, Any]:
    """A model version by its id, `name:version`."""
    name, _, version = model_id.rpartition(":")
    row = None
    # One spelling only: what uses a version is found by its id.
    if name and VERSION.fullmatch(version):
        row = state.row("SELECT document FROM models WHERE name = ? AND version = ?", (name, int(version)))
    if row is None:
        raise Refused(404, "ModelNotFound", f"There is no model {model_id} in this workspace.")
    document: dict[str, Any] = json.loads(row["document"])
    return document


def _register(call: Call) -> dict[str, Any]:
    asked = call.document()
    shapes.check(asked, SHAPES)
    name, url = str(asked.get("name") or ""), str(asked.get("url") or "")
    if not NAME.fullmatch(name):
        raise Refused(
            400,
            "InvalidModelName",
            f"'{name}' cannot name a model: begin with a letter or digit, then letters, digits, '-', '.' and '_',"
            " 255 characters at most.",
        )
    if not url.startswith("aml://asset/"):
        raise Refused(400, "BadRequest", "A model is made of an asset: 'url' has to be aml://asset/{id}.")
    state = call.workspace.state
    assets.find(state, url.removeprefix("aml://asset/"))
    moment = now()
    document: dict[str, Any] = {key: asked.get(key) for key in KEPT}
    document |= {
        "name": name,
        "url": url,
        "mimeType": asked.get("mimeType") or "application/json",
        "unpack": bool(asked.get("unpack")),
        "kvTags": _texts(asked.get("kvTags")),
        "properties": _texts(asked.get("properties")),
        "datasets": asked.get("datasets") or [],
        "derivedModelIds": [],
        "createdTime": moment,
        "modifiedTime": moment,
        "createdBy": call.caller.created_by(),
    }
    with state.transaction() as work:
        # A number that was once given is never given again, whatever was deleted since.
        version = work.execute(
            "INSERT INTO model_names (name, last_version) VALUES (?, 1)"
            " ON CONFLICT (name) DO UPDATE SET last_version = last_version + 1 RETURNING last_version",
            (name,),
        ).fetchone()[0]
        document |= {"id": f"{name}:{version}", "version": version}
        work.execute(
            "INSERT INTO models (name, version, framework, description, run_id, modified, document)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (name, version, document["framework"], document["description"], document["runId"], moment, dumps(document)),
        )
        ledger.record(
            state, "register", "model", name, version=str(version), caller=call.caller, marks=document["properties"]
        )
    return document


def _list(call: Call) -> dict[str, Any]:
    return _page(call, dict(call.query), skip=call.query.get("$skipToken"))


def _list_by_post(call: Call) -> dict[str, Any]:
    asked = {key: str(value) for key, value in call.document().items() if value is not None}
    page = _page(call, asked, skip=asked.get("skipToken"))
    page.pop("nextLink")
    return page


def _page(call: Call, asked: dict[str, str], *, skip: str | None) -> dict[str, Any]:
    where = Where()
    where.equals("name", asked.get("name"))
    where.equals("version", asked.get("version"))
    where.equals("framework", asked.get("framework"))
    where.equals("run_id", asked.get("runId"))
    if asked.get("description"):
        where.add("description LIKE '%' || ? || '%'", asked["description"])
    where.pairs("kvTags", asked.get("tag"))
    where.pairs("kvTags", asked.get("tags"))
    where.pairs("properties", asked.get("properties"))
    if asked.get("datasetId"):
        where.add(
            "EXISTS (SELECT 1 FROM json_each(document, '$.datasets') AS used"
            " WHERE json_extract(used.value, '$.id') = ?)",
            asked["datasetId"],
        )
    order = ORDERS.get((asked.get("orderBy") or "CreatedAtDesc").lower())
    if order is None:
        raise Refused(400, "BadRequest", f"'{asked.get('orderBy')}' is no order: choose one of CreatedAtDesc, …Asc.")
    if (asked.get("latestVersionOnly") or "").lower() == "true":
        where.add("version = (SELECT MAX(other.version) FROM models AS other WHERE other.name = models.name)")
    count = _whole(asked.get("count"), default=PAGE, name="count")
    offset = _whole(asked.get("offset"), default=0, name="offset")
    if skip and skip.startswith("after-"):
        # A page begins behind the last row seen, so that a registration meanwhile shifts nothing.
        where.add("sequence < ?" if order.endswith("DESC") else "sequence > ?", skip.removeprefix("after-"))
    elif skip:
        offset = _whole(skip, default=0, name="$skipToken")
    rows = call.workspace.state.rows(
        f"SELECT sequence, document FROM models WHERE {where.sql} ORDER BY {order} LIMIT ? OFFSET ?",  # noqa: S608
        (*where.values, count + 1, offset),
    )
    more = None
    if len(rows) > count > 0:
        by_creation = order.startswith("sequence")
        more = f"after-{rows[count - 1]['sequence']}" if by_creation else str(offset + count)
    return {
        "value": [json.loads(row["document"]) for row in rows[:count]],
        "continuationToken": more,
        "nextLink": call.next_link(more) if more else None,
    }


def _get(call: Call) -> dict[str, Any]:
    return find(call.workspace.state, call.path["id"])


def _patch(call: Call) -> dict[str, Any]:
    state = call.workspace.state
    with state.transaction() as work:
        document = find(state, call.path["id"])
        for step in call.patch():
            _apply(document, step)
        document["modifiedTime"] = now()
        work.execute(
            "UPDATE models SET document = ?, description = ?, modified = ? WHERE name = ? AND version = ?",
            (
                dumps(document),
                document["description"],
                document["modifiedTime"],
                document["name"],
                document["version"],
            ),
        )
        ledger.record(
            state,
            "update",
            "model",
            document["name"],
            version=str(document["version"]),
            caller=call.caller,
            marks=document["properties"],
        )
    return document


def _apply(document: dict[str, Any], step: dict[str, Any]) -> None:
    member, _, key = str(step["path"]).removeprefix("/").partition("/")
    if member not in PATCHED:
        raise Refused(400, "BadRequest", f"'{step['path']}' of a model cannot be changed.")
    value = step.get("value")
    if key:
        value = {key: value}
    shapes.check({member: value}, SHAPES)
    if member == "properties":
        for name, text in _texts(value).items():
            if document["properties"].get(name, text) != text:
                raise Refused(400, "ImmutableProperty", f"The property '{name}' is set and cannot be changed any more.")
            document["properties"][name] = text
    elif member == "kvTags":
        document["kvTags"] = (document["kvTags"] if key else {}) | _texts(value)
        if key and step.get("op") == "remove":
            document["kvTags"].pop(key, None)
    elif member == "datasets":
        document["datasets"] = [*document["datasets"], *(value or [])]
    else:
        document[member] = None if step.get("op") == "remove" else value


def _delete(call: Call) -> Response:
    state = call.workspace.state
    with state.transaction() as work:
        try:
            document = find(state, call.path["id"])
        except Refused:
            return Response(status_code=204)
        users = users_of(state, document["id"])
        if users:
            raise Refused(
                412,
                "DeletionRequired",
                f"The model {document['id']} is used by {', '.join(users)}: delete or update these services first.",
            )
        work.execute("DELETE FROM models WHERE name = ? AND version = ?", (document["name"], document["version"]))
        ledger.record(state, "delete", "model", document["name"], version=str(document["version"]), caller=call.caller)
    return Response(status_code=200)


def users_of(state: State, model_id: str) -> list[str]:
    """Names of the services that are deployed with this model version."""
    rows: list[sqlite3.Row] = state.rows(
        "SELECT name FROM services WHERE EXISTS (SELECT 1 FROM"
        " json_each(document, '$.environmentImageRequest.modelIds') AS used WHERE used.value = ?) ORDER BY name",
        (model_id,),
    )
    return [row["name"] for row in rows]


def _whole(text: str | None, *, default: int, name: str) -> int:
    if text in (None, ""):
        return default
    if not re.fullmatch(r"[0-9]{1,10}", str(text)) or int(str(text)) > 1_000_000_000:
        raise Refused(400, "BadRequest", f"'{name}' has to be a whole number, not '{text}'.")
    return int(str(text))


def _texts(mapping: Any) -> dict[str, str]:
    if mapping is None:
        return {}
    if not isinstance(mapping, dict):
        raise Refused(400, "BadRequest", "Tags and properties have to be an object of texts.")
    return {str(key): "" if value is None else str(value) for key, value in mapping.items()}
