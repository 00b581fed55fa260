"""The front end's side of a caller: HTTP/1.1 in, HTTP/1.1 out.

A body is read whole before a permit is taken, so a slow caller holds no replica; one that pauses too long gets 408. What
is refused before its body has arrived is answered at once, then the rest is read and thrown away for a moment: a plain
close could reset the connection and lose the answer.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections import deque
from typing import Any, cast

import httptools

from . import answers
from .services import Call, Service

MAX_BODY_BYTES = 100 * 1024 * 1024
MAX_HEAD_BYTES = 64 * 1024
SMALL_REST_BYTES = 1024 * 1024
"""So much of a refused body is read to its end, and the connection kept."""
LINGER_SECONDS = 2.0
IDLE_SECONDS = 75.0
TRICKLE_FACTOR = 10
"""A request that never pauses for long may still take only so many times the longest pause."""
PREFIX = b"/api/v1/service/"
ACTIONS = {b"score": "/score", b"swagger.json": "/swagger.json", b"": "/"}
# These are about one connection only, or the replica's side sets them.
DROPPED_HEADERS = frozenset(
    {
        b"connection",
        b"content-length",
        b"expect",
        b"keep-alive",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
        b"x-request-id",
    }
)
OFFER_HEADERS = (b"connection", b"upgrade", b"http2-settings")


class Request:
    """What has been read of one request."""

    __slots__ = (
        "began",
        "body",
        "client_request_id",
        "environ",
        "head_bytes",
        "headers",
        "refusal",
        "request_id",
        "size",
        "target",
    )

    def __init__(self) -> None:
        """Nothing read yet."""
        self.began = time.monotonic()
        self.target = b""
        self.headers: dict[bytes, bytes] = {}
        self.environ: dict[str, Any] = {}
        self.head_bytes = 0
        self.body: list[bytes] = []
        self.size = 0
        self.refusal = 0
        self.request_id = b""
        self.client_request_id = b""


class Client(asyncio.Protocol):
    """One caller's connection."""

    def __init__(self, services: dict[str, Service], clients: set[Client]) -> None:
        """`clients` is the set this connection is in while it is open."""
        self._services = services
        self._clients = clients
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self._request: Request | None = None
        self._service: Service | None = None
        self._call: Call | None = None
        self._pipelined: deque[tuple[Request, Service | None, str, bool]] = deque()
        self._closing = False
        self._paused = False
        self._discarded = 0
        self._last_bytes = time.monotonic()

    # asyncio's callbacks

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A caller connected."""
        self._transport = cast(asyncio.Transport, transport)
        self._clients.add(self)

    def connection_lost(self, _error: Exception | None) -> None:
        """The caller left, or closed its half, which proxies take for leaving too: what waits for a permit is dropped."""
        self._clients.discard(self)
        self._transport = None
        self._pipelined.clear()
        if self._call is not None and self._service is not None:
            self._service.caller_left(self._call)
            self._call = None

    def data_received(self, data: bytes) -> None:
        """Parse what came; after a refusal, throw it away up to a limit."""
        self._last_bytes = time.monotonic()
        if self._closing:
            self._discarded += len(data)
            if self._discarded > MAX_BODY_BYTES and self._transport is not None:
                self._transport.abort()
            return
        while data:
            try:
                self._parser.feed_data(data)
            except httptools.HttpParserUpgrade as offered:
                if self._closing:
                    return
                # Some clients offer HTTP/2 with their first request; who does not take it up answers as always.
                # The parser took what follows for the other protocol: it reads the request again without the offer.
                data = self._without_offer() + data[offered.args[0] :]
                self._parser = httptools.HttpRequestParser(self)
            except httptools.HttpParserError:
                if not self._closing:
                    self._refuse_and_close(400)
                return
            else:
                return

    # httptools' callbacks

    def on_message_begin(self) -> None:
        """A request begins."""
        self._request = Request()

    def on_url(self, url: bytes) -> None:
        """A piece of the request's target."""
        assert self._request is not None  # noqa: S101 - on_message_begin came first
        self._request.target += url
        self._count_head(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header; names with an underscore are dropped, since WSGI could not tell them from a hyphen."""
        request = self._request
        assert request is not None  # noqa: S101 - on_message_begin came first
        self._count_head(len(name) + len(value))
        name = name.lower()
        headers = request.headers
        headers[name] = value if name not in headers else headers[name] + b"," + value
        if name not in DROPPED_HEADERS and b"_" not in name:
            request.environ[_environ_key(name)] = headers[name].decode("latin-1")

    def on_headers_complete(self) -> None:
        """Route, and refuse what need not be read."""
        request = self._request
        assert request is not None  # noqa: S101 - on_message_begin came first
        headers = request.headers
        method = self._parser.get_method()
        if self._parser.should_upgrade():
            self._offering = (method, request)
            if method == b"CONNECT":
                self._refuse_and_close(405)
            return
        request.request_id = headers.get(b"x-request-id") or str(uuid.uuid4()).encode()
        request.client_request_id = headers.get(b"x-ms-client-request-id", b"")
        path, _, query = request.target.partition(b"?")
        if path.startswith((b"http://", b"https://")):
            # As clients write it that think they talk to a proxy.
            path = b"/" + path.partition(b"://")[2].partition(b"/")[2]
        service, action = self._route(path)
        self._service_of_request, self._action = service, action
        environ = request.environ
        environ["REQUEST_METHOD"] = method.decode("latin-1")
        environ["QUERY_STRING"] = query.decode("latin-1")
        environ["HTTP_X_REQUEST_ID"] = request.request_id.decode("latin-1")
        length = int(headers.get(b"content-length", b"0") or b"0")
        if service is None:
            request.refusal = 200 if path == b"/" else 404
        elif action == "/":
            request.refusal = 200 if service.is_alive() else 503
        elif method != b"OPTIONS" and not service.gate.lets_in(headers.get(b"authorization", b"")):
            # A browser's preflight carries no key.
            request.refusal = 401
        elif length > MAX_BODY_BYTES:
            request.refusal = 413
        if request.refusal and (length > SMALL_REST_BYTES or b"expect" in headers):
            self._refuse_and_close(request.refusal)
        elif headers.get(b"expect", b"").lower() == b"100-continue" and self._transport is not None:
            self._transport.write(answers.CONTINUE)

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        request = self._request
        if request is None or self._closing:
            return
        request.size += len(body)
        if request.size > (SMALL_REST_BYTES if request.refusal else MAX_BODY_BYTES):
            self._refuse_and_close(request.refusal or 413)
        elif not request.refusal:
            request.body.append(body)

    def on_message_complete(self) -> None:
        """The request is whole: serve it, after those before it on this connection."""
        request, self._request = self._request, None
        if request is None or self._closing or self._parser.should_upgrade():
            return
        entry = (request, self._service_of_request, self._action, self._parser.should_keep_alive())
        if self._call is not None:
            self._pipelined.append(entry)
            if self._transport is not None and not self._paused:
                self._paused = True
                self._transport.pause_reading()
            return
        self._serve(*entry)

    def _without_offer(self) -> bytes:
        """The head of the request that offered another protocol, as it would be without."""
        method, request = self._offering
        lines = [b"%b %b HTTP/1.1" % (method, request.target)]
        lines += [b"%b: %b" % header for header in request.headers.items() if header[0] not in OFFER_HEADERS]
        if b"close" in request.headers.get(b"connection", b"").lower():
            lines.append(b"connection: close")
        return b"\r\n".join([*lines, b"", b""])

    # Serving

    def _serve(self, request: Request, service: Service | None, action: str, keep_alive: bool) -> None:
        head_only = request.environ["REQUEST_METHOD"] == "HEAD"

        def answer(status: int, headers: bytes, body: bytes) -> None:
            self._call = None
            if self._transport is None:
                return
            self._transport.write(
                answers.render(
                    status,
                    headers=headers,
                    body=body,
                    request_id=request.request_id,
                    client_request_id=request.client_request_id,
                    keep_alive=keep_alive,
                    head_only=head_only,
                )
            )
            if not keep_alive:
                self._transport.close()
            elif self._pipelined:
                self._serve(*self._pipelined.popleft())
            elif self._paused:
                self._paused = False
                self._transport.resume_reading()

        if request.refusal:
            if service is not None and action != "/":
                service.refused(self._call_of(request, action, answer), request.refusal)
            answer(request.refusal, *_own(request.refusal))
            return
        assert service is not None  # noqa: S101 - no service is a refusal
        environ = request.environ
        body = request.body[0] if len(request.body) == 1 else b"".join(request.body)
        environ["PATH_INFO"] = action
        environ["RAW_URI"] = action
        environ["CONTENT_LENGTH"] = str(len(body))
        self._service = service
        self._call = call = self._call_of(request, action, answer, body=body)
        service.start(call)

    def _call_of(self, request: Request, action: str, answer: Any, *, body: bytes = b"") -> Call:
        return Call(
            meta=request.environ,
            body=body,
            method=request.environ["REQUEST_METHOD"],
            path=action,
            request_id=request.request_id,
            client_request_id=request.client_request_id,
            answer=answer,
        )

    def _route(self, path: bytes) -> tuple[Service | None, str]:
        if not path.startswith(PREFIX):
            return None, ""
        name, _, action = path[len(PREFIX) :].partition(b"/")
        service = self._services.get(name.decode("latin-1"))
        if service is None or action not in ACTIONS:
            return None, ""
        return service, ACTIONS[action]

    def _count_head(self, count: int) -> None:
        request = self._request
        assert request is not None  # noqa: S101 - on_message_begin came first
        request.head_bytes += count
        if request.head_bytes > MAX_HEAD_BYTES and not self._closing:
            self._refuse_and_close(431)

    def _refuse_and_close(self, status: int) -> None:
        """Answer now, close our half, and listen for a moment to what the caller still sends."""
        self._closing = True
        transport, request = self._transport, self._request
        if transport is None:
            return
        if self._call is not None:
            # An earlier request on this connection still waits for its answer: none may overtake it.
            transport.abort()
            return
        headers, body = _own(status)
        transport.write(
            answers.render(
                status,
                headers=headers,
                body=body,
                request_id=request.request_id if request else b"",
                client_request_id=request.client_request_id if request else b"",
                keep_alive=False,
            )
        )
        if request is not None and request.environ.get("REQUEST_METHOD") and self._service_of_request is not None:
            self._service_of_request.refused(self._call_of(request, self._action, None), status)
        if transport.can_write_eof():
            transport.write_eof()
        asyncio.get_running_loop().call_later(LINGER_SECONDS, self._close)

    def _close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    # The sweep

    def check_patience(self, now: float, *, slow_seconds: float) -> None:
        """End a caller who stopped in the middle of a request, or who has said nothing for long."""
        if self._transport is None or self._call is not None or self._closing:
            return
        silent = now - self._last_bytes
        request = self._request
        if request is not None and (silent > slow_seconds or now - request.began > slow_seconds * TRICKLE_FACTOR):
            self._refuse_and_close(408)
        elif silent > IDLE_SECONDS:
            self._transport.close()

    _offering: tuple[bytes, Request]
    _service_of_request: Service | None = None
    _action = ""


_KEYS: dict[bytes, str] = {}
_MAX_REMEMBERED_NAMES = 1000


def _environ_key(name: bytes) -> str:
    """`X-Name` as WSGI spells it, remembered for the usual names."""
    key = _KEYS.get(name)
    if key is None:
        key = name.decode("latin-1").upper().replace("-", "_")
        key = key if key == "CONTENT_TYPE" else f"HTTP_{key}"
        if len(_KEYS) < _MAX_REMEMBERED_NAMES:
            _KEYS[name] = key
    return key


def _own(status: int) -> tuple[bytes, bytes]:
    return (b"Content-Type: text/plain\r\n", b"Healthy") if status == 200 else answers.own(status)
