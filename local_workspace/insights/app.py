"""The HTTP face of the local Azure Monitor: ingestion, queries, health, and losing telemetry on purpose."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from . import container_logs, envelopes, kql, wire
from .config import Guard
from .losses import Losses
from .rows import Rows, rows
from .store import Store
from .writer import Overloaded, Writer

log = logging.getLogger(__name__)

QUERIES_AT_ONCE = 4
LARGEST_BATCH = 100
LARGEST_POST = 32 * 1024 * 1024
RETENTION_SECONDS = 3600.0


class Insights:
    """The parts one process holds, and its routes."""

    def __init__(self, store: Store, guard: Guard) -> None:
        """Start the writer; the store is closed when the app ends."""
        self.store = store
        self.guard = guard
        self.writer = Writer(store)
        self.losses = Losses()
        self._queries = ThreadPoolExecutor(QUERIES_AT_ONCE, thread_name_prefix="query")

    def app(self) -> Starlette:
        """The ASGI app."""
        return Starlette(
            routes=[
                Route("/v2.1/track", self.track, methods=["POST"]),
                Route("/v2/track", self.track, methods=["POST"]),
                Route("/v1/$batch", self.batch, methods=["POST"]),
                Route("/v1/workspaces/{workspace}/query", self.query_workspace, methods=["POST"]),
                Route("/v1/{resource:path}/query", self.query_resource, methods=["POST"]),
                Route("/health", self.health, methods=["GET"]),
                Route("/admin/lose", self.lose, methods=["POST", "DELETE"]),
                Route("/admin/container-logs", self.container_logs, methods=["POST"]),
            ],
            middleware=[
                Middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost"]),
                Middleware(_SingleSlashes),
            ],
            lifespan=self._lifespan,
        )

    async def track(self, request: Request) -> Response:
        """Breeze: answered when the rows are on disk."""
        body = await _body(request, largest=LARGEST_POST)
        if body is None:
            return JSONResponse({"itemsReceived": 0, "itemsAccepted": 0, "errors": []}, 413)
        encoding = request.headers.get("content-encoding", "")
        try:
            batch, arrived = await run_in_threadpool(self._read, body, encoding)
        except envelopes.BadBody as problem:
            refusal = {"index": 0, "statusCode": 400, "message": str(problem)}
            return JSONResponse({"itemsReceived": 0, "itemsAccepted": 0, "errors": [refusal]}, 400)
        try:
            await asyncio.wrap_future(self.writer.submit(arrived))
        except Overloaded as problem:
            refusal = {"index": 0, "statusCode": 429, "message": str(problem)}
            return JSONResponse(
                {"itemsReceived": batch.received, "itemsAccepted": 0, "errors": [refusal]}, 429, {"Retry-After": "5"}
            )
        return JSONResponse(batch.answer(), batch.status)

    async def query_workspace(self, request: Request) -> Response:
        """Query by the workspace's customer id."""
        return await self._query(request, request.path_params["workspace"])

    async def query_resource(self, request: Request) -> Response:
        """Query by a resource's ARM id; the component's logs are the workspace's."""
        resource = request.path_params["resource"]
        if not resource.lower().startswith("subscriptions/"):
            return JSONResponse(wire.error("PathNotFoundError", f"The requested path does not exist: {resource}"), 404)
        return await self._query(request, self.guard.config.workspace_id)

    async def batch(self, request: Request) -> Response:
        """Several queries in one request; one that fails does not fail the others."""
        if refusal := self._refuse(request):
            return refusal
        given = await _json(request)
        requests = given.get("requests") if isinstance(given, dict) else None
        if not isinstance(requests, list) or len(requests) > LARGEST_BATCH:
            return JSONResponse(wire.error("BadArgumentError", f"A batch has 1 to {LARGEST_BATCH} requests."), 400)
        answers = await asyncio.gather(*(self._one_of_batch(one) for one in requests))
        return Response(wire.encode({"responses": answers}), media_type="application/json")

    async def health(self, _: Request) -> Response:
        """Whether it works, how much waits, and when the newest scoring call happened."""
        last_row = await asyncio.get_running_loop().run_in_executor(self._queries, self.store.last_row)
        return JSONResponse(
            {
                "status": "ok",
                "waiting": self.writer.waiting,
                "written": self.writer.written,
                "dropped": self.losses.dropped,
                "lastRow": last_row.isoformat() if last_row else None,
            }
        )

    async def lose(self, request: Request) -> Response:
        """Begin or end losing telemetry."""
        if not self.guard.may_administer(_bearer(request)):
            return JSONResponse(wire.error("InvalidTokenError", "This needs the admin token."), 401)
        if request.method == "DELETE":
            self.losses.end()
        else:
            try:
                given = json.loads(await request.body())
                until = datetime.fromisoformat(given["until"])
                if until.tzinfo is None:
                    raise ValueError("`until` has no time zone")
                self.losses.begin(given.get("service"), until=until)
            except (ValueError, KeyError, TypeError, AttributeError) as problem:
                return JSONResponse(wire.error("BadArgumentError", f"service and until are wanted: {problem}"), 400)
        active = self.losses.active(now=datetime.now(UTC))
        return JSONResponse({"losing": [{"service": name, "until": end.isoformat()} for name, end in active.items()]})

    async def container_logs(self, request: Request) -> Response:
        """Lines of containers, as the agent on a cluster's nodes sends them; answered when they are on disk."""
        if not self.guard.may_administer(_bearer(request)):
            return JSONResponse(wire.error("InvalidTokenError", "This needs the admin token."), 401)
        body = await _body(request, largest=LARGEST_POST)
        try:
            arrived = await run_in_threadpool(container_logs.read, body or b"")
            await asyncio.wrap_future(self.writer.submit(arrived))
        except envelopes.BadBody as problem:
            return JSONResponse(wire.error("BadArgumentError", str(problem)), 400)
        except Overloaded as problem:
            return JSONResponse(wire.error("TooManyRequests", str(problem)), 429)
        return JSONResponse({"written": sum(len(batch) for batch in arrived.values())})

    def _read(self, body: bytes, encoding: str) -> tuple[envelopes.Batch, Rows]:
        """A body as rows; what is to be lost is accepted and not among them."""
        unpacked = envelopes.unpack(body, encoding=encoding.lower())
        batch = envelopes.read(unpacked, instrumentation_keys=self.guard.config.instrumentation_keys)
        if batch.errors and self.guard.reread():
            batch = envelopes.read(unpacked, instrumentation_keys=self.guard.config.instrumentation_keys)
        return batch, rows(self.losses.keep(batch.envelopes, now=datetime.now(UTC)))

    async def _query(self, request: Request, workspace: str) -> Response:
        if refusal := self._refuse(request):
            return refusal
        status, body = await self._answer(await _json(request), request.headers.get("prefer", ""), workspace)
        return Response(body, status, media_type="application/json")

    async def _one_of_batch(self, one: Any) -> dict[str, Any]:
        if not isinstance(one, dict):
            return {"id": "", "status": 400, "body": wire.error("BadArgumentError", "Not a request.")}
        headers = one.get("headers") or {}
        prefer = next((value for name, value in headers.items() if name.lower() == "prefer"), "")
        status, body = await self._answer(one.get("body"), str(prefer), str(one.get("workspace", "")))
        return {"id": one.get("id", ""), "status": status, "body": json.loads(body)}

    async def _answer(self, given: Any, prefer: str, workspace: str) -> tuple[int, bytes]:
        """Status and body of one query."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._queries, self._ask, given, prefer, workspace)

    def _ask(self, given: Any, prefer: str, workspace: str) -> tuple[int, bytes]:
        ours = self.guard.config.workspace_id
        try:
            wanted = wire.preferences(prefer)
            question = wire.question(given, now=datetime.now(UTC))
            for other in (workspace, *question.workspaces):
                if other.lower() != ours.lower():
                    return 404, wire.encode(
                        wire.error("WorkspaceNotFoundError", f"The workspace {other} could not be found.")
                    )
            answer = kql.run(
                self.store,
                question.text,
                span=question.span,
                seconds=wanted.seconds,
                largest_rows=self.guard.config.largest_rows,
            )
            return 200, wire.encode(wire.body(answer, prefer=wanted, rendering=kql.rendering(question.text)))
        except wire.BadRequest as problem:
            return 400, wire.encode(wire.error("BadArgumentError", str(problem)))
        except kql.QueryError as problem:
            return 400, wire.encode(wire.bad_query(problem))
        except kql.QueryTimeout as problem:
            return 504, wire.encode(wire.error("GatewayTimeout", str(problem)))

    def _refuse(self, request: Request) -> Response | None:
        if self.guard.may_query(_bearer(request)):
            return None
        refusal = wire.error("InvalidTokenError", "The provided authentication is not valid for this resource")
        return JSONResponse(refusal, 401, {"WWW-Authenticate": "Bearer"})

    @contextlib.asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncIterator[None]:
        """Keep to the retention while running; write what waits and close the file at the end."""
        upkeep = asyncio.create_task(self._upkeep())
        try:
            yield
        finally:
            upkeep.cancel()
            await asyncio.to_thread(self._close)

    async def _upkeep(self) -> None:
        while True:
            config = self.guard.config
            try:
                await asyncio.to_thread(
                    self.store.retain,
                    now=datetime.now(UTC),
                    retention=config.retention,
                    largest_bytes=config.largest_bytes,
                )
            except Exception:
                # A checkpoint may find a long query in its way; the next round comes.
                log.exception("The retention could not be kept")
            await asyncio.sleep(RETENTION_SECONDS)

    def _close(self) -> None:
        self.writer.close()
        self._queries.shutdown(wait=True)
        self.store.checkpoint()
        self.store.close()


class _SingleSlashes:
    """An endpoint written with a trailing slash makes exporters post to `//v2.1/track`: a 404 would lose data for good."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and "//" in scope["path"]:
            path = "/" + "/".join(part for part in scope["path"].split("/") if part)
            scope = {**scope, "path": path, "raw_path": path.encode()}
        await self._app(scope, receive, send)


def _bearer(request: Request) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


async def _body(request: Request, *, largest: int) -> bytes | None:
    """The body, or None when it is larger than that, whatever its headers say."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > largest:
            return None
    return bytes(body)


async def _json(request: Request) -> Any:
    try:
        return json.loads(await request.body())
    except ValueError:
        return None
