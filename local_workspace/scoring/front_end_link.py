"""The workspace's end of the control socket: starts the front end, tells it what to serve, hears what happens.

What the front end shall serve is kept here as the list of wishes that still hold, so that a front end that died is
replaced by one on the same port that knows everything again.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .launcher import plain_environment

START_SECONDS = 20.0
ASK_SECONDS = 5.0
PACKAGE_ROOT = Path(__file__).resolve().parents[2]


class FrontEndLink:
    """The front end process and the socket to it."""

    def __init__(
        self,
        folder: Path,
        *,
        port: int,
        slow_seconds: float,
        on_event: Callable[[dict[str, Any]], None],
        on_restart: Callable[[], None],
    ) -> None:
        """Start the front end and wait until it listens."""
        self._folder = folder
        self._slow_seconds = slow_seconds
        self._on_event = on_event
        self._on_restart = on_restart
        self._lock = threading.Lock()
        self._replies: dict[int, Any] = {}
        self._answered = threading.Condition()
        self._asked = 0
        self._closing = False
        self._socket: socket.socket
        self.port = port
        self._start()

    @property
    def url(self) -> str:
        """Where the front end listens."""
        return f"http://127.0.0.1:{self.port}"

    def send(self, wish: dict[str, Any]) -> None:
        """Tell the front end; one that is being restarted hears it from `on_restart`."""
        with self._lock:
            try:
                self._socket.sendall(json.dumps(wish).encode() + b"\n")
            except OSError:
                # The reader sees the same end and starts it anew.
                return

    def ask(self, wish: dict[str, Any]) -> Any:
        """Tell the front end and wait for its reply; None when it does not answer."""
        with self._answered:
            self._asked += 1
            number = self._asked
        self.send({**wish, "ask": number})
        with self._answered:
            self._answered.wait_for(lambda: number in self._replies or self._closing, ASK_SECONDS)
            return self._replies.pop(number, None)

    def close(self) -> None:
        """End the front end."""
        self._closing = True
        self._process.terminate()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._socket.close()

    def _start(self) -> None:
        ours, theirs = socket.socketpair()
        environment = plain_environment(home=self._folder, temporary=self._folder)
        environment["PYTHONPATH"] = str(PACKAGE_ROOT)
        command = [sys.executable, "-m", "local_workspace.scoring.front_end", "--port", str(self.port)]
        command += ["--control-fd", str(theirs.fileno()), "--slow-seconds", str(self._slow_seconds)]
        with theirs, (self._folder / "front_end.log").open("ab") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment,
                cwd=self._folder,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        lines = ours.makefile("rb")
        ours.settimeout(START_SECONDS)
        try:
            first = json.loads(lines.readline() or b"{}")
        except TimeoutError:
            first = {}
        if first.get("event") != "listening":
            self._process.kill()
            self._process.wait()
            ours.close()
            raise OSError(
                f"The scoring front end did not start on port {self.port}: another program may hold it. "
                f"{self._last_words()}"
            )
        ours.settimeout(None)
        self.port = int(first["port"])
        self._socket = ours
        threading.Thread(target=self._read, args=(lines,), name="front-end-events", daemon=True).start()

    def _read(self, lines: Any) -> None:
        """Hear events until the front end ends; then start another one."""
        # The socket closed under us is the same as the end of the stream.
        with lines, contextlib.suppress(OSError):
            for line in lines:
                self._hear(json.loads(line))
        if self._closing:
            return
        self._process.wait()
        with self._lock:
            self._socket.close()
        deadline = time.monotonic() + 60
        while not self._closing:
            try:
                self._start()
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.5)
            else:
                self._on_restart()
                return

    def _hear(self, message: dict[str, Any]) -> None:
        if "ask" in message:
            with self._answered:
                self._replies[message["ask"]] = message["reply"]
                self._answered.notify_all()
        else:
            self._on_event(message)

    def _last_words(self) -> str:
        log = self._folder / "front_end.log"
        with log.open("rb") as file:
            file.seek(max(os.path.getsize(log) - 2000, 0))
            lines = file.read().decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else ""
