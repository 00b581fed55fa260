"""Live reads: what a person looks at now and no list holds. Logs, charts, test requests, keys, tokens.

The only way from the desk to Azure. Reads run in a pool of threads with our own deadlines; equal questions of several
people are one question, its answer good for 15 s. Keys, tokens and bodies are never shared and never stored: they lie
in this process's memory under a random handle for 60 s, and session state holds the handle.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

from services.clock import Clock
from services.errors import Unavailable

THREADS = 16
SHARED_FOR = timedelta(seconds=15)
SHOWN_FOR = timedelta(seconds=60)
DEADLINE_SECONDS = 5.0
KQL_DEADLINE_SECONDS = 30.0
ANSWERS_KEPT = 2_000

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Shown:
    """Something secret that is on somebody's screen, until when."""

    value: Any
    until: datetime


@dataclass(frozen=True)
class Flight:
    """One question on its way or just answered."""

    future: Future[Any]
    asked_at: datetime


class Live:
    """Ask Azure now."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="live")
        self._lock = threading.Lock()
        self._flights: dict[tuple[Any, ...], Flight] = {}
        self._shown: dict[str, Shown] = {}

    def shared(
        self, key: tuple[Any, ...], ask: Callable[[], Answer], *, what: str, deadline: float = DEADLINE_SECONDS
    ) -> Answer:
        """The answer to a question anyone may share, at most 15 s old; `key` must name all the question depends on."""
        now = self._clock.now()
        with self._lock:
            flight = self._flights.get(key)
            if flight is None or now - flight.asked_at > SHARED_FOR or _failed(flight.future):
                self._forget_old(now)
                flight = Flight(self._pool.submit(ask), now)
                self._flights[key] = flight
        answer: Answer = self._wait(flight.future, what, deadline)
        return answer

    def alone(self, ask: Callable[[], Answer], *, what: str, deadline: float = DEADLINE_SECONDS) -> Answer:
        """The answer to a question of one person: never shared, never kept."""
        return self._wait(self._pool.submit(ask), what, deadline)

    def show(self, value: Any, *, keep_for: timedelta = SHOWN_FOR) -> str:
        """Put something secret where only its handle finds it, for 60 s; rows a person reads may stay longer."""
        handle = secrets.token_urlsafe(16)
        now = self._clock.now()
        with self._lock:
            self._drop_expired(now)
            self._shown[handle] = Shown(value, now + keep_for)
        return handle

    def shown(self, handle: str) -> Shown | None:
        """What a handle stands for, or None when its minute is over."""
        with self._lock:
            self._drop_expired(self._clock.now())
            return self._shown.get(handle)

    def hide(self, handle: str) -> None:
        """Forget something secret before its minute is over."""
        with self._lock:
            self._shown.pop(handle, None)

    def close(self) -> None:
        """End the pool."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _wait(self, future: Future[Answer], what: str, deadline: float) -> Answer:
        try:
            return future.result(deadline)
        except FutureTimeout:
            raise Unavailable(f"{what} did not come within {deadline:.0f} s: try again in a moment.") from None

    def _forget_old(self, now: datetime) -> None:
        self._flights = {key: flight for key, flight in self._flights.items() if now - flight.asked_at <= SHARED_FOR}
        while len(self._flights) >= ANSWERS_KEPT:
            self._flights.pop(next(iter(self._flights)))

    def _drop_expired(self, now: datetime) -> None:
        self._shown = {handle: shown for handle, shown in self._shown.items() if shown.until > now}


def _failed(future: Future[Any]) -> bool:
    return future.done() and (future.cancelled() or future.exception() is not None)
