"""What every request of the control plane passes: tidy path, token, right to write, and faults on purpose."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from typing import Any

import anyio
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from local_workspace.faults import Fault
from local_workspace.listener import CUT
from local_workspace.wire import Refused, error_response
from local_workspace.workspace import Workspace

log = logging.getLogger(__name__)

# Discovery is read before anyone signs in; the others carry a signature of their own.
OPEN = re.compile(r"/(health$|discovery/|blobs/|operation-logs/)", re.IGNORECASE)
# What a reader may POST: Azure hands out keys and tokens by POST, though nothing changes.
READS_BY_POST = re.compile(r"/modelmanagement/v1\.0/.*/services/[^/]+/(listkeys|token)$", re.IGNORECASE)
SLASHES = re.compile(r"/{2,}")


class Gate:
    """ASGI middleware around the resources."""

    def __init__(self, app: ASGIApp, workspace: Workspace) -> None:
        self._app = app
        self._workspace = workspace

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the request through to the resources, or answer it here."""
        if scope["type"] != "http":
            return
        path = SLASHES.sub("/", scope["path"])
        scope = {**scope, "path": path, "raw_path": SLASHES.sub("/", scope["raw_path"].decode()).encode()}
        if OPEN.match(path):
            await self._app({**scope, "caller": None}, receive, send)
            return

        caller = self._workspace.doorman.caller(Headers(scope=scope).get("authorization", ""))
        method = scope["method"]
        if caller is None:
            refused = Refused(401, "Unauthorized", "The token is missing or not one of this workspace.")
            response = error_response(path, refused)
            response.headers["WWW-Authenticate"] = 'Bearer realm="local-workspace"'
            await response(scope, receive, send)
            return
        if not (caller.may_write or method in ("GET", "HEAD") or (method == "POST" and READS_BY_POST.search(path))):
            refused = Refused(403, "Forbidden", "This token may only read.")
            await error_response(path, refused)(scope, receive, send)
            return

        scope["caller"] = caller
        fault = await run_in_threadpool(self._workspace.faults.claim, method, path)
        if fault is None:
            await self._app(scope, receive, send)
        else:
            await self._go_wrong(fault, scope, receive, send)

    async def _go_wrong(self, fault: Fault, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        match fault.kind:
            case "control-plane-429":
                refused = Refused(429, "TooManyRequests", "Too many requests: a fault on purpose.")
                response = error_response(path, refused)
                response.headers["Retry-After"] = "1"
                await response(scope, receive, send)
            case "control-plane-500":
                refused = Refused(500, "InternalServerError", "Internal server error: a fault on purpose.")
                await error_response(path, refused)(scope, receive, send)
            case "control-plane-slow":
                await anyio.sleep((fault.milliseconds or 0) / 1000)
                await self._app(scope, receive, send)
            case "answer-lost":
                await self._app(scope, receive, _lose)
                log.warning("%s %s was done and its answer lost on purpose", scope["method"], path)
                _cut(scope)()
            case other:
                raise ValueError(f"The fault {other} is not one of requests.")


async def _lose(message: Message) -> None:
    """Take the answer and give it to nobody."""


def _cut(scope: Scope) -> Callable[[], Any]:
    cut: Callable[[], Any] = scope["extensions"][CUT]["cut"]
    return cut
