"""Services on ACI and AKS: validated, created, listed, changed and deleted."""

from __future__ import annotations

import json
import secrets as random
import string
import uuid
from collections.abc import Callable
from typing import Any

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from local_workspace import ledger
from local_workspace.resources import certificates, operations, service_documents, service_patches, service_rules
from local_workspace.resources.filters import Where
from local_workspace.rollouts import FRONT_END_PROBLEM
from local_workspace.state import State, dumps, now
from local_workspace.wire import Call, Refused, route

PAGE = 25
KEY_LENGTH = 32
LOG_LINES = 5000
LONGEST_LOG = 100_000
ORDERS = {
    "createdatdesc": ("created", "DESC"),
    "createdatasc": ("created", "ASC"),
    "updatedatdesc": ("updated", "DESC"),
    "updatedatasc": ("updated", "ASC"),
}
# Services change while a list of them is read. When each was made does not: no page misses one.
DEFAULT_ORDER = "CreatedAtDesc"


def routes(resource_id: str) -> list[Route]:
    """The services of model management."""
    base = f"/modelmanagement/v1.0{resource_id}/services"
    return [
        route(f"{base}/validate/name/{{name}}", _validate_name, "POST"),
        route(f"{base}/validate/resource", _validate_resource, "POST"),
        route(f"{base}/validate", _validate, "POST"),
        route(base, _create, "POST"),
        route(base, _list),
        route(f"{base}/{{name}}", _get),
        route(f"{base}/{{name}}", _patch, "PATCH"),
        route(f"{base}/{{name}}", _delete, "DELETE"),
        route(f"{base}/{{name}}/logs", _logs),
    ]


def must_find(state: State, name: str) -> Any:
    """The row of a service."""
    row = state.row("SELECT * FROM services WHERE name = ?", (name,))
    if row is None:
        raise Refused(404, "ServiceNotFound", f"There is no service {name} in this workspace.")
    return row


def new_key() -> str:
    """A key as Azure makes them: letters and digits."""
    return "".join(random.choice(string.ascii_letters + string.digits) for _ in range(KEY_LENGTH))


def _validate_name(call: Call) -> dict[str, Any]:
    name = call.path["name"]

    def check() -> None:
        service_rules.check_name(name)
        service_rules.check_free(call.workspace.state, name)

    return _verdict(check)


def _validate_resource(call: Call) -> dict[str, Any]:
    asked = call.document()

    def check() -> None:
        service_rules.check_create(call.workspace.state, asked)
        service_rules.check_capacity(call.workspace.state, service_documents.made_of(asked, call.workspace))

    return _verdict(check)


def _validate(call: Call) -> dict[str, Any]:
    asked, state = call.document(), call.workspace.state

    def check() -> None:
        kind = str(asked.get("type") or "").lower()
        if kind == "create":
            request = asked.get("createRequest") or {}
            service_rules.check_create(state, request)
            service_rules.check_settings(state, service_documents.made_of(request, call.workspace))
        elif kind in ("update", "delete"):
            row = must_find(state, str(asked.get("serviceName")))
            steps = asked.get("updateRequest")
            if kind == "update" and isinstance(steps, list):
                _check_patch(state, json.loads(row["document"]), steps)

    return _verdict(check)


def _verdict(check: Callable[[], None]) -> dict[str, Any]:
    """The answer of the validate calls: always 200, with the reason when it is a no."""
    try:
        check()
    except Refused as refused:
        return {"error": {"code": refused.code, "message": refused.message}}
    return {}


def _create(call: Call) -> Response:
    asked, workspace = call.document(), call.workspace
    state = workspace.state
    service_rules.check_create(state, asked)
    document = service_documents.made_of(asked, workspace)
    service_rules.check_settings(state, document)
    name = document["name"]
    with state.transaction() as work:
        before = state.row("SELECT * FROM services WHERE name = ?", (name,))
        if before is not None:
            if not asked.get("overwrite"):
                service_rules.check_free(state, name)
            operations.check_idle(state, name)
            if before["compute_type"] != document["computeType"]:
                sentence = f"{name} is a service on {before['compute_type']}: delete it before deploying to {document['computeType']}."
                raise Refused(409, "ComputeTypeMismatch", sentence)
        service_id = before["id"] if before else uuid.uuid4().hex
        secrets = _secrets(asked.get("keys"), workspace.seal.open(before["secrets"]) if before else None)
        revision = workspace.rollouts.add_revision(document | {FRONT_END_PROBLEM: certificates.problem(asked)})
        operation_id = operations.begin(state, "create", service=name, service_id=service_id)
        moment = now()
        work.execute(
            "INSERT INTO services (name, id, compute_type, document, secrets, state, operation_id, revision, created,"
            " updated) VALUES (?, ?, ?, ?, ?, 'Transitioning', ?, ?, ?, ?) ON CONFLICT (name) DO UPDATE SET"
            " document = excluded.document, secrets = excluded.secrets, state = 'Transitioning', error = NULL,"
            " operation_id = excluded.operation_id, revision = excluded.revision, updated = excluded.updated",
            (
                name,
                service_id,
                document["computeType"],
                dumps(document | {"createdBy": call.caller.created_by()}),
                workspace.seal.close(secrets),
                operation_id,
                revision,
                moment,
                moment,
            ),
        )
        _record(call, "create", name, operation_id, marks=document["kvTags"] | document["properties"])
    workspace.rollouts.start(name, revision=revision, operation_id=operation_id)
    shown = service_documents.shown(must_find(state, name), workspace)
    return JSONResponse(shown, status_code=202, headers=operations.location(call, operation_id))


def _secrets(keys: Any, before: dict[str, Any] | None) -> dict[str, Any]:
    """A service's keys: those given, else those it has, else new ones."""
    given = keys or {}
    kept = before or {"primary": new_key(), "secondary": new_key(), "token_secret": random.token_hex(32)}
    return {
        "primary": given.get("primaryKey") or kept["primary"],
        "secondary": given.get("secondaryKey") or kept["secondary"],
        "token_secret": kept["token_secret"],
    }


def _list(call: Call) -> dict[str, Any]:
    query = call.query
    where = Where()
    where.equals("upper(compute_type)", (query.get("computeType") or "").upper())
    where.equals("name", query.get("name"))
    where.pairs("kvTags", query.get("tag"))
    where.pairs("kvTags", query.get("tags"))
    where.pairs("properties", query.get("properties"))
    used = "SELECT 1 FROM json_each(document, '$.environmentImageRequest.modelIds') AS used WHERE"
    if query.get("modelId"):
        where.add(f"EXISTS ({used} used.value = ?)", query["modelId"])
    if query.get("modelName"):
        name = query["modelName"]
        where.add(f"EXISTS ({used} substr(used.value, 1, length(?) + 1) = ? || ':')", name, name)
    for image in ("imageId", "imageName", "imageDigest"):
        if query.get(image):
            where.add("0")  # no service here is made of an image
    asked = query.get("orderby") or query.get("orderBy") or DEFAULT_ORDER
    if asked.lower() not in ORDERS:
        raise Refused(400, "BadRequest", f"'{asked}' is no order: choose one of CreatedAtDesc, …Asc.")
    column, direction = ORDERS[asked.lower()]
    count = call.number("count", default=PAGE, at_least=1, at_most=1000)
    if query.get("$skipToken"):
        # A page begins behind the last row seen, so that one made or deleted meanwhile shifts nothing.
        moment, _, name = query["$skipToken"].partition("~")
        behind = "<" if direction == "DESC" else ">"
        where.add(f"({column} {behind} ? OR ({column} = ? AND name > ?))", moment, moment, name)
    rows = call.workspace.state.rows(
        f"SELECT * FROM services WHERE {where.sql} ORDER BY {column} {direction}, name LIMIT ?",  # noqa: S608
        (*where.values, count + 1),
    )
    page: dict[str, Any] = {"value": [service_documents.shown(row, call.workspace) for row in rows[:count]]}
    # The SDK follows the key even when it is null.
    if len(rows) > count:
        page["nextLink"] = call.next_link(f"{rows[count - 1][column]}~{rows[count - 1]['name']}")
    return page


def _get(call: Call) -> dict[str, Any]:
    return service_documents.shown(must_find(call.workspace.state, call.path["name"]), call.workspace)


def _patch(call: Call) -> Response:
    workspace, state, name = call.workspace, call.workspace.state, call.path["name"]
    with state.transaction() as work:
        row = must_find(state, name)
        operations.check_idle(state, name)
        patched = _check_patch(state, json.loads(row["document"]), call.patch())
        document, effects = patched.document, patched.effects
        rolls_out = "rollout" in effects
        operation_id = operations.begin(state, "update", service=name, service_id=row["id"], ended=not rolls_out)
        work.execute(
            "UPDATE services SET document = ?, updated = ?, operation_id = ? WHERE name = ?",
            (dumps(document), now(), operation_id, name),
        )
        if rolls_out:
            revision = workspace.rollouts.add_revision(document)
            work.execute(
                "UPDATE services SET revision = ?, state = 'Transitioning', error = NULL WHERE name = ?",
                (revision, name),
            )
        # A mark from an earlier change says nothing about this one.
        touched = {str(step["path"]).split("/")[1] for step in call.patch() if str(step["path"]).startswith("/")}
        marks = [document[member] for member in ("kvTags", "properties") if member in touched]
        _record(call, "update", name, operation_id, marks={key: mark[key] for mark in marks for key in mark})
    if rolls_out:
        workspace.rollouts.start(name, revision=revision, operation_id=operation_id)
    else:
        if "access" in effects:
            workspace.rollouts.set_access(name)
        if "replicas" in effects:
            workspace.rollouts.set_replicas(name)
    shown = service_documents.shown(must_find(state, name), workspace)
    headers = operations.location(call, operation_id)
    return JSONResponse(shown, status_code=202 if rolls_out else 200, headers=headers)


def _check_patch(state: State, document: dict[str, Any], steps: list[dict[str, Any]]) -> service_patches.Patched:
    patched = service_patches.apply(document, steps)
    if any(str(step["path"]) == "/environmentImageRequest" for step in steps):
        service_rules.check_image_request(state, patched.document["environmentImageRequest"])
    service_rules.check_settings(state, patched.document)
    return patched


def _delete(call: Call) -> Response:
    state, name = call.workspace.state, call.path["name"]
    with state.transaction() as work:
        row = state.row("SELECT * FROM services WHERE name = ?", (name,))
        if row is None:
            return Response(status_code=204)
        operations.check_idle(state, name)
        operation_id = operations.begin(state, "delete", service=name, service_id=row["id"], ended=True)
        work.execute("DELETE FROM services WHERE name = ?", (name,))
        _record(call, "delete", name, operation_id)
        call.workspace.rollouts.remove(name)
    call.workspace.faults.end_of_service(name)
    return Response(status_code=200, headers=operations.location(call, operation_id))


def _logs(call: Call) -> dict[str, Any]:
    must_find(call.workspace.state, call.path["name"])
    tail = call.number("tail", default=LOG_LINES, at_least=1, at_most=LONGEST_LOG)
    init = (call.query.get("init") or "").lower() == "true"
    return {"content": call.workspace.scoring.logs(call.path["name"], tail=tail, init=init)}


def _record(
    call: Call, kind: ledger.Kind, name: str, operation_id: str, *, marks: dict[str, Any] | None = None
) -> None:
    ledger.record(
        call.workspace.state, kind, "service", name, caller=call.caller, operation_id=operation_id, marks=marks
    )
