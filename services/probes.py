"""Probes: a small scheduled functional check per service, and the history of every probe and test request.

What the front end refuses is in no container telemetry: probes see it as a caller does. The plans are a person's
decision and lie in the ledger; the results lie in the mirror for 30 days. The worker sends them (`probe_rounds.py`).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

import sqlalchemy as sa

from services.access import Person
from services.audit import Audit
from services.clock import Clock
from services.errors import Invalid
from services.operations.desk import Operations
from services.probing import Attempt, Purpose
from services.storage import ledger, mirror
from services.storage.database import Database

KEPT = timedelta(days=30)
DEFAULT_EVERY = 60
SHORTEST_EVERY, LONGEST_EVERY = 15, 3_600
LONGEST_DEADLINE = 60.0
LARGEST_BODY = 64 * 1024
ARRIVES_WITHIN = timedelta(minutes=5)
"""Telemetry that is not here after this long counts as missing."""
MOST_RESULTS = 5_000

Arrival = Literal["arrived", "on its way", "missing", "never recorded", "not known"]


@dataclass(frozen=True, kw_only=True)
class ProbePlan:
    """What is sent to one service, how often, and what must come back."""

    service: str
    body: str
    every_seconds: int = DEFAULT_EVERY
    deadline_seconds: float = 10.0
    expected_status: int = 200
    expected_json: Any = None
    """A part of the answer; None = its body does not matter."""
    is_on: bool = False
    person_name: str = ""
    at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class ProbeResult:
    """One probe or test request and what came of it."""

    service: str
    at: datetime
    purpose: Purpose
    client_request_id: str
    request_id: str
    status: int | None
    """None = no answer came; `failure` says why."""
    milliseconds: float
    model_milliseconds: float | None
    passed: bool | None
    """None for a test request: nothing was expected of it."""
    failure: str
    seen_at: datetime | None
    """When its row was first seen in the telemetry."""

    @property
    def reached_container(self) -> bool | None:
        """Whether a container answered, so that telemetry must have it; None when that cannot be told."""
        if self.status is None or self.status in (502, 504):
            return None
        return self.status not in (401, 403, 404, 408, 413, 429, 503)

    def arrival(self, now: datetime) -> Arrival:
        """Whether its row is in the telemetry."""
        if self.seen_at is not None:
            return "arrived"
        if self.reached_container is None:
            return "not known"
        if not self.reached_container:
            return "never recorded"
        return "on its way" if now - self.at < ARRIVES_WITHIN else "missing"


@dataclass(frozen=True, kw_only=True)
class Coverage:
    """How much of what we sent to a service is in the telemetry, and how long it took."""

    sent: int
    arrived: int
    missing: int
    on_its_way: int
    lag: timedelta | None
    """The median until a row was seen; looked at every few seconds, so it is an upper bound."""

    @property
    def share(self) -> float | None:
        """Arrived among those that had time to, 0 to 1."""
        due = self.arrived + self.missing
        return self.arrived / due if due else None


class Probes:
    """Plans and history."""

    def __init__(
        self,
        database: Database,
        mirror_database: Database,
        operations: Operations,
        audit: Audit,
        *,
        workspace: str,
        clock: Clock,
    ) -> None:
        self._database = database
        self._mirror = mirror_database
        self._operations = operations
        self._audit = audit
        self._workspace = workspace
        self._clock = clock

    # Plans

    def plan(self, service: str) -> ProbePlan | None:
        """What is sent to a service, or None before anybody said."""
        table = ledger.probe_plans
        with self._database.reading() as look:
            row = look.execute(
                sa.select(table).where(table.c.workspace == self._workspace, table.c.service == service)
            ).first()
        return None if row is None else _plan(row)

    def plans(self) -> list[ProbePlan]:
        """Every plan that is switched on."""
        table = ledger.probe_plans
        with self._database.reading() as look:
            rows = look.execute(
                sa.select(table)
                .where(table.c.workspace == self._workspace, table.c.is_on.is_(True))
                .order_by(table.c.service)
            )
            return [_plan(row) for row in rows]

    def set_plan(self, person: Person, wanted: ProbePlan) -> None:
        """Say what is sent to a service from now on."""
        self._operations.check(person, "probe.plan", "service", wanted.service)
        check_plan(wanted)
        table, now = ledger.probe_plans, self._clock.now()
        before = self.plan(wanted.service)
        with self._database.writing() as work:
            work.execute(
                sa.delete(table).where(table.c.workspace == self._workspace, table.c.service == wanted.service)
            )
            work.execute(
                sa.insert(table).values(workspace=self._workspace, **_values(wanted), person_name=person.name, at=now)
            )
            self._audit.record(
                work,
                person,
                "probe.plan",
                "service",
                wanted.service,
                before=_shown(before) if before else None,
                after=_shown(wanted),
            )

    # History

    def record(
        self, service: str, attempt: Attempt, purpose: Purpose, *, passed: bool | None = None, failure: str = ""
    ) -> ProbeResult:
        """Keep what came of one request; the body of its answer is not kept."""
        result = ProbeResult(
            service=service,
            at=attempt.sent_at,
            purpose=purpose,
            client_request_id=attempt.client_request_id,
            request_id=attempt.headers.get("x-ms-request-id", "")[:100],
            status=attempt.status,
            milliseconds=attempt.milliseconds,
            model_milliseconds=attempt.model_milliseconds,
            passed=passed,
            failure=failure or attempt.failure,
            seen_at=None,
        )
        values = {name: getattr(result, name) for name in ProbeResult.__dataclass_fields__}
        with self._mirror.writing() as work:
            work.execute(sa.insert(mirror.probe_results).values(workspace=self._workspace, **values))
        return result

    def recent(
        self, service: str | None = None, since: datetime | None = None, *, limit: int = MOST_RESULTS
    ) -> list[ProbeResult]:
        """Probes and tests of a service or of all, newest first."""
        table = mirror.probe_results
        query = sa.select(table).where(table.c.workspace == self._workspace)
        if service is not None:
            query = query.where(table.c.service == service)
        if since is not None:
            query = query.where(table.c.at >= since)
        with self._mirror.reading() as look:
            return [_result(row) for row in look.execute(query.order_by(table.c.at.desc()).limit(limit))]

    def find(self, client_request_id: str) -> ProbeResult | None:
        """One probe or test by its client request id: whether its row has arrived is its `seen_at`."""
        table = mirror.probe_results
        with self._mirror.reading() as look:
            row = look.execute(
                sa.select(table).where(
                    table.c.workspace == self._workspace, table.c.client_request_id == client_request_id
                )
            ).first()
        return None if row is None else _result(row)

    def awaited(self, since: datetime) -> list[ProbeResult]:
        """What a container answered since then and was not seen in the telemetry yet."""
        return [
            result
            for result in self.recent(since=since)
            if result.seen_at is None and result.reached_container is not False
        ]

    def seen(self, client_request_ids: Sequence[str], at: datetime) -> None:
        """Note that these are in the telemetry."""
        if not client_request_ids:
            return
        table = mirror.probe_results
        with self._mirror.writing() as work:
            work.execute(
                sa.update(table)
                .where(
                    table.c.workspace == self._workspace,
                    table.c.seen_at.is_(None),
                    table.c.client_request_id.in_(client_request_ids),
                )
                .values(seen_at=at)
            )

    def coverage(self, service: str | None = None, *, since: datetime | None = None) -> Coverage:
        """How much of what was sent in the last hour, or since then, is in the telemetry."""
        now = self._clock.now()
        return covered(self.recent(service, since or now - timedelta(hours=1)), now=now)

    def clean_up(self) -> None:
        """Forget what is older than 30 days."""
        table = mirror.probe_results
        with self._mirror.writing() as work:
            work.execute(
                sa.delete(table).where(table.c.workspace == self._workspace, table.c.at < self._clock.now() - KEPT)
            )


def covered(results: Sequence[ProbeResult], *, now: datetime) -> Coverage:
    """How much of this is in the telemetry; what never reached a container is not asked of it."""
    arrivals = [result.arrival(now) for result in results]
    lags = sorted(result.seen_at - result.at for result in results if result.seen_at is not None)
    return Coverage(
        sent=len(results),
        arrived=arrivals.count("arrived"),
        missing=arrivals.count("missing"),
        on_its_way=arrivals.count("on its way"),
        lag=lags[len(lags) // 2] if lags else None,
    )


def check_plan(plan: ProbePlan) -> None:
    """Invalid, with the field, for a plan that cannot be sent."""
    if len(plan.body.encode()) > LARGEST_BODY:
        raise Invalid("The body is larger than 64 kB: a probe should be small.", field="body")
    if not SHORTEST_EVERY <= plan.every_seconds <= LONGEST_EVERY:
        raise Invalid(f"Send it every {SHORTEST_EVERY} to {LONGEST_EVERY:,} s.", field="every_seconds")
    if not 0 < plan.deadline_seconds <= min(LONGEST_DEADLINE, plan.every_seconds):
        raise Invalid(
            f"Wait for an answer at most {LONGEST_DEADLINE:.0f} s, and no longer than until the next probe.",
            field="deadline_seconds",
        )
    if not 100 <= plan.expected_status <= 599:
        raise Invalid("The expected status is a number from 100 to 599, usually 200.", field="expected_status")


def expected_from(text: str) -> Any:
    """The expected part of an answer as it was typed; None when nothing was."""
    if not text.strip():
        return None
    try:
        return json.loads(text)
    except ValueError as error:
        raise Invalid(
            f"The expected part of the answer is no JSON ({error}): mend it, or leave it empty.", field="expected_json"
        ) from None


def judge(plan: ProbePlan, attempt: Attempt) -> str:
    """Why an answer is not what was expected; empty when it is. It never repeats what the answer held."""
    if attempt.status is None:
        return attempt.failure
    if attempt.status != plan.expected_status:
        return f"It answered {attempt.status} instead of {plan.expected_status}."
    if plan.expected_json is None:
        return ""
    try:
        answer = json.loads(attempt.body)
        # A service that returns a text of JSON answers with that text inside a JSON string.
        if isinstance(answer, str) and not isinstance(plan.expected_json, str):
            answer = json.loads(answer)
    except ValueError:
        return "Its body is no JSON." if not attempt.is_cut else "Its body is too long to be compared."
    place = differs(plan.expected_json, answer)
    return f"Its body differs from what is expected at {place}." if place else ""


def differs(expected: Any, found: Any, place: str = "") -> str:
    """Where an answer lacks what is expected of it; empty when all of it is there. More than expected is no difference."""
    here = place or "the top"
    if isinstance(expected, dict):
        if not isinstance(found, dict):
            return here
        for name, value in expected.items():
            inner = f"{place}.{name}" if place else str(name)
            if name not in found:
                return inner
            if wrong := differs(value, found[name], inner):
                return wrong
        return ""
    if isinstance(expected, list):
        if not isinstance(found, list) or len(found) != len(expected):
            return here
        pairs = enumerate(zip(expected, found, strict=True))
        return next((wrong for n, (one, other) in pairs if (wrong := differs(one, other, f"{place}[{n}]"))), "")
    same = expected == found and isinstance(expected, bool) == isinstance(found, bool)
    return "" if same else here


def _values(plan: ProbePlan) -> dict[str, Any]:
    left_out = ("person_name", "at")
    return {name: getattr(plan, name) for name in ProbePlan.__dataclass_fields__ if name not in left_out}


def _shown(plan: ProbePlan) -> dict[str, Any]:
    """A plan in the audit log: without the body, which may hold somebody's data."""
    left_out = ("body", "expected_json", "service")
    return {name: value for name, value in _values(plan).items() if name not in left_out}


def _plan(row: Any) -> ProbePlan:
    return ProbePlan(**{name: getattr(row, name) for name in ProbePlan.__dataclass_fields__})


def _result(row: Any) -> ProbeResult:
    return ProbeResult(**{name: getattr(row, name) for name in ProbeResult.__dataclass_fields__})
