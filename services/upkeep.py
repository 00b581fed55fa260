"""The worker's plain loops: heartbeat, inventory, summaries, clean-up. Not workflows: what is missed is read next time."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from services.errors import DeskError

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Loop:
    """Something to do every so many seconds; `every` may look at the world to say how many."""

    name: str
    every: Callable[[], float]
    work: Callable[[], object]


class Upkeep:
    """Runs each loop in a thread of its own until closed."""

    def __init__(self, loops: list[Loop]) -> None:
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._turn, args=(loop,), name=f"upkeep-{loop.name}", daemon=True) for loop in loops
        ]

    def start(self) -> None:
        """Begin all loops."""
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """End all loops after their present turn."""
        self._stopping.set()
        for thread in self._threads:
            thread.join(timeout=2)

    def _turn(self, loop: Loop) -> None:
        while not self._stopping.is_set():
            started = time.monotonic()
            try:
                loop.work()
            except DeskError as error:
                log.warning("Upkeep of %s: %s", loop.name, error.sentence)
            except Exception:
                # One loop's bug must not silence it for ever, nor any other loop.
                log.exception("Upkeep of %s failed in a way nobody foresaw", loop.name)
            self._stopping.wait(max(0.2, loop.every() - (time.monotonic() - started)))
