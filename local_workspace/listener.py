"""One listening address: a uvicorn server in a thread of its own, which can stop listening and start again."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from local_workspace.identity import listen

CUT = "local_workspace.cut"
START_SECONDS = 15.0


class CuttableProtocol(HttpToolsProtocol):
    """Lets the application cut the connection without an answer, as a failing network does."""

    def on_message_begin(self) -> None:
        """Offer the cut to the application beside the rest of the scope."""
        super().on_message_begin()
        self.scope["extensions"] = {CUT: {"cut": self.transport.abort}}


class Listener:
    """Serves one application on one port of the loopback interface."""

    def __init__(self, app: ASGIApp, *, port: int, name: str, certificate: Path | None = None) -> None:
        self._app = app
        self._port = port
        self._name = name
        self._certificate = certificate
        self._lock = threading.Lock()
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Listen, and return when requests are answered."""
        with self._lock:
            if self._server is not None:
                return
            socket = listen(self._port)
            config = uvicorn.Config(
                self._app,
                http=CuttableProtocol,
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_keep_alive=30,
                timeout_graceful_shutdown=1,
                ssl_certfile=self._certificate,
            )
            self._server = server = uvicorn.Server(config)
            self._thread = threading.Thread(
                target=server.run, kwargs={"sockets": [socket]}, name=self._name, daemon=True
            )
            self._thread.start()
            deadline = time.monotonic() + START_SECONDS
            while not server.started:
                if not self._thread.is_alive() or time.monotonic() > deadline:
                    raise RuntimeError(f"The {self._name} listener on port {self._port} did not start.")
                time.sleep(0.01)

    def stop(self) -> None:
        """Stop listening and end open connections; from now on callers are refused."""
        with self._lock:
            if self._server is None or self._thread is None:
                return
            self._server.should_exit = True
            self._thread.join()
            self._server = self._thread = None
