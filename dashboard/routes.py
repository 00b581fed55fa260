"""What the desk answers besides screens: is it alive, who am I, and files; and who may come in at all.

Handlers are plain functions: they run in threads, and one that waits never holds up anybody's screen.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dashboard import context
from services.access import ANONYMOUS_VIEWER
from services.errors import DeskError, Forbidden
from services.sessions import ABSOLUTE_AGE

LOG = logging.getLogger("desk.routes")

HOSTS = frozenset({"localhost", "127.0.0.1"})
_FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip")
_STATUS = {"invalid": 400, "forbidden": 403, "not found": 404, "conflict": 409, "unavailable": 503}
_NOT_OURS = (
    "The desk has no sign-in set up, so it answers only on http://localhost of its own machine, without a proxy."
)


class LocalOnly:
    """Without sign-in nobody comes in through another name or through a proxy, neither a page nor its WebSocket."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse or pass on, with headers that keep browsers from framing and guessing."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if not is_local(headers):
            await PlainTextResponse(_NOT_OURS, status_code=403)(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [
                    *message.get("headers", []),
                    (b"x-content-type-options", b"nosniff"),
                    (b"x-frame-options", b"DENY"),
                    (b"referrer-policy", b"same-origin"),
                ]
            await send(message)

        await self._app(scope, receive, send_guarded)


def is_local(headers: Headers) -> bool:
    """Whether a request was made to this machine by its own name and came straight here."""
    if any(name in headers for name in _FORWARDED):
        return False
    try:
        host = urlsplit(f"//{headers.get('host', '')}")
        return host.hostname in HOSTS and host.username is None and not host.path
    except ValueError:
        return False


def healthz(request: Request) -> Response:
    """Alive or not, to anyone; the parts with their ages to who has chosen an identity."""
    try:
        parts = context.services().health.heartbeats()
    except DeskError:
        # Such as a local workspace that has not started yet: every screen says which.
        return JSONResponse({"alive": False}, status_code=503, headers={"cache-control": "no-store"})
    is_alive = all(part.is_well for part in parts)
    answer: dict[str, object] = {"alive": is_alive}
    if context.person(request.cookies) != ANONYMOUS_VIEWER:
        now = context.now()
        answer["parts"] = [
            {
                "name": part.name,
                "alive": part.is_well,
                "age_seconds": None if part.at is None else round((now - part.at).total_seconds(), 1),
                "sentence": part.sentence,
            }
            for part in parts
        ]
    return JSONResponse(answer, status_code=200 if is_alive else 503, headers={"cache-control": "no-store"})


async def identity(request: Request) -> Response:
    """Choose one of the local identities: `{"identity": "operator"}`; an empty one ends the session."""
    # Reading the body is the one thing here that has to be awaited; what blocks runs in a thread.
    from starlette.concurrency import run_in_threadpool

    if not _is_same_origin(request):
        return PlainTextResponse("The identity is chosen on the desk's own pages only.", status_code=403)
    if request.headers.get("content-type", "").split(";")[0] != "application/json" or len(await request.body()) > 200:
        return PlainTextResponse('Send {"identity": "operator"} as application/json.', status_code=415)
    wanted = (await request.json()).get("identity", "")
    return await run_in_threadpool(_choose, str(wanted), request.cookies.get(context.COOKIE))


def _choose(wanted: str, before: str | None) -> Response:
    if not context.settings().is_local:
        return PlainTextResponse(
            "Identities can be chosen against the local workspace only: set up sign-in for any other.", status_code=403
        )
    sessions = context.services().sessions
    if before:
        sessions.end(before)
    answer = Response(status_code=204, headers={"cache-control": "no-store"})
    if not wanted:
        answer.delete_cookie(context.COOKIE, httponly=True, samesite="strict")
        return answer
    answer.set_cookie(
        context.COOKIE,
        sessions.start_local(wanted),
        max_age=int(ABSOLUTE_AGE.total_seconds()),
        httponly=True,
        samesite="strict",
    )
    return answer


def download(request: Request) -> Response:
    """A kept file by its hash, to who may download; `st.download_button`'s address would answer anyone."""
    person = context.person(request.cookies)
    if person == ANONYMOUS_VIEWER:
        raise Forbidden("Who downloads has to be known: choose an identity at the top of the desk first.")
    files = context.services().files
    stored = files.hand_out(person, request.path_params["sha256"], request.path_params["name"])
    return FileResponse(
        files.path(stored.sha256),
        filename=stored.name,
        media_type="application/octet-stream",
        headers={"cache-control": "private, no-store"},
    )


def refused(_request: Request, error: Exception) -> Response:
    """A desk error as its sentence."""
    if not isinstance(error, DeskError):
        raise error
    return JSONResponse({"error": error.sentence}, status_code=_STATUS.get(error.kind, 400))


def _is_same_origin(request: Request) -> bool:
    origin = urlsplit(request.headers.get("origin", ""))
    return origin.scheme == request.url.scheme and origin.netloc == request.headers.get("host")


def overview(request: Request) -> Response:
    """The first screen lies at the root; its name in the address leads there, with what was asked."""
    return RedirectResponse(f"/?{request.url.query}" if request.url.query else "/", status_code=307)


ROUTES = [
    Route("/healthz", healthz, methods=["GET"]),
    Route("/overview", overview, methods=["GET"]),
    Route("/identity", identity, methods=["POST"]),
    Route("/files/{sha256}/{name}", download, methods=["GET"]),
]
MIDDLEWARE = [Middleware(LocalOnly)]
EXCEPTIONS: dict[type[Exception], Callable[[Request, Exception], Response]] = {DeskError: refused}
