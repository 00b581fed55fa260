"""A program that starts workers quickly: it imports everything once and forks a real worker for each line it reads.

A line is JSON: `{"moments": {"<operation>": "<step>:<moment>"}}`. The worker holds each of these operations at its
moment, and when all have arrived it ends itself by SIGKILL, in the middle of everything. Moments of a step: `begun`
(said to run, nothing done yet), `acted` (done at Azure, not recorded yet), `recorded` (recorded, before the next).
The last step of every operation, which writes receipt and audit entry, is called `end`.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from typing import Any

import services.worker
from services.azureml.preload import load_sdk
from services.operations.journal import Journal


class Doom:
    """Ends this process when every operation has come to its moment."""

    def __init__(self, moments: dict[str, str]) -> None:
        self._missing = dict(moments)
        self._lock = threading.Lock()

    def take_hold(self) -> None:
        """Watch what the worker writes down."""
        write_step, write_end = Journal.step, Journal.end

        def step(journal: Journal, operation: str, at: Any, state: Any, **details: Any) -> None:
            if state == "done":
                self.reach(operation, f"{at.name}:acted")
            write_step(journal, operation, at, state, **details)
            if state == "running":
                self.reach(operation, f"{at.name}:begun")
            elif state == "done":
                self.reach(operation, f"{at.name}:recorded")

        def end(journal: Journal, operation: Any, state: Any, **details: Any) -> None:
            self.reach(operation.id, "end:begun")
            write_end(journal, operation, state, **details)
            self.reach(operation.id, "end:recorded")

        Journal.step, Journal.end = step, end  # type: ignore[method-assign]

    def reach(self, operation: str, moment: str) -> None:
        """Hold the operation here if this is its moment; the last to arrive ends the process."""
        with self._lock:
            if self._missing.get(operation) != moment:
                return
            del self._missing[operation]
            print(f"doom: {operation} is at {moment}", flush=True)
            if not self._missing:
                os.kill(os.getpid(), signal.SIGKILL)
        threading.Event().wait()


OFTEN = 5.0
"""Upkeep that is due every minute in earnest: nobody wants to wait for it here."""


def grow(moments: dict[str, str]) -> None:
    """Be a worker, and doomed if there are moments."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    services.worker.SERVICES_EVERY = services.worker.SUMMARIES_EVERY = services.worker.MODELS_EVERY = OFTEN
    if moments:
        Doom(moments).take_hold()
    sys.exit(services.worker.main())


def main() -> None:
    """Fork a worker for each line, say its process id, and leave no zombies."""
    load_sdk()
    assert threading.active_count() == 1, "a fork would lose these threads"
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    print("pid 0", file=answers, flush=True)
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            answers.close()
            sys.stdin.close()
            grow(json.loads(line)["moments"])
        print(f"pid {child}", file=answers, flush=True)


if __name__ == "__main__":
    main()
