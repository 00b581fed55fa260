"""A thread that does one thing every second, and survives a turn that fails."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

log = logging.getLogger(__name__)

TICK_SECONDS = 1.0


class EverySecond:
    """Does its work every second from `start` to `close`, then `at_end`."""

    def __init__(self, work: Callable[[], object], *, name: str, at_end: Callable[[], object] | None = None) -> None:
        self._work = work
        self._at_end = at_end
        self._name = name
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def close(self) -> None:
        """End after the present turn, and what is done at the end."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(TICK_SECONDS):
            self._turn(self._work)
        if self._at_end is not None:
            self._turn(self._at_end)

    def _turn(self, work: Callable[[], object]) -> None:
        try:
            work()
        except Exception:
            # What could not be done now is done a second later: a failing turn must not end the thread.
            log.exception("A turn of %s failed", self._name)
