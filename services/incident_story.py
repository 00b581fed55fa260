"""What happened and what may have done it: gathers the timeline of an incident and ranks the recent changes.

The lists come from the databases. What failed and since when comes from the telemetry; when that does not answer, the
rest is shown and the story says what is missing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from services import timeline
from services.alerts import Alerts
from services.audit import Audit
from services.clock import Clock
from services.errors import DeskError
from services.failure_groups import FailureGroups
from services.incident_notes import IncidentNotes
from services.incident_records import Incident
from services.incidents import LOOK_BACK, Incidents
from services.log_snapshots import LogSnapshots
from services.monitoring import Monitoring, Span
from services.onset import FirstBad, Onset
from services.operations.desk import Operations
from services.operations.records import Operation
from services.suspects import Change, Hurt, Signature, Suspect, rank
from services.timeline import Entry
from services.webservices import ListedService, Webservices

CHANGES_BEFORE = timedelta(hours=3)
"""How far before its start changes are looked at."""
AFTER_THE_END = timedelta(minutes=30)
"""How long after it was closed the timeline goes on, for what still came of it."""
MOST_RECORDS = 100
NEAR = timedelta(minutes=2)
"""A change of state this close to an operation on the service is that operation's doing."""
SHARED = timedelta(seconds=15)
LONGEST_SIGNATURE = 120
NOW_WINDOW = timedelta(minutes=5)
CONTENT_FIELDS = frozenset({"model_ids", "code", "environment"})
SCALING_FIELDS = ("replicas", "autoscale", "max_concurrent", "scoring_timeout", "max_request_wait")


@dataclass(frozen=True, kw_only=True)
class Story:
    """An incident with all that is known about it."""

    incident: Incident
    entries: tuple[Entry, ...]
    first_bad: FirstBad | None
    hurt: Hurt
    suspects: tuple[Suspect, ...]
    signatures: tuple[Signature, ...]
    missing: tuple[str, ...]
    """What could not be asked, each as a sentence."""


@dataclass(frozen=True, kw_only=True)
class Figures:
    """The last five minutes of the affected services; None where telemetry says nothing."""

    requests: int
    errors: int
    p95_ms: float | None
    until: datetime

    @property
    def error_share(self) -> float | None:
        """Share of requests that failed, 0 to 1, or None when there were none."""
        return self.errors / self.requests if self.requests else None


class Stories:
    """Gathers them."""

    def __init__(
        self,
        incidents: Incidents,
        notes: IncidentNotes,
        operations: Operations,
        webservices: Webservices,
        audit: Audit,
        monitoring: Monitoring,
        onset: Onset,
        alerts: Alerts,
        failure_groups: FailureGroups,
        log_snapshots: LogSnapshots,
        *,
        clock: Clock,
    ) -> None:
        self._incidents = incidents
        self._notes = notes
        self._operations = operations
        self._webservices = webservices
        self._audit = audit
        self._monitoring = monitoring
        self._onset = onset
        self._alerts = alerts
        self._failure_groups = failure_groups
        self._log_snapshots = log_snapshots
        self._clock = clock

    def of(self, incident_id: str) -> Story:
        """The story of one incident so far."""
        incident = self._incidents.get(incident_id)
        missing: list[str] = []
        now = self._clock.now()
        since = incident.started_at - CHANGES_BEFORE
        until = min(now, incident.closed_at + AFTER_THE_END) if incident.closed_at else now
        listed = [one for one in self._webservices.all() if one.service.name in incident.services]
        operations = [
            one for one in self._operations.page(since=since, until=until, limit=500) if timeline.is_change(one)
        ]
        first_bad: FirstBad | None = None
        with _may_fail(missing, "Which request failed first is not known"):
            first_bad = self._onset.find(incident.services, before=incident.detected_at, back=LOOK_BACK)
        hurt = _hurt(incident, listed, first_bad)
        states = [
            (name, change)
            for name in incident.services
            for change in self._webservices.state_changes(name)
            if since <= change.at < until
        ]
        changes = [self._change(one) for one in operations]
        changes += _outside(states, operations)
        signatures: list[Signature] = []
        with _may_fail(missing, "Whether a new error appeared is not known"):
            signatures = self._signatures(incident, hurt, until=until)
        suspects = rank([one for one in changes if one.at >= hurt.since - CHANGES_BEFORE], hurt, signatures)
        suspected = {suspect.change.id for suspect in suspects}
        entries = [
            timeline.of_operation(one)
            for one in operations
            if one.id in suspected or one.subject in incident.services or one.subject in hurt.computes
        ]
        entries += [timeline.of_state(name, change) for name, change in states]
        entries += [timeline.of_first_bad(first_bad)] if first_bad else []
        entries += [
            timeline.of_alert(alert)
            for name in incident.services
            for alert in self._alerts.recent(name, since)
            if alert.opened_at < until
        ]
        entries += [timeline.of_signature(one) for one in signatures]
        entries += [timeline.of_note(incident, note) for note in self._notes.notes(incident.id)]
        entries += timeline.of_course(
            incident, [one for one in self._audit.page(service=incident.id, limit=500) if one.object == incident.id]
        )
        entries += self._records(incident, since, until)
        entries += [
            timeline.of_snapshot(snapshot)
            for name in incident.services
            for snapshot in self._log_snapshots.of(name, since=incident.started_at - timedelta(minutes=10))
            if snapshot.at < until and not snapshot.is_init
        ]
        return Story(
            incident=incident,
            entries=tuple(timeline.in_order(entries)),
            first_bad=first_bad,
            hurt=hurt,
            suspects=tuple(suspects),
            signatures=tuple(signatures),
            missing=tuple(missing),
        )

    def figures(self, services: Sequence[str]) -> Figures | None:
        """How the services do just now; None when the telemetry has nothing about them."""
        if not services:
            return None
        # On whole steps, so that everybody who looks shares one answer.
        end = _floor(self._clock.now(), timedelta(seconds=10)) + timedelta(seconds=10)
        span = Span(start=end - NOW_WINDOW, end=end, step=NOW_WINDOW)
        rows = self._monitoring.chart("service_summary", span, services=services).dicts()
        if not rows:
            return None
        slowest = [row["p95"] for row in rows if row["p95"] is not None]
        return Figures(
            requests=sum(row["n"] for row in rows),
            errors=sum(row["errors"] for row in rows),
            p95_ms=max(slowest, default=None),
            until=end,
        )

    def _signatures(self, incident: Incident, hurt: Hurt, *, until: datetime) -> list[Signature]:
        """The errors of its services that were first seen in the hours around its start."""
        if not incident.services:
            return []
        since = hurt.since - CHANGES_BEFORE
        # On whole steps, so that everybody who looks shares one answer.
        groups = self._failure_groups.of(since=since, until=_floor(until, SHARED) + SHARED)
        return [
            Signature(
                id=group.id,
                words=_short(f"{group.type}: {group.message}"),
                first_seen=group.first_seen,
                services=group.services,
            )
            for group in groups
            if group.first_seen >= since and set(group.services) & set(incident.services)
        ]

    def _records(self, incident: Incident, since: datetime, until: datetime) -> list[Entry]:
        found = [
            entry
            for name in incident.services
            for entry in self._audit.page(service=name, since=since, until=until, limit=MOST_RECORDS)
            if entry.object == name
        ]
        return [entry for one in found if (entry := timeline.of_record(one))]

    def _change(self, operation: Operation) -> Change:
        listed = self._webservices.find(operation.subject) if operation.subject_kind == "service" else None
        wanted: dict[str, Any] = operation.arguments.get("wanted") or {}
        compute = listed.service.compute if listed else wanted.get("compute")
        if operation.subject_kind == "compute":
            compute = operation.subject
        fields = [str(change.get("field", "")) for change in (operation.plan or {}).get("changes", ())]
        return Change(
            id=operation.id,
            kind=operation.kind,
            title=operation.title,
            subject_kind=operation.subject_kind,
            subject=operation.subject,
            person=operation.person_name,
            at=operation.started_at or operation.requested_at,
            ended_at=operation.ended_at,
            state=operation.state,
            compute=compute or None,
            application=listed.application if listed else "",
            replaces_content=bool(CONTENT_FIELDS & set(fields)),
            is_scaling=any(word in field for field in fields for word in SCALING_FIELDS),
        )


@contextmanager
def _may_fail(missing: list[str], without: str) -> Iterator[None]:
    try:
        yield
    except DeskError as error:
        missing.append(f"{without}: {error.sentence}")


def _hurt(incident: Incident, listed: Sequence[ListedService], first_bad: FirstBad | None) -> Hurt:
    return Hurt(
        services=frozenset(incident.services),
        computes=frozenset(one.service.compute for one in listed if one.service.compute),
        applications=frozenset(one.application for one in listed if one.application),
        codes=first_bad.codes if first_bad else frozenset(),
        since=first_bad.at if first_bad else incident.started_at,
        is_since_first_bad=first_bad is not None,
    )


def _outside(states: Sequence[tuple[str, Any]], operations: Sequence[Operation]) -> list[Change]:
    """Services that began to change, or went, while no operation of the desk was at work on them."""
    found = []
    for name, change in states:
        if change.before is None or change.after not in ("Transitioning", "Deleting", None):
            continue
        at_work = any(
            one.subject == name
            and one.requested_at - NEAR <= change.at
            and (one.ended_at is None or change.at <= one.ended_at + NEAR)
            for one in operations
        )
        if not at_work:
            done = "deleted" if change.after in ("Deleting", None) else "changed"
            found.append(
                Change(
                    id=f"outside:{name}:{change.at.isoformat()}",
                    kind="outside",
                    title=f"{name} was {done} outside the desk",
                    subject_kind="service",
                    subject=name,
                    person="",
                    at=change.at,
                    ended_at=change.at,
                    state="",
                )
            )
    return found


def _short(words: str) -> str:
    words = " ".join(words.split())
    return words if len(words) <= LONGEST_SIGNATURE else words[:LONGEST_SIGNATURE].rsplit(" ", 1)[0] + " …"


def _floor(at: datetime, step: timedelta) -> datetime:
    return at - timedelta(seconds=at.timestamp() % step.total_seconds())
