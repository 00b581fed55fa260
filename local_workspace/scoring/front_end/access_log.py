"""What the front end notes of each call, and the lines that wait to be taken to Azure Monitor."""

from __future__ import annotations

import secrets
from collections import deque
from itertools import islice
from typing import Any, NamedTuple

CALLER_LEFT = 499
"""Stands in the access log for a caller who closed the connection before the answer."""
WAITING_LINES = 50_000

BAD_KEY = "bad key"
BAD_TOKEN = "bad token"  # noqa: S105 - the reason of a refusal
CONTAINER_FAILED = "container answered 500"
CONTAINER_TIMEOUT = "scoring timeout in the container"
LEFT = "caller left"
NO_REPLICA = "no replica is ready"
QUEUE_WAIT = "queue wait exceeded"
REMOVED = "service removed"
REPLICA_DIED = "replica died"
RUN_FAILED = "run() failed"
SCORING_TIMEOUT = "scoring timeout"
OF_REFUSALS = {
    400: "not HTTP",
    405: "method not served",
    408: "body did not arrive in time",
    413: "body too large",
    431: "headers too large",
}


class AccessLine(NamedTuple):
    """One line of the front end's access log."""

    number: int
    time: float
    request_id: str
    client_request_id: str
    method: str
    path: str
    code: int
    milliseconds: float
    run_milliseconds: float | None
    replica: str
    reason: str


class Outbox:
    """Lines of the services whose log is wanted, in the order they were written, until it is said that they arrived."""

    def __init__(self) -> None:
        """Nothing waits."""
        self._epoch = secrets.token_hex(4)
        self._lines: deque[tuple[str, AccessLine]] = deque()
        self._before = 0
        """The number of the line before the first one that waits."""
        self._lost = 0

    def put(self, service: str, line: AccessLine) -> None:
        """Keep a line; when nobody takes them, the oldest go."""
        if len(self._lines) >= WAITING_LINES:
            self._lines.popleft()
            self._before += 1
            self._lost += 1
        self._lines.append((service, line))

    def take(self, *, most: int, arrived: list[Any]) -> dict[str, Any]:
        """The oldest lines, each behind its service's name, but for those that `arrived` (as the answer before named them).

        An answer that is lost on its way is given again. `left` more wait, `lost` were dropped since the front end began.
        """
        if arrived and arrived[0] == self._epoch:
            while self._lines and self._before < arrived[1]:
                self._lines.popleft()
                self._before += 1
        lines = list(islice(self._lines, most))
        return {
            "lines": lines,
            "mark": [self._epoch, self._before + len(lines)],
            "left": len(self._lines) - len(lines),
            "lost": self._lost,
        }
