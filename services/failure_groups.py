"""Failures: what `run()` raises, grouped by its innermost cause; who looks after a group, and when it was first seen.

Telemetry forgets after 30 days and knows no deployments: the worker notes each group when it first appears, with the
deployment that ran then. Counts and trends are asked from telemetry for the range one looks at. Messages are kept
without values, which may be about people.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from services import questions
from services.access import Person
from services.audit import Audit
from services.azuremonitor.client import LogAnalytics
from services.clock import Clock
from services.errors import DeskError, Invalid
from services.live import KQL_DEADLINE_SECONDS, Live
from services.operations.desk import Operations
from services.stacks import Raised, innermost
from services.storage import ledger, mirror
from services.storage.database import Database

DEPLOYING = ("service.deploy", "service.update")
BARS = 24
"""How many bars a trend has, whatever its range."""
TOGETHER_SECONDS = 15
LONGEST = timedelta(days=30)
LONGEST_MUTE = timedelta(days=30)
LONGEST_REQUEST = 100
WHAT = "failure groups"
"""The row of `refreshes` that remembers how far the worker has looked."""
OVERLAP = timedelta(minutes=15)
"""Telemetry arrives late: each look begins so long before the end of the last one."""


@dataclass(frozen=True, kw_only=True)
class FailureGroup:
    """One failure, however often it happened."""

    id: str
    type: str
    message: str
    """Without values."""
    place: str
    count: int
    """In the range that was asked for; 0 for one that did not happen in it."""
    first_seen: datetime
    last_seen: datetime
    first_operation: str | None
    """The deployment by the desk in which it first appeared; None when the desk did not deploy it."""
    services: tuple[str, ...]
    sample_request: str
    stack: str = ""
    """A sample of the cause's own traceback, its message without values."""
    trend: tuple[int, ...] = ()
    """How often, over the range in equal steps."""
    assigned_to: str | None = None
    muted_until: datetime | None = None

    def is_muted(self, now: datetime) -> bool:
        """Whether nobody wants to hear of it for now."""
        return self.muted_until is not None and self.muted_until > now


class FailureGroups:
    """List, assign, mute. `refresh` is the worker's."""

    def __init__(
        self,
        ledger_database: Database,
        mirror_database: Database,
        logs: Callable[[], LogAnalytics],
        operations: Operations,
        audit: Audit,
        *,
        live: Live | None = None,
        note: Callable[..., None] | None = None,
        workspace: str,
        clock: Clock,
    ) -> None:
        """`live` in the desk, where people's equal questions are one; `note` in the worker, which remembers its looks."""
        self._ledger = ledger_database
        self._mirror = mirror_database
        self._logs = logs
        self._operations = operations
        self._audit = audit
        self._live = live
        self._note = note
        self._workspace = workspace
        self._clock = clock

    # Reads

    def of(self, service: str | None = None, *, since: datetime, until: datetime | None = None) -> list[FailureGroup]:
        """The groups of one service or all that happened in the range, those that hurt most first."""
        if until is None:
            # Whoever asks within one such stretch asks the same question.
            now = int(self._clock.now().timestamp())
            until = datetime.fromtimestamp(now - now % TOGETHER_SECONDS + TOGETHER_SECONDS, tz=UTC)
        since = max(since, until - LONGEST)
        found = self._asked(since, until)
        known = self._known([group.id for group in found])
        groups = [self._with_history(group, known.get(group.id)) for group in found]
        return sorted(
            (group for group in groups if service is None or service in group.services),
            key=lambda group: (group.is_muted(until), -group.count),
        )

    def find(self, group_id: str, *, since: datetime, until: datetime | None = None) -> FailureGroup | None:
        """One group, also when it did not happen in the range."""
        found = next((group for group in self.of(since=since, until=until) if group.id == group_id), None)
        if found is not None:
            return found
        row = self._known([group_id]).get(group_id)
        return None if row is None else _from_row(row)

    # Commands

    def assign(self, person: Person, group: FailureGroup, to: str) -> None:
        """Say who looks after a group; an empty name gives it back."""
        to = to.strip()
        if len(to) > LONGEST_REQUEST:
            raise Invalid("A name has at most 100 characters.", field="to")
        self._change(person, "failures.assign", group, assigned_to=to or None)

    def mute(self, person: Person, group: FailureGroup, until: datetime | None) -> None:
        """Hear nothing of a group until then; None ends it."""
        now = self._clock.now()
        if until is not None and not now < until <= now + LONGEST_MUTE:
            raise Invalid("Mute it for at most 30 days.", field="until")
        self._change(person, "failures.mute", group, muted_until=until)

    # The worker's

    def refresh(self) -> None:
        """Note the groups that are new since the last look, and when each was last seen."""
        started, now = time.monotonic(), self._clock.now()
        seen = self._seen()
        begin = now - LONGEST if seen is None else max(now - LONGEST, seen - OVERLAP)
        try:
            found = self._read(begin, now)
        except DeskError as error:
            self._remember(error.sentence, started, None)
            raise
        self._write(found)
        self._remember(None, started, now)

    def _asked(self, since: datetime, until: datetime) -> list[FailureGroup]:
        if self._live is None:
            return self._read(since, until)
        return self._live.shared(
            (WHAT, since.replace(microsecond=0), until.replace(microsecond=0)),
            lambda: self._read(since, until),
            what="The telemetry",
            deadline=KQL_DEADLINE_SECONDS,
        )

    def _read(self, since: datetime, until: datetime) -> list[FailureGroup]:
        """The groups of a range as telemetry has them."""
        logs, step = self._logs(), max((until - since) / BARS, timedelta(seconds=1))
        step = timedelta(seconds=round(step.total_seconds()))
        shapes = questions.ask(logs, "exceptions", start=since, end=until, step=step).dicts()
        if not shapes:
            return []
        trend = questions.ask(logs, "exceptions_trend", start=since, end=until, step=step).dicts()
        return grouped(shapes, trend, since=since, step=step)

    def _with_history(self, group: FailureGroup, row: Any) -> FailureGroup:
        if row is None:
            # The worker looks once a minute: this one it has not met yet.
            return replace(group, first_operation=self._deployment(group.services[0], group.first_seen))
        return replace(
            group,
            first_seen=min(row.first_seen, group.first_seen),
            last_seen=max(row.last_seen, group.last_seen),
            first_operation=row.first_operation,
            assigned_to=row.assigned_to,
            muted_until=row.muted_until,
        )

    def _deployment(self, service: str, at: datetime) -> str | None:
        """The deployment that ran there at that moment."""
        found = self._operations.page(subject_kind="service", subject=service, until=at, limit=50)
        return next((one.id for one in found if one.kind in DEPLOYING and one.state != "failed"), None)

    def _known(self, ids: Sequence[str]) -> dict[str, Any]:
        table = ledger.failure_groups
        with self._ledger.reading() as look:
            rows = look.execute(
                sa.select(table).where(table.c.workspace == self._workspace, table.c.id.in_(list(ids)))
            ).all()
        return {row.id: row for row in rows}

    def _write(self, groups: Iterable[FailureGroup]) -> None:
        groups = list(groups)
        known = self._known([group.id for group in groups])
        first = {
            group.id: self._deployment(group.services[0], group.first_seen) for group in groups if group.id not in known
        }
        with self._ledger.writing() as work:
            for group in groups:
                self._put(work, group, first.get(group.id))

    def _put(self, work: sa.Connection, group: FailureGroup, first_operation: str | None) -> None:
        """Write a group inside the caller's transaction, unless it is there; what people said of it stays."""
        table = ledger.failure_groups
        where = sa.and_(table.c.workspace == self._workspace, table.c.id == group.id)
        row = work.execute(sa.select(table).where(where)).first()
        if row is None:
            work.execute(
                sa.insert(table).values(
                    workspace=self._workspace,
                    id=group.id,
                    type=group.type,
                    message=group.message,
                    place=group.place,
                    first_seen=group.first_seen,
                    last_seen=group.last_seen,
                    first_service=group.services[0],
                    first_operation=first_operation,
                    sample_request=group.sample_request,
                )
            )
        elif group.last_seen > row.last_seen:
            work.execute(
                sa.update(table)
                .where(where)
                .values(last_seen=group.last_seen, place=group.place, sample_request=group.sample_request)
            )

    def _change(self, person: Person, command: str, group: FailureGroup, **values: Any) -> None:
        self._operations.check(person, command, "failure", group.id)
        table = ledger.failure_groups
        first_operation = group.first_operation
        with self._ledger.writing() as work:
            self._put(work, group, first_operation)
            where = sa.and_(table.c.workspace == self._workspace, table.c.id == group.id)
            before = work.execute(sa.select(table).where(where)).one()
            work.execute(sa.update(table).where(where).values(**values))
            self._audit.record(
                work,
                person,
                command,
                "failure",
                group.id,
                result="done",
                before={name: _plain(getattr(before, name)) for name in values},
                after={name: _plain(value) for name, value in values.items()}
                | {"failure": f"{group.type} {group.place}"},
            )

    def _seen(self) -> datetime | None:
        table = mirror.refreshes
        with self._mirror.reading() as look:
            marker = look.execute(
                sa.select(table.c.marker).where(table.c.workspace == self._workspace, table.c.what == WHAT)
            ).scalar()
        return datetime.fromisoformat(json.loads(marker)["until"]) if marker else None

    def _remember(self, error: str | None, started: float, until: datetime | None) -> None:
        if self._note is not None:
            marker = json.dumps({"until": until.isoformat()}) if until else None
            self._note(WHAT, error, time.monotonic() - started, marker=marker)


def grouped(
    shapes: Sequence[dict[str, Any]], trend: Sequence[dict[str, Any]], *, since: datetime, step: timedelta
) -> list[FailureGroup]:
    """The shapes of one failure put together, worst first; `shapes` and `trend` are rows of the two queries."""
    bars: dict[tuple[str, str], list[int]] = {}
    for row in trend:
        place = (row["TimeGenerated"] - since) // step
        found = bars.setdefault((row["Service"], row["Shape"]), [0] * BARS)
        # The first step begins before the range does, the last may end after it.
        found[min(max(place, 0), BARS - 1)] += row["n"]
    groups: dict[str, FailureGroup] = {}
    for row in shapes:
        cause = innermost(row["stack"])
        one = _group(cause, row, tuple(bars.get((row["Service"], row["Shape"]), [0] * BARS)))
        groups[one.id] = _together(groups[one.id], one) if one.id in groups else one
    return sorted(groups.values(), key=lambda group: -group.count)


def _group(cause: Raised, row: dict[str, Any], trend: tuple[int, ...]) -> FailureGroup:
    return FailureGroup(
        id=cause.group,
        type=cause.type,
        message=cause.masked_message,
        place=cause.place,
        count=row["n"],
        first_seen=row["firstAt"].astimezone(UTC),
        last_seen=row["lastAt"].astimezone(UTC),
        first_operation=None,
        services=(row["Service"],),
        sample_request=str(row["sampleRequest"] or "")[:LONGEST_REQUEST],
        stack=cause.masked_stack,
        trend=trend,
    )


def _together(one: FailureGroup, other: FailureGroup) -> FailureGroup:
    """Both as one; the service in which it was first seen stands first, the newest sample stays."""
    early, late = (one, other) if one.first_seen <= other.first_seen else (other, one)
    newest = max(one, other, key=lambda group: group.last_seen)
    return replace(
        newest,
        count=one.count + other.count,
        first_seen=early.first_seen,
        services=tuple(dict.fromkeys((*early.services, *late.services))),
        sample_request=newest.sample_request or one.sample_request or other.sample_request,
        trend=tuple(left + right for left, right in zip(one.trend, other.trend, strict=True)),
    )


def _from_row(row: Any) -> FailureGroup:
    return FailureGroup(
        id=row.id,
        type=row.type,
        message=row.message,
        place=row.place,
        count=0,
        first_seen=row.first_seen,
        last_seen=row.last_seen,
        first_operation=row.first_operation,
        services=(row.first_service,),
        sample_request=row.sample_request,
        assigned_to=row.assigned_to,
        muted_until=row.muted_until,
    )


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value
