"""Environments: documents under names and versions, with labels."""

from __future__ import annotations

import json
from typing import Any

from starlette.responses import Response
from starlette.routing import Route

from local_workspace import ledger
from local_workspace.resources import shapes
from local_workspace.state import State, dumps
from local_workspace.wire import Call, Refused, route

PAGE = 100
MEMBERS = ("environmentVariables", "python", "docker", "spark", "inferencingStackVersion", "r")
CONDA_MEMBERS = {"name", "channels", "dependencies", "prefix", "variables"}
LATEST = "latest"
DEFAULT = "default"


def routes(resource_id: str) -> list[Route]:
    """The environment service; a name may contain slashes, so the longer addresses stand first."""
    base = f"/environment/v1.0{resource_id}/environments"
    return [
        route(base, _list),
        route(f"{base}/", _list),
        route(f"{base}/{{name:path}}/versions/{{version}}/metadata", _label, "PUT"),
        route(f"{base}/{{name:path}}/versions/{{version}}", _get),
        route(f"{base}/{{name:path}}/versions/{{version}}", _register, "PUT"),
        route(f"{base}/{{name:path}}/versions", _versions),
        route(f"{base}/{{name:path}}/labels/{{label}}", _get_labelled),
        route(f"{base}/{{name:path}}", _get),
        route(f"{base}/{{name:path}}", _register, "PUT"),
    ]


def find(state: State, name: str, version: str | None) -> dict[str, Any]:
    """An environment; without a version the newest."""
    row = state.row(
        "SELECT document FROM environments WHERE name = ?1 AND (?2 IS NULL OR version = ?2)"
        " ORDER BY sequence DESC LIMIT 1",
        (name, version or None),
    )
    if row is None:
        which = f"{name} version {version}" if version else name
        raise Refused(404, "EnvironmentNotFound", f"There is no environment {which} in this workspace.")
    document: dict[str, Any] = json.loads(row["document"])
    return document


def _register(call: Call) -> dict[str, Any]:
    # The SDK writes some of these names with a capital and reads all of them back without.
    asked = {key[:1].lower() + key[1:]: value for key, value in call.document().items()}
    shapes.check(asked, shapes.ENVIRONMENT)
    name, version = call.path["name"], call.path.get("version")
    state = call.workspace.state
    with state.transaction() as work:
        if version is None:
            numbers = work.execute("SELECT version FROM environments WHERE name = ?", (name,)).fetchall()
            version = str(1 + max((int(row["version"]) for row in numbers if row["version"].isdigit()), default=0))
        document: dict[str, Any] = {"name": name, "version": version}
        document |= {member: asked.get(member) for member in MEMBERS}
        # A null in one of these stops the SDK from listing any environment at all.
        document["environmentVariables"] = asked.get("environmentVariables") or {}
        document["python"] = _python(asked.get("python") or {})
        present = work.execute(
            "SELECT document FROM environments WHERE name = ? AND version = ?", (name, version)
        ).fetchone()
        if present is not None:
            if json.loads(present["document"]) != document:
                message = f"Environment {name} version {version} exists with other contents: register a new version."
                raise Refused(409, "EnvironmentVersionExists", message)
            return document
        work.execute(
            "INSERT INTO environments (name, version, labels, document) VALUES (?, ?, '[]', ?)",
            (name, version, dumps(document)),
        )
        ledger.record(state, "register", "environment", name, version=version, caller=call.caller)
    return document


def _python(asked: dict[str, Any]) -> dict[str, Any]:
    conda = asked.get("condaDependencies")
    if conda is None:
        return asked
    unknown = sorted(set(conda) - CONDA_MEMBERS)
    if unknown:
        raise Refused(400, "BadRequest", f"'{unknown[0]}' is no part of a conda file: the SDK could not read it back.")
    return asked | {"condaDependencies": {key: value for key, value in conda.items() if value is not None}}


def _get(call: Call) -> dict[str, Any]:
    return find(call.workspace.state, call.path["name"], call.path.get("version"))


def _get_labelled(call: Call) -> dict[str, Any]:
    name, label = call.path["name"], call.path["label"]
    state = call.workspace.state
    row = state.row(
        "SELECT version FROM environments WHERE name = ? AND EXISTS"
        " (SELECT 1 FROM json_each(labels) WHERE lower(value) = lower(?)) ORDER BY sequence DESC LIMIT 1",
        (name, label),
    )
    if row is None and label.lower() not in (LATEST, DEFAULT):
        raise Refused(404, "EnvironmentNotFound", f"No version of environment {name} has the label '{label}'.")
    return find(state, name, row["version"] if row else None)


def _versions(call: Call) -> dict[str, Any]:
    rows = call.workspace.state.rows(
        "SELECT document FROM environments WHERE name = ? ORDER BY sequence DESC", (call.path["name"],)
    )
    if not rows:
        raise Refused(404, "EnvironmentNotFound", f"There is no environment {call.path['name']} in this workspace.")
    return {"value": [json.loads(row["document"]) for row in rows], "continuationToken": None}


def _list(call: Call) -> dict[str, Any]:
    rows = call.workspace.state.rows(
        "SELECT name, document FROM environments AS newest WHERE name > ? AND sequence ="
        " (SELECT MAX(sequence) FROM environments WHERE name = newest.name) ORDER BY name LIMIT ?",
        (call.query.get("continuation") or "", PAGE + 1),
    )
    # A page begins behind the last name seen, so that one registered meanwhile shifts nothing.
    more = rows[PAGE - 1]["name"] if len(rows) > PAGE else None
    return {"value": [json.loads(row["document"]) for row in rows[:PAGE]], "continuationToken": more}


def _label(call: Call) -> Response:
    name, version = call.path["name"], call.path["version"]
    asked = call.document()
    labels = asked.get("Labels") if "Labels" in asked else asked.get("labels")
    if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
        raise Refused(400, "BadRequest", "'Labels' has to be a list of texts.")
    state = call.workspace.state
    with state.transaction() as work:
        find(state, name, version)
        # A label points to one version of a name.
        for row in work.execute("SELECT sequence, labels FROM environments WHERE name = ?", (name,)).fetchall():
            left = [label for label in json.loads(row["labels"]) if label not in labels]
            work.execute("UPDATE environments SET labels = ? WHERE sequence = ?", (dumps(left), row["sequence"]))
        work.execute(
            "UPDATE environments SET labels = ? WHERE name = ? AND version = ?", (dumps(labels), name, version)
        )
        ledger.record(state, "update", "environment", name, version=version, caller=call.caller)
    return Response(status_code=200)
