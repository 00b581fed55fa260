"""Objectives: how available and how quick a service shall be, from its tags or set here, and the error budget left."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import isfinite
from typing import Any, Literal

import sqlalchemy as sa

from services.access import Person
from services.audit import Audit
from services.azuremonitor.client import LogAnalytics
from services.azuremonitor.tables import Table
from services.clock import Clock
from services.errors import Invalid
from services.live import KQL_DEADLINE_SECONDS, Live
from services.marker_verdicts import sample_from
from services.operations.desk import Operations
from services.storage import ledger
from services.storage.database import Database
from services.verdicts import Sample

AVAILABILITY_TAG = "slo-availability"
LATENCY_TAG = "slo-p95-ms"
DEFAULT_SHARE = 0.95
DEFAULT_DAYS = 30
LONGEST_DAYS = 30
"""Telemetry is asked for at most a month."""


@dataclass(frozen=True, kw_only=True)
class Objective:
    """What one service shall reach."""

    service: str
    availability: float | None
    """Share of requests that must not fail, such as 0.999; None = none was set."""
    latency_ms: float | None
    """What `latency_share` of the answered requests may take at most; None = none was set."""
    latency_share: float = DEFAULT_SHARE
    window_days: int = DEFAULT_DAYS
    source: Literal["tags", "desk"] = "desk"
    person_name: str = ""
    at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Budget:
    """How much of what may go wrong has gone wrong."""

    wanted: float
    """The share that must be good, 0 to 1."""
    reached: float | None
    """The share that was; None when nothing is known."""
    bad: int
    total: int
    left: float | None
    """Share of the allowed bad requests that is left: below 0 when it is overspent. None when nothing is known."""

    @property
    def is_kept(self) -> bool | None:
        """Whether the objective is met so far; None when nothing is known."""
        return None if self.left is None else self.left >= 0


@dataclass(frozen=True, kw_only=True)
class Standing:
    """An objective and where the service stands with it."""

    objective: Objective
    availability: Budget | None
    latency: Budget | None
    asked_from: datetime
    query: str


class Objectives:
    """Look, set, and ask how it stands."""

    def __init__(
        self,
        database: Database,
        operations: Operations,
        audit: Audit,
        live: Live,
        logs: Callable[[], LogAnalytics],
        *,
        workspace: str,
        clock: Clock,
    ) -> None:
        self._database = database
        self._operations = operations
        self._audit = audit
        self._live = live
        self._logs = logs
        self._workspace = workspace
        self._clock = clock

    def of(self, service: str, tags: Mapping[str, str]) -> Objective | None:
        """A service's objective: what was set here wins over its tags; None when neither says one."""
        table = ledger.objectives
        with self._database.reading() as look:
            row = look.execute(
                sa.select(table).where(table.c.workspace == self._workspace, table.c.service == service)
            ).first()
        return _objective(row) if row is not None else from_tags(service, tags)

    def set(self, person: Person, wanted: Objective) -> None:
        """Say what a service shall reach; without availability and latency the tags count again."""
        self._operations.check(person, "objective.set", "service", wanted.service)
        check(wanted)
        table = ledger.objectives
        where = sa.and_(table.c.workspace == self._workspace, table.c.service == wanted.service)
        with self._database.writing() as work:
            before = work.execute(sa.select(table).where(where)).first()
            work.execute(sa.delete(table).where(where))
            is_one = wanted.availability is not None or wanted.latency_ms is not None
            if is_one:
                work.execute(
                    sa.insert(table).values(
                        workspace=self._workspace,
                        service=wanted.service,
                        person_name=person.name,
                        at=self._clock.now(),
                        **_shown(wanted),
                    )
                )
            self._audit.record(
                work,
                person,
                "objective.set",
                "service",
                wanted.service,
                before=_shown(_objective(before)) if before is not None else None,
                after=_shown(wanted) if is_one else None,
            )

    def standing(self, objective: Objective) -> Standing:
        """Where a service stands, from the container's telemetry of the whole window."""
        now = self._clock.now()
        # To the minute: whoever asks in the same minute shares the answer.
        end = now.replace(second=0, microsecond=0) + timedelta(minutes=1)
        start = end - timedelta(days=objective.window_days)
        table: Table = self._live.shared(
            ("objective", objective.service, start),
            lambda: self._logs().ask("marker_samples", services=(objective.service,), start=start, end=end),
            what="The telemetry",
            deadline=KQL_DEADLINE_SECONDS,
        )
        availability, latency = budgets(objective, sample_from(table))
        return Standing(
            objective=objective, availability=availability, latency=latency, asked_from=start, query=table.query
        )


def budgets(objective: Objective, sample: Sample) -> tuple[Budget | None, Budget | None]:
    """What is left of each part of an objective, given all requests of its window."""
    availability = latency = None
    if objective.availability is not None:
        availability = _budget(objective.availability, bad=sample.failed, total=sample.requests)
    if objective.latency_ms is not None:
        slow = sum(n for ms, n in sample.durations if ms > objective.latency_ms)
        latency = _budget(objective.latency_share, bad=slow, total=sample.answered)
    return availability, latency


def from_tags(service: str, tags: Mapping[str, str]) -> Objective | None:
    """What a service's tags ask for; a value that is no number, or none that can be meant, is passed over."""
    availability, latency = _number(tags.get(AVAILABILITY_TAG)), _number(tags.get(LATENCY_TAG))
    if availability is not None:
        # 99.9 and 99.9% are meant as percent, 0.999 as a share.
        availability = availability / 100 if availability > 1 else availability
        availability = availability if 0 < availability < 1 else None
    if latency is not None and latency <= 0:
        latency = None
    if availability is None and latency is None:
        return None
    return Objective(service=service, availability=availability, latency_ms=latency, source="tags")


def check(wanted: Objective) -> None:
    """Invalid, with the field, for an objective that cannot be kept or measured."""
    if wanted.availability is not None and not 0.5 <= wanted.availability < 1:
        raise Invalid(
            "An availability lies between 50 % and 100 %, and below 100 %: nothing never fails.", field="availability"
        )
    if wanted.latency_ms is not None and not 1 <= wanted.latency_ms <= 300_000:
        raise Invalid("A latency lies between 1 and 300,000 ms.", field="latency_ms")
    if not 0.5 <= wanted.latency_share < 1:
        raise Invalid(
            "The share of requests that must be that quick lies between 50 % and 100 %.", field="latency_share"
        )
    if not 1 <= wanted.window_days <= LONGEST_DAYS:
        raise Invalid(f"The window is 1 to {LONGEST_DAYS} days long.", field="window_days")


def _budget(wanted: float, *, bad: int, total: int) -> Budget:
    if not total:
        return Budget(wanted=wanted, reached=None, bad=0, total=0, left=None)
    return Budget(wanted=wanted, reached=1 - bad / total, bad=bad, total=total, left=1 - bad / ((1 - wanted) * total))


def _number(text: str | None) -> float | None:
    try:
        found = float((text or "").strip().rstrip("%").replace(",", "."))
    except ValueError:
        return None
    return found if isfinite(found) else None


def _shown(objective: Objective) -> dict[str, Any]:
    return {name: getattr(objective, name) for name in ("availability", "latency_ms", "latency_share", "window_days")}


def _objective(row: Any) -> Objective:
    return Objective(
        service=row.service,
        availability=row.availability,
        latency_ms=row.latency_ms,
        latency_share=row.latency_share,
        window_days=row.window_days,
        person_name=row.person_name,
        at=row.at,
    )
