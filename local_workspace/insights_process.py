"""The local Azure Monitor as a child process: started, watched, started again, ended."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from local_workspace.files import write_private_json
from local_workspace.identity import Identity

log = logging.getLogger(__name__)

ROOT = Path(__file__).resolve().parent.parent
LEASH = Path(__file__).with_name("leash.py")
READY_SECONDS = 60.0
STOP_SECONDS = 15.0
ANSWER_SECONDS = 5.0
WRITE_SECONDS = 30.0
"""What was written and not acknowledged in time would be written twice."""
LONGEST_PAUSE_SECONDS = 30.0
PASSED_ON = ("PATH", "LANG", "LC_ALL", "HOME", "TMPDIR", "TZ")

# Proxies named in the environment would catch the loopback address too.
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class DidNotStart(Exception):
    """Telemetry did not start; the sentence says where to read why."""


class InsightsProcess:
    """One child, owned by the thread that calls `start` and `watch`: it dies with that thread."""

    def __init__(self, data: Path, identity: Identity) -> None:
        self._identity = identity
        self._folder = data / "insights"
        self._folder.mkdir(mode=0o700, exist_ok=True)
        self._config = data / "insights.json"
        self._log = data / "insights.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._failures = 0
        self._next_start = 0.0
        write_private_json(
            self._config,
            {
                "tokens": [identity.token, identity.read_token],
                "admin_token": identity.insights_admin_token,
                "workspace_id": identity.logs_workspace_id,
                "instrumentation_keys": [identity.instrumentation_key],
            },
        )

    def start(self) -> None:
        """Start the child; `wait_until_ready` says when it answers."""
        environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        environment |= {"PYTHONPATH": str(ROOT), "NO_PROXY": "127.0.0.1,localhost", "PYTHONUNBUFFERED": "1"}
        program = [sys.executable, "-m", "local_workspace.insights"]
        arguments = [f"--data={self._folder}", f"--port={self._identity.insights_port}", f"--config={self._config}"]
        # The log of one start is enough to say why it did not.
        with self._log.open("wb") as file:
            self._log.chmod(0o600)
            self._process = subprocess.Popen(
                [sys.executable, LEASH, str(os.getpid()), *program, *arguments],
                env=environment,
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait_until_ready(self) -> None:
        """Return when the child answers; raise when it does not."""
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            if self._process is None or self._process.poll() is not None:
                break
            try:
                with _opener.open(f"{self._identity.logs_url}/health", timeout=ANSWER_SECONDS) as answer:
                    if answer.status == 200:
                        return
            except OSError:
                time.sleep(0.05)
        last = self._log.read_text(errors="replace").strip().splitlines()[-1:] or ["It said nothing."]
        raise DidNotStart(f"Telemetry did not start: {last[0]} Its log is {self._log}.")

    def watch(self) -> None:
        """Start the child again if it ended, at growing distances."""
        if self._process is None or self._process.poll() is None or time.monotonic() < self._next_start:
            return
        self._failures += 1
        self._next_start = time.monotonic() + min(2.0**self._failures, LONGEST_PAUSE_SECONDS)
        log.error("Telemetry ended with %s; it is started again", self._process.returncode)
        self.start()

    def write_container_logs(self, rows: Sequence[Mapping[str, Any]]) -> bool:
        """Hand over rows of ContainerLogV2; true once they are on disk."""
        return self.administer("POST", "/admin/container-logs", rows, seconds=WRITE_SECONDS)

    def administer(self, method: str, path: str, body: Any = None, *, seconds: float = ANSWER_SECONDS) -> bool:
        """Send one command to the child's admin address; whether it was taken."""
        request = urllib.request.Request(  # noqa: S310 - our own loopback address
            f"{self._identity.logs_url}{path}",
            method=method,
            data=json.dumps(body).encode() if body is not None else None,
            headers={
                "Authorization": f"Bearer {self._identity.insights_admin_token}",
                "Content-Type": "application/json",
            },
        )
        try:
            with _opener.open(request, timeout=seconds):
                return True
        except OSError as error:
            log.error("Telemetry did not take %s %s: %s", method, path, error)
            return False

    def stop(self) -> None:
        """Let the child write what it holds, then end it."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            log.error("Telemetry did not end within %s s and is killed", STOP_SECONDS)
            self._process.kill()
            self._process.wait()
