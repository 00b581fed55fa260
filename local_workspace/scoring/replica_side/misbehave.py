"""Faults on purpose, around the user's `run()`: what they do is real, and so is what telemetry sees of it.

The workspace writes one small JSON file a service; each request looks whether it changed (one stat). The wrapper sits
inside Microsoft's timer and timeout, so `slow` shows in the duration, `error500` as an exception and `crash` as a dead
worker, which telemetry does not see on Azure either.
"""

from __future__ import annotations

import json
import logging
import os
import random
import signal
import time
from typing import Any

HANG_SECONDS = 86_400.0
logger = logging.getLogger("azmlinfsrv")


class FaultOnPurpose(RuntimeError):
    """Raised in place of the user's own error."""


class Misbehaviour:
    """What the fault file says now."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._seen: tuple[int, int] | None = None
        self._fault: dict[str, Any] = {}

    def current(self) -> dict[str, Any]:
        """The fault in force, or an empty mapping."""
        try:
            stat = os.stat(self._path)
        except FileNotFoundError:
            self._fault, self._seen = {}, None
            return self._fault
        seen = (stat.st_mtime_ns, stat.st_ino)
        if seen != self._seen:
            with open(self._path, encoding="utf-8") as file:
                self._fault = json.load(file)
            self._seen = seen
        if self._fault and time.time() > float(self._fault.get("until", 0)):
            return {}
        return self._fault

    def hold_start(self) -> None:
        """Wait while the service is told to start late: its operation times out, and later it is healthy."""
        while self.current().get("kind") == "timed-out-then-healthy":
            time.sleep(0.1)

    def wrap_run(self) -> None:
        """Put the faults around the user's `run()`."""
        from azureml_inference_server_http.server import routes

        script = routes.main_blueprint.user_script
        run = getattr(script, "_wrapped_user_run", None)
        if run is None:
            logger.warning("This version of the inference server cannot be made to misbehave on purpose.")
            return

        def run_or_misbehave(**arguments: Any) -> Any:
            fault = self.current()
            if fault and random.random() < float(fault.get("rate", 1.0)):  # noqa: S311 - not a secret
                answer = _act(fault)
                if answer is not None:
                    return answer
            return run(**arguments)

        script._wrapped_user_run = run_or_misbehave


def _act(fault: dict[str, Any]) -> Any:
    """Do the fault; None lets the user's run() go on."""
    kind = fault.get("kind")
    if kind == "slow":
        time.sleep(float(fault.get("milliseconds", 1000)) / 1000)
    elif kind == "hang":
        time.sleep(HANG_SECONDS)
    elif kind == "crash":
        os.kill(os.getpid(), signal.SIGKILL)
    elif kind == "error500":
        raise FaultOnPurpose(str(fault.get("message", "This error was asked for on purpose.")))
    elif kind == "soft-failure":
        return {"error": str(fault.get("message", "This failure was asked for on purpose."))}
    return None
