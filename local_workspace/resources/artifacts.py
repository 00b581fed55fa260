"""Artifacts: making room for uploads, and finding the bytes again."""

from __future__ import annotations

from typing import Any

from starlette.routing import Route

from local_workspace.state import State
from local_workspace.wire import Call, Refused, route

BATCH_LIMIT = 500


def routes(resource_id: str) -> list[Route]:
    """The artifact service."""
    base = f"/artifact/v2.0{resource_id}/artifacts"
    return [
        route(f"{base}/batch/metadata/{{origin}}/{{container}}", _declare, "POST"),
        route(f"{base}/prefix/contentinfo/{{origin}}/{{container}}", _contents),
        route(f"{base}/prefix/contentinfo/{{origin}}/{{container}}/{{path:path}}", _contents),
        route(f"{base}/contentinfo/{{origin}}/{{container}}/{{path:path}}", _content),
        route(f"{base}/{{origin}}/{{container}}", _list),
        route(f"{base}/{{origin}}/{{container}}/{{path:path}}", _get),
    ]


def _declare(call: Call) -> dict[str, Any]:
    origin, container = call.path["origin"], call.path["container"]
    paths = [entry.get("path") if isinstance(entry, dict) else None for entry in call.document().get("paths") or []]
    if not paths or len(paths) > BATCH_LIMIT:
        raise Refused(400, "BadRequest", f"Between 1 and {BATCH_LIMIT} paths can be declared at once.")
    blobs = call.workspace.blobs
    artifacts: dict[str, Any] = {}
    contents: dict[str, Any] = {}
    with call.workspace.state.transaction():
        for path in paths:
            if not path or path.startswith("/") or ".." in path.split("/"):
                raise Refused(400, "BadRequest", f"'{path}' is not a relative path without '..'.")
            address = blobs.declare(origin, container, path)
            artifacts[path] = _find(call.workspace.state, origin, container, path)
            contents[path] = _content_info(origin, container, path, address)
    return {"artifacts": artifacts, "artifactContentInformation": contents, "errors": {}}


def _contents(call: Call) -> dict[str, Any]:
    origin, container, prefix = call.path["origin"], call.path["container"], call.path.get("path", "")
    blobs = call.workspace.blobs
    found = [
        _content_info(origin, container, path, blobs.download_address(origin, container, path) or "")
        for path, _ in blobs.below(origin, container, prefix)
    ]
    return {"value": found, "continuationToken": None, "nextLink": None}


def _content(call: Call) -> dict[str, Any]:
    origin, container, path = call.path["origin"], call.path["container"], call.path["path"]
    address = call.workspace.blobs.download_address(origin, container, path)
    if address is None:
        raise _missing(origin, container, path)
    return _content_info(origin, container, path, address)


def _list(call: Call) -> dict[str, Any]:
    origin, container = call.path["origin"], call.path["container"]
    rows = call.workspace.state.rows(
        "SELECT path, etag, created FROM artifacts WHERE origin = ? AND container = ? ORDER BY path",
        (origin, container),
    )
    value = [_artifact(origin, container, row["path"], etag=row["etag"], created=row["created"]) for row in rows]
    return {"value": value, "continuationToken": None, "nextLink": None}


def _get(call: Call) -> dict[str, Any]:
    return _find(call.workspace.state, call.path["origin"], call.path["container"], call.path["path"])


def _find(state: State, origin: str, container: str, path: str) -> dict[str, Any]:
    row = state.row(
        "SELECT etag, created FROM artifacts WHERE origin = ? AND container = ? AND path = ?", (origin, container, path)
    )
    if row is None:
        raise _missing(origin, container, path)
    return _artifact(origin, container, path, etag=row["etag"], created=row["created"])


def _artifact(origin: str, container: str, path: str, *, etag: str, created: str) -> dict[str, Any]:
    return {
        "artifactId": f"{origin}/{container}/{path}",
        "origin": origin,
        "container": container,
        "path": path,
        "etag": etag,
        "createdTime": created,
        "dataPath": {"dataStoreName": "workspaceartifactstore", "relativePath": f"{origin}/{container}/{path}"},
    }


def _content_info(origin: str, container: str, path: str, address: str) -> dict[str, Any]:
    return {"contentUri": address, "origin": origin, "container": container, "path": path}


def _missing(origin: str, container: str, path: str) -> Refused:
    return Refused(404, "ArtifactNotFound", f"There is no artifact {origin}/{container}/{path}.")
