"""The verdict on one change of a service: which requests lie around it, asked from telemetry, and what they say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.azuremonitor.client import LogAnalytics
from services.azuremonitor.tables import Table
from services.clock import Clock
from services.live import KQL_DEADLINE_SECONDS, Live
from services.operations.desk import Operations
from services.operations.records import Operation
from services.verdicts import RULE, SETTLE, WINDOW, Sample, Verdict, Window, Windows, compare, windows

COMPARED_KINDS = (
    "service.deploy",
    "service.update",
    "keys.regenerate",
    "keys.set",
    "keys.rotate_idle",
    "keys.rotate_other",
)
"""What changes a service so that its requests may fare differently afterwards."""
NEIGHBOURS = timedelta(hours=6)
"""How far back an operation may have begun that still ended within the window before."""
NOTHING = Sample(requests=0, failed=0, durations=())


@dataclass(frozen=True, kw_only=True)
class MarkerVerdict:
    """The verdict on one change, and what it rests on."""

    operation: str
    verdict: Verdict
    windows: Windows
    note: str
    """Why there is less to compare than the rule wants; empty when there is not."""
    queries: tuple[str, ...]
    """The KQL that ran, one a window."""
    rule: str = RULE


class MarkerVerdicts:
    """Asks for the requests around a change and judges them."""

    def __init__(self, live: Live, logs: Callable[[], LogAnalytics], operations: Operations, *, clock: Clock) -> None:
        self._live = live
        self._logs = logs
        self._operations = operations
        self._clock = clock

    def of(self, operation: Operation) -> MarkerVerdict:
        """What an operation that changed a service did to its requests, as far as the container's telemetry tells."""
        now = self._clock.now().replace(microsecond=0)
        ended = operation.ended_at or now
        began = operation.started_at or operation.requested_at
        found = windows(began, ended, others=self._others(operation), now=now)
        before, asked_before = self._sample(operation.subject, found.before)
        after, asked_after = self._sample(operation.subject, found.after)
        return MarkerVerdict(
            operation=operation.id,
            verdict=compare(before, after),
            windows=found,
            note=_note(operation, found),
            queries=tuple(text for text in (asked_before, asked_after) if text),
        )

    def of_id(self, operation_id: str) -> MarkerVerdict:
        """The same, by the operation's id."""
        return self.of(self._operations.get(operation_id))

    def _others(self, operation: Operation) -> list[tuple[datetime, datetime]]:
        now = self._clock.now()
        began = operation.started_at or operation.requested_at
        found = self._operations.page(
            subject=operation.subject,
            subject_kind="service",
            since=began - NEIGHBOURS,
            until=(operation.ended_at or now) + SETTLE + WINDOW,
            limit=200,
        )
        return [
            (other.started_at or other.requested_at, other.ended_at or now)
            for other in found
            if other.id != operation.id and other.kind in COMPARED_KINDS and other.state != "waiting"
        ]

    def _sample(self, service: str, window: Window | None) -> tuple[Sample, str]:
        if window is None:
            return NOTHING, ""
        table: Table = self._live.shared(
            ("marker", service, window),
            lambda: self._logs().ask("marker_samples", services=(service,), start=window.start, end=window.end),
            what="The telemetry",
            deadline=KQL_DEADLINE_SECONDS,
        )
        return sample_from(table), table.query


def sample_from(table: Table) -> Sample:
    """The sample that `marker_samples` counted."""
    rows = table.dicts()
    failed = sum(row["n"] for row in rows if row["Failed"])
    durations = tuple(sorted((float(row["Ms"]), int(row["n"])) for row in rows if not row["Failed"]))
    return Sample(requests=failed + sum(n for _, n in durations), failed=failed, durations=durations)


def _note(operation: Operation, found: Windows) -> str:
    if operation.is_open:
        return "It still runs: there is nothing after it yet."
    if found.before is None and found.after is None:
        return "Another change of the service overlaps it: the two cannot be told apart."
    if found.after is None:
        return f"It ended less than {SETTLE.seconds // 60 + 1} min ago, or another change followed at once: look again later."
    if found.before is None:
        return "Another change ended just before it: there is nothing to compare with."
    short = [
        name
        for name, window in (("before", found.before), ("after", found.after))
        if window.end - window.start < WINDOW
    ]
    return (
        f"The window {' and the window '.join(short)} it is shorter than {WINDOW.seconds // 60} min." if short else ""
    )
