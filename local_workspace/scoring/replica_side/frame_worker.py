"""The gunicorn worker of a replica: one persistent connection to the front end, frames instead of HTTP.

Microsoft's WSGI application is called unchanged and in the main thread, so its SIGALRM scoring timeout keeps working.
A worker serves one connection until the front end closes it; the front end opens as many as there are workers.

Frames, all lengths big-endian:
    request   `!II`  length of the JSON (WSGI keys, and `scoring_timeout_ms`), length of the body; then both
    answer    `!HII` status, length of the header block, length of the body; then both
    greeting  an answer with status 0 whose body is this worker's pid, sent once a connection is accepted
"""

from __future__ import annotations

import errno
import io
import json
import os
import select
import socket
import struct
import sys
import time
from collections.abc import Callable, Iterable
from typing import Any

from gunicorn.workers.sync import SyncWorker

REQUEST = struct.Struct("!II")
ANSWER = struct.Struct("!HII")
GREETING = 0
RECEIVE_BYTES = 1 << 18
# The front end frames the answer and gives out the ids itself.
FRONT_END_SETS = frozenset(
    {
        "connection",
        "content-length",
        "date",
        "keep-alive",
        "server",
        "transfer-encoding",
        "x-ms-client-request-id",
        "x-ms-request-id",
        "x-request-id",
    }
)


class FrameWorker(SyncWorker):
    """A sync worker that keeps its connection."""

    alive: bool
    _heard = 0.0
    before_loading: Callable[[], None] | None = None
    """Called in the worker before the user's script is imported."""
    after_loading: Callable[[], None] | None = None
    """Called in the worker once `init()` has returned."""

    def load_wsgi(self) -> None:
        """Load Microsoft's application, and with it the user's script."""
        if FrameWorker.before_loading is not None:
            FrameWorker.before_loading()
        super().load_wsgi()
        if FrameWorker.after_loading is not None:
            FrameWorker.after_loading()
        self._timeouts = _ScoringTimeout()

    def handle(self, listener: Any, client: socket.socket, addr: Any) -> None:
        """Serve one connection until its other end closes it or this worker shall end."""
        try:
            pid = str(os.getpid()).encode()
            client.sendall(ANSWER.pack(GREETING, 0, len(pid)) + pid)
            received = bytearray()
            poll = select.poll()
            poll.register(client, select.POLLIN)
            poll.register(self.PIPE[0], select.POLLIN)
            while self._wait_for_bytes(client, poll):
                chunk = client.recv(RECEIVE_BYTES)
                if not chunk:
                    return
                received += chunk
                if len(received) < REQUEST.size:
                    continue
                meta_length, body_length = REQUEST.unpack_from(received)
                whole = REQUEST.size + meta_length + body_length
                if len(received) < whole:
                    received = self._receive_rest(client, received, whole)
                    if not received:
                        return
                meta = json.loads(bytes(received[REQUEST.size : REQUEST.size + meta_length]))
                body = bytes(received[REQUEST.size + meta_length : whole])
                del received[:whole]
                self._answer(client, meta, body)
        except OSError as error:
            if error.errno not in (errno.EPIPE, errno.ECONNRESET, errno.ENOTCONN):
                self.log.exception("The connection to the front end failed.")
        finally:
            client.close()

    def _wait_for_bytes(self, client: socket.socket, poll: select.poll) -> bool:
        """True once the connection is readable; the master hears meanwhile that this worker is alive."""
        patience_ms = int(max(self.timeout / 2, 0.5) * 1000) if self.timeout else 30_000
        readable = client.fileno()
        while self.alive:
            self._heartbeat()
            for descriptor, _ in poll.poll(patience_ms):
                if descriptor == readable:
                    return True
                os.read(descriptor, 4096)
            if not self.is_parent_alive():
                self.alive = False
        return False

    def _heartbeat(self) -> None:
        """Tell the master, once a second at most: it is a system call."""
        now = time.monotonic()
        if now - self._heard > 1.0:
            self._heard = now
            self.notify()

    def _receive_rest(self, client: socket.socket, received: bytearray, whole: int) -> bytearray:
        """The whole frame, or nothing when the connection closed before its end."""
        frame = bytearray(whole)
        have = len(received)
        frame[:have] = received
        view = memoryview(frame)
        while have < whole:
            count = client.recv_into(view[have:], min(whole - have, 1 << 20))
            if not count:
                return bytearray()
            have += count
            self._heartbeat()
        view.release()
        return frame

    def _answer(self, client: socket.socket, meta: dict[str, Any], body: bytes) -> None:
        self._timeouts.apply(meta.pop("scoring_timeout_ms", 0))
        self.nr += 1
        try:
            status, headers, content = self._call(meta, body)
        except (Exception, SystemExit):
            if self.aborted or not self.alive:
                raise
            # `sys.exit()` in run() and errors outside Microsoft's handlers: gunicorn answers 500 and lives on.
            self.log.exception("Error handling request %s", meta.get("PATH_INFO"))
            status, headers, content = 500, b"Content-Type: text/html\r\n", b"<h1>Internal Server Error</h1>"
        client.sendall(ANSWER.pack(status, len(headers), len(content)) + headers + content)

    def _call(self, meta: dict[str, Any], body: bytes) -> tuple[int, bytes, bytes]:
        """Microsoft's application, called as gunicorn would."""
        started: list[Any] = []

        def start_response(
            status: str, headers: list[tuple[str, str]], exc_info: Any = None
        ) -> Callable[[bytes], None]:
            started[:] = [status, headers]
            return written.append

        written: list[bytes] = []
        environ = {**_BASE_ENVIRON, **meta}
        environ["wsgi.input"] = io.BytesIO(body)
        environ["wsgi.errors"] = sys.stderr
        chunks: Iterable[bytes] = self.wsgi(environ, start_response)
        try:
            written.extend(chunks)
        finally:
            close = getattr(chunks, "close", None)
            if close is not None:
                close()
        status, headers = started
        lines = [f"{name}: {value}\r\n" for name, value in headers if name.lower() not in FRONT_END_SETS]
        block = "".join(lines)
        if block.count("\n") != len(lines) or block.count("\r") != len(lines):
            raise ValueError("The scoring script set a response header with a line break in it.")
        return int(status[:3]), block.encode("latin-1"), b"".join(written)


_BASE_ENVIRON: dict[str, Any] = {
    "SCRIPT_NAME": "",
    "SERVER_NAME": "127.0.0.1",
    "SERVER_PORT": "5001",
    "SERVER_PROTOCOL": "HTTP/1.1",
    "SERVER_SOFTWARE": "gunicorn",
    "REMOTE_ADDR": "127.0.0.1",
    "QUERY_STRING": "",
    "wsgi.version": (1, 0),
    "wsgi.url_scheme": "http",
    "wsgi.multithread": False,
    "wsgi.multiprocess": True,
    "wsgi.run_once": False,
    "wsgi.input_terminated": True,
}


class _ScoringTimeout:
    """Follows the service's scoring timeout without a restart, unless the user's environment sets a lower one."""

    def __init__(self) -> None:
        from azureml_inference_server_http.server.config import config

        self._config = config
        self._ceiling = int(getattr(config, "scoring_timeout", 0) or 0)

    def apply(self, milliseconds: int) -> None:
        """Make the server end run() after this many milliseconds."""
        if not milliseconds or not self._ceiling:
            return
        wanted = min(milliseconds, self._ceiling)
        if self._config.scoring_timeout != wanted:
            self._config.scoring_timeout = wanted
