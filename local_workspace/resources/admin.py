"""The admin API, at a port of its own with a token of its own: the ledger of accepted changes, faults on purpose, and
whether Container Insights collects what a cluster's containers log.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from functools import partial
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from local_workspace import ledger
from local_workspace.faults import InvalidFault
from local_workspace.resources import computes
from local_workspace.tokens import is_bearer
from local_workspace.workspace import Workspace


def routes(workspace: Workspace) -> list[Route]:
    """Everything the admin API answers."""

    async def read_ledger(request: Request) -> Response:
        query = request.query_params
        entries = await run_in_threadpool(
            ledger.entries,
            workspace.state,
            resource=query.get("resource"),
            name=query.get("name"),
            kind=query.get("kind"),
        )
        return JSONResponse({"value": entries})

    async def list_faults(_: Request) -> Response:
        return JSONResponse({"value": [asdict(fault) for fault in workspace.faults.all()]})

    async def begin_fault(request: Request) -> Response:
        try:
            asked: Any = json.loads(await request.body())
        except ValueError:
            return _refusal(400, "The body has to be JSON.")
        if not isinstance(asked, dict):
            return _refusal(400, "The body has to be a JSON object.")
        try:
            fault = await run_in_threadpool(workspace.faults.begin, asked)
        except InvalidFault as error:
            return _refusal(400, str(error))
        return JSONResponse(asdict(fault), status_code=201)

    async def end_fault(request: Request) -> Response:
        ended = await run_in_threadpool(workspace.faults.end, request.path_params["id"])
        if not ended:
            return _refusal(404, f"No fault {request.path_params['id']} holds now.")
        return Response(status_code=204)

    async def read_container_insights(request: Request) -> Response:
        name = request.path_params["name"]
        if await run_in_threadpool(computes.find, workspace.state, name) is None:
            return _refusal(404, f"There is no compute {name} in this workspace.")
        on = await run_in_threadpool(computes.has_container_insights, workspace.state, name)
        return JSONResponse({"compute": name, "on": on})

    async def set_container_insights(request: Request) -> Response:
        try:
            asked: Any = json.loads(await request.body())
        except ValueError:
            asked = None
        if not isinstance(asked, dict) or not isinstance(asked.get("on"), bool):
            return _refusal(400, 'The body has to be {"on": true} or {"on": false}.')
        name, on = request.path_params["name"], asked["on"]
        found = await run_in_threadpool(partial(computes.set_container_insights, workspace.state, name, on=on))
        if found is None:
            return _refusal(404, f"There is no compute {name} in this workspace.")
        return JSONResponse({"compute": found, "on": on})

    container_insights = "/admin/computes/{name}/container-insights"
    return [
        Route(container_insights, read_container_insights),
        Route(container_insights, set_container_insights, methods=["PUT"]),
        Route("/admin/ledger", read_ledger),
        Route("/admin/faults", list_faults),
        Route("/admin/faults", begin_fault, methods=["POST"]),
        Route("/admin/faults/{id}", end_fault, methods=["DELETE"]),
    ]


class AdminGate:
    """ASGI middleware: the admin token, or 401."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app = app
        self._token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the request through, or refuse it."""
        if scope["type"] != "http":
            return
        if not is_bearer(Request(scope).headers.get("authorization", ""), self._token):
            await _refusal(401, "The admin token is missing or wrong.")(scope, receive, send)
            return
        await self._app(scope, receive, send)


def _refusal(status: int, sentence: str) -> JSONResponse:
    return JSONResponse({"error": {"message": sentence}}, status_code=status)
