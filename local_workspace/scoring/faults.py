"""Faults on purpose, on the workspace's side: which service misbehaves how, and until when.

Those inside a replica (`slow`, `hang`, `crash`, `error500`, `soft-failure`, `timed-out-then-healthy`) go into a file the
replica looks at; `out-of-capacity` keeps new replicas from being started. Each ends by itself.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

IN_REPLICA = frozenset({"slow", "hang", "crash", "error500", "soft-failure"})
AT_START = frozenset({"timed-out-then-healthy", "out-of-capacity"})
KINDS = IN_REPLICA | AT_START
LONGEST_SECONDS = 86_400.0
"""Whoever begins a fault ends it; one that is forgotten ends after a day."""


class Faults:
    """The faults in force."""

    def __init__(self, folder: Path) -> None:
        """`folder` holds one small file a service."""
        self._folder = folder
        self._lock = threading.Lock()
        self._faults: dict[str, dict[str, Any]] = {}

    def file(self, service: str) -> Path:
        """The file this service's replicas look at."""
        return self._folder / f"{service}.fault"

    def set(self, service: str, fault: Mapping[str, Any] | None) -> None:
        """Begin a fault, or end it. `seconds` says when it ends by itself, `rate` (0–1) how often it strikes."""
        with self._lock:
            if not fault:
                self._faults.pop(service, None)
                self.file(service).unlink(missing_ok=True)
                return
            kind = fault.get("kind")
            if kind not in KINDS:
                raise ValueError(f"There is no fault of kind {kind!r}. Choose one of {', '.join(sorted(KINDS))}.")
            until = time.time() + float(fault.get("seconds", LONGEST_SECONDS))
            entry = {**fault, "until": until}
            self._faults[service] = entry
            if kind in IN_REPLICA:
                self._write(service, entry)

    def begin_rollout(self, service: str, *, deploy_timeout_seconds: float) -> None:
        """Hold the replicas of this rollout back past its operation's timeout, if that was asked for."""
        with self._lock:
            fault = self._faults.get(service)
            if fault and fault["kind"] == "timed-out-then-healthy" and time.time() < fault["until"]:
                late = float(fault.get("late_seconds", 5))
                self._write(service, {**fault, "until": time.time() + deploy_timeout_seconds + late})
                # One rollout only: the next one is to start in time.
                del self._faults[service]

    def no_capacity(self, service: str) -> bool:
        """Whether no new replica may be started now."""
        fault = self._faults.get(service)
        return bool(fault and fault["kind"] == "out-of-capacity" and time.time() < fault["until"])

    def _write(self, service: str, entry: Mapping[str, Any]) -> None:
        """In one step, so that a replica never reads half a file."""
        target = self.file(service)
        fresh = target.with_suffix(".new")
        fresh.write_text(json.dumps(entry))
        os.replace(fresh, target)
