"""The rehearsal workspace: a local workspace that the worker starts when somebody rehearses, and stops when nobody does.

It is there whatever workspace the desk is connected to, Azure too. It is a program of its own in a folder of its own,
and ends with the worker, however that ends.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from services.azureml.credentials import for_rehearsal
from services.azureml.gateway import Gateway, open_gateway
from services.errors import DeskError, Unavailable
from services.settings import ROOT, Settings

IDLE_SECONDS = 15 * 60.0
START_SECONDS = 120.0
STOP_SECONDS = 25.0
POLL_SECONDS = 0.25
LEASH = ROOT / "local_workspace" / "leash.py"
OURS = ("AZURE_", "DESK_", "WORKER_", "WORKSPACE_")
"""Variables of the desk: code that is rehearsed must not see what they hold."""
ENVIRONMENTS = "LOCAL_WORKSPACE_ENVIRONMENTS"

log = logging.getLogger(__name__)


class RehearsalWorkspace:
    """Start, use, stop."""

    def __init__(self, settings: Settings) -> None:
        """Starts nothing yet."""
        self._settings = settings
        self._folder = settings.data / "rehearsal"
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._gateway: Gateway | None = None
        self._users = 0
        self._used_at = time.monotonic()

    @contextmanager
    def in_use(self, pause: Callable[[float], None]) -> Iterator[Gateway]:
        """The way to it, started if need be, and kept running until the end of the block; `pause` waits."""
        with self._lock:
            self._users += 1
        try:
            self._start()
            yield self._ready(pause)
        finally:
            with self._lock:
                self._users -= 1
                self._used_at = time.monotonic()

    def stop_if_idle(self, *, after: float = IDLE_SECONDS) -> bool:
        """Stop it when nobody used it for so long; whether it was stopped."""
        with self._lock:
            if self._process is None or self._users or time.monotonic() - self._used_at < after:
                return False
            gateway = self._gateway
        if gateway is not None:
            # Left there, they would all be started again with it, for nobody.
            self._clear(gateway)
        with self._lock:
            if self._users:
                return False
            self._stop()
        log.info("The rehearsal workspace was not used for %.0f s and is stopped.", after)
        return True

    def close(self) -> None:
        """Stop it now."""
        with self._lock:
            self._stop()

    def _start(self) -> None:
        with self._lock:
            if self._process is not None and self._process.poll() is None:
                return
            self._forget()
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            (self._folder / "connection.json").unlink(missing_ok=True)
            started = threading.Event()
            thread = threading.Thread(target=self._run, args=(started,), name="rehearsal-workspace", daemon=True)
            thread.start()
            started.wait(START_SECONDS)

    def _run(self, started: threading.Event) -> None:
        """The thread of the child: the leash hangs on the thread that starts it, so this one waits for its end."""
        output = self._folder / "rehearsal.log"
        leashed = [sys.executable, str(LEASH), str(os.getpid())]
        program = [sys.executable, "-m", "local_workspace", "--data", str(self._folder), "--port", "0"]
        try:
            with output.open("wb") as file:
                process = subprocess.Popen(
                    [*leashed, *program],
                    cwd=ROOT,
                    env=self._environment(),
                    stdin=subprocess.DEVNULL,
                    stdout=file,
                    stderr=subprocess.STDOUT,
                )
            self._process = process
        finally:
            started.set()
        process.wait()

    def _environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
        if self._settings.is_local:
            # Environments are named by what is in them: what was built for the one workspace serves the other.
            kept.setdefault(ENVIRONMENTS, str(self._settings.connection.parent / "environments"))
        return kept

    def _ready(self, pause: Callable[[float], None]) -> Gateway:
        connection = self._folder / "connection.json"
        deadline = time.monotonic() + START_SECONDS
        while not connection.is_file():
            process = self._process
            if process is None or process.poll() is not None:
                raise Unavailable(f"The rehearsal workspace did not start: {self._last_words()}")
            if time.monotonic() > deadline:
                raise Unavailable("The rehearsal workspace is slow to start. It is tried again in a moment.")
            pause(POLL_SECONDS)
        with self._lock:
            if self._gateway is None:
                self._gateway = open_gateway(for_rehearsal(connection))
            return self._gateway

    def _last_words(self) -> str:
        output = self._folder / "rehearsal.log"
        lines = output.read_text(errors="replace").strip().splitlines() if output.is_file() else []
        return lines[-1][-300:] if lines else "it said nothing."

    def _clear(self, gateway: Gateway) -> None:
        try:
            for service in gateway.mms.services():
                gateway.mms.delete_service(service.name)
        except DeskError as error:
            log.warning("What was rehearsed could not be cleared away: %s", error.sentence)

    def _stop(self) -> None:
        process = self._process
        if process is not None and process.poll() is None:
            process.terminate()
            try:
                process.wait(timeout=STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._forget()

    def _forget(self) -> None:
        if self._gateway is not None:
            self._gateway.close()
        self._gateway = None
        self._process = None
