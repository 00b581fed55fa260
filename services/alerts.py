"""Alerts: what is open, what was, and the rules behind them, which people may change. The worker opens and closes them."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from services.access import SYSTEM, Person
from services.alert_rules import DEFAULTS, EVERY_OTHER, KINDS, LONGEST_FOR, Kind, Rule, rule_for
from services.audit import Audit
from services.clock import Clock
from services.errors import Invalid, NotFound
from services.operations.desk import Operations
from services.storage import ledger
from services.storage.database import Database

MOST_SHOWN = 200
CLOSED_IS_RECENT = timedelta(days=7)
LIMITS: dict[Kind, tuple[float, float]] = {"errors": (0.0, 1.0), "latency": (1.0, 300_000.0), "probe": (1.0, 100.0)}
"""Between what a threshold has to lie."""


@dataclass(frozen=True, kw_only=True)
class Alert:
    """A rule was broken by one service, from when to when."""

    id: str
    service: str
    kind: Kind
    stage: str
    opened_at: datetime
    closed_at: datetime | None
    worst: float
    threshold: float
    sentence: str

    @property
    def is_open(self) -> bool:
        """Whether it is not over."""
        return self.closed_at is None


class Alerts:
    """Look, and change the rules."""

    def __init__(
        self, database: Database, operations: Operations, audit: Audit, *, workspace: str, clock: Clock
    ) -> None:
        self._database = database
        self._operations = operations
        self._audit = audit
        self._workspace = workspace
        self._clock = clock

    # Reads

    def open(self, service: str | None = None) -> list[Alert]:
        """What is open now, oldest first."""
        table = ledger.alerts
        where = [table.c.workspace == self._workspace, table.c.closed_at.is_(None)]
        if service is not None:
            where.append(table.c.service == service)
        with self._database.reading() as look:
            return [_alert(row) for row in look.execute(sa.select(table).where(*where).order_by(table.c.opened_at))]

    def recent(
        self, service: str | None = None, since: datetime | None = None, *, limit: int = MOST_SHOWN
    ) -> list[Alert]:
        """What opened since then (a week ago), open or over, newest first."""
        table = ledger.alerts
        where = [
            table.c.workspace == self._workspace,
            table.c.opened_at >= (since or self._clock.now() - CLOSED_IS_RECENT),
        ]
        if service is not None:
            where.append(table.c.service == service)
        query = sa.select(table).where(*where).order_by(table.c.opened_at.desc()).limit(limit)
        with self._database.reading() as look:
            return [_alert(row) for row in look.execute(query)]

    def get(self, alert_id: str) -> Alert:
        """One alert."""
        table = ledger.alerts
        with self._database.reading() as look:
            row = look.execute(
                sa.select(table).where(table.c.workspace == self._workspace, table.c.id == alert_id)
            ).first()
        if row is None:
            raise NotFound("There is no such alert here: it may belong to another workspace.")
        return _alert(row)

    # Rules

    def rules_set(self) -> list[Rule]:
        """What somebody set; everywhere else the defaults hold."""
        table = ledger.alert_rules
        with self._database.reading() as look:
            rows = look.execute(sa.select(table).where(table.c.workspace == self._workspace))
            return [
                Rule(
                    kind=row.kind,
                    stage=row.stage,
                    threshold=row.threshold,
                    for_seconds=row.for_seconds,
                    is_on=row.is_on,
                )
                for row in rows
            ]

    def rules(self, stages: list[str]) -> list[Rule]:
        """Each kind's rule in each of these stages and in every other, as it holds now."""
        set_ = self.rules_set()
        names = {stage.strip().lower() for stage in stages} | {rule.stage for rule in (*DEFAULTS, *set_)}
        order = [*sorted(names - {EVERY_OTHER}), EVERY_OTHER]
        found = [(kind, stage, rule_for(kind, stage, set_)) for kind in KINDS for stage in order]
        return [
            Rule(kind=kind, stage=stage, threshold=rule.threshold, for_seconds=rule.for_seconds, is_on=rule.is_on)
            for kind, stage, rule in found
        ]

    def set_rule(self, person: Person, rule: Rule) -> None:
        """Change one kind's rule in one stage."""
        self._operations.check(person, "alert.rule", "alert rule", f"{rule.kind}:{rule.stage}")
        _check(rule)
        table = ledger.alert_rules
        before = rule_for(rule.kind, rule.stage, self.rules_set())
        with self._database.writing() as work:
            work.execute(
                sa.delete(table).where(
                    table.c.workspace == self._workspace, table.c.kind == rule.kind, table.c.stage == rule.stage
                )
            )
            work.execute(
                sa.insert(table).values(
                    workspace=self._workspace,
                    person_name=person.name,
                    at=self._clock.now(),
                    kind=rule.kind,
                    stage=rule.stage,
                    threshold=rule.threshold,
                    for_seconds=rule.for_seconds,
                    is_on=rule.is_on,
                )
            )
            self._audit.record(
                work,
                person,
                "alert.rule",
                "alert rule",
                f"{rule.kind}:{rule.stage}",
                before=_shown(before),
                after=_shown(rule),
            )

    # What the worker does

    def begin(self, service: str, rule: Rule, *, stage: str, value: float, sentence: str) -> Alert | None:
        """Open an alert; None when there is one already."""
        table, now = ledger.alerts, self._clock.now()
        alert = Alert(
            id=uuid.uuid4().hex,
            service=service,
            kind=rule.kind,
            stage=stage,
            opened_at=now,
            closed_at=None,
            worst=value,
            threshold=rule.threshold,
            sentence=sentence,
        )
        with self._database.writing() as work:
            there = sa.and_(
                table.c.workspace == self._workspace,
                table.c.service == service,
                table.c.kind == rule.kind,
                table.c.closed_at.is_(None),
            )
            if work.execute(sa.select(table.c.id).where(there)).first():
                return None
            values = {name: getattr(alert, name) for name in Alert.__dataclass_fields__}
            work.execute(sa.insert(table).values(workspace=self._workspace, **values))
            self._audit.record(
                work,
                SYSTEM,
                "alert.open",
                "service",
                service,
                after={"kind": rule.kind, "value": value, "threshold": rule.threshold, "sentence": sentence},
                event=f"{alert.id}:opened",
            )
        return alert

    def worsen(self, alert: Alert, *, value: float, sentence: str) -> None:
        """Remember the worst of it."""
        table = ledger.alerts
        with self._database.writing() as work:
            work.execute(sa.update(table).where(table.c.id == alert.id).values(worst=value, sentence=sentence))

    def end(self, alert: Alert, *, why: str) -> None:
        """Close an alert."""
        table, now = ledger.alerts, self._clock.now()
        with self._database.writing() as work:
            closed = work.execute(
                sa.update(table).where(table.c.id == alert.id, table.c.closed_at.is_(None)).values(closed_at=now)
            )
            if closed.rowcount:
                self._audit.record(
                    work,
                    SYSTEM,
                    "alert.close",
                    "service",
                    alert.service,
                    before={"kind": alert.kind, "opened_at": alert.opened_at.isoformat(), "worst": alert.worst},
                    after={"why": why},
                    event=f"{alert.id}:closed",
                )


def _check(rule: Rule) -> None:
    low, high = LIMITS[rule.kind]
    if not low <= rule.threshold <= high:
        raise Invalid(f"The limit has to lie between {low:g} and {high:,.0f}.", field="threshold")
    if not 0 <= rule.for_seconds <= LONGEST_FOR:
        raise Invalid(f"It may have to last from 0 to {LONGEST_FOR:,} s before an alert opens.", field="for_seconds")


def _shown(rule: Rule) -> dict[str, Any]:
    return {"threshold": rule.threshold, "for_seconds": rule.for_seconds, "is_on": rule.is_on}


def _alert(row: Any) -> Alert:
    return Alert(**{name: getattr(row, name) for name in Alert.__dataclass_fields__})
