"""Incidents: open one by hand, from an alert or from a service, lead it, write it down, close it with a review.

All of it lies in the ledger: nothing about an incident lives in anybody's session, so no sign-out ends one. Every
command is in the audit log, from which its timeline reads who did what.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from services.access import Person
from services.alerts import Alert
from services.audit import Audit
from services.clock import Clock
from services.errors import Conflict, Invalid, NotFound
from services.incident_records import (
    DEFAULT_SEVERITY,
    Incident,
    IncidentRange,
    Review,
    checked_severity,
    checked_title,
    number_of,
)
from services.monitoring import Span
from services.onset import Onset
from services.operations.desk import Operations
from services.scrubbing import scrub
from services.storage import ledger
from services.storage.database import Database
from services.webservices import Webservices, stage_rank

SAME_CLICK = timedelta(seconds=10)
LOOK_BACK = timedelta(hours=6)
"""How far before it was noticed an incident's first bad request is looked for."""


class Incidents:
    """Open, lead, write down, close; and find."""

    def __init__(
        self,
        database: Database,
        operations: Operations,
        webservices: Webservices,
        onset: Onset,
        audit: Audit,
        *,
        workspace: str,
        clock: Clock,
    ) -> None:
        self._database = database
        self._operations = operations
        self._webservices = webservices
        self._onset = onset
        self._audit = audit
        self._workspace = workspace
        self._clock = clock

    # Opening

    def open_by_hand(
        self,
        person: Person,
        *,
        title: str,
        services: Sequence[str] = (),
        severity: int = DEFAULT_SEVERITY,
        started_at: datetime | None = None,
        reason: str = "",
    ) -> Incident:
        """Open an incident; its start is the first bad request of its services, unless it is given."""
        return self._open(
            person, title=title, services=services, severity=severity, started_at=started_at, reason=reason
        )

    def open_from_service(self, person: Person, service: str, *, severity: int | None = None) -> Incident:
        """Open an incident about one service, or find the open one it is part of."""
        listed = self._webservices.get(service)
        existing = self.open_of(service)
        if existing:
            return existing
        word = listed.word.lower()
        state = word if word not in ("healthy", "unknown") else "in trouble"
        title = " ".join(part for part in (service, listed.stage, f"is {state}") if part)
        return self._open(
            person, title=title, services=[service], severity=severity or self._severity_of([service]), reason=""
        )

    def open_from_alert(self, person: Person, alert: Alert, *, severity: int | None = None) -> Incident:
        """Open an incident about what an alert says, or find the open one about the same service."""
        existing = self.open_of(alert.service)
        if existing:
            return existing
        return self._open(
            person,
            title=f"{alert.service}: {alert.sentence}"[:200],
            services=[alert.service],
            severity=severity or self._severity_of([alert.service]),
            detected_at=alert.opened_at,
            alert=alert.id,
            reason="",
        )

    # Leading

    def change(
        self,
        person: Person,
        incident_id: str,
        *,
        title: str | None = None,
        severity: int | None = None,
        commander: str | None = None,
        services: Sequence[str] | None = None,
        started_at: datetime | None = None,
    ) -> Incident:
        """Correct its facts; what is None stays as it is, and an empty commander means nobody."""
        self._operations.check(person, "incident.change", "incident", incident_id)
        found = self.get(incident_id)
        changed = found.changed(
            title=None if title is None else scrub(title),
            severity=severity,
            commander=commander,
            services=services,
            started_at=started_at,
            now=self._clock.now(),
        )
        return self._write(person, "incident.change", found, changed)

    def lead(self, person: Person, incident_id: str) -> Incident:
        """Take command of it."""
        return self.change(person, incident_id, commander=person.name)

    def focus(self, person: Person, incident_id: str, *, on: bool) -> Incident:
        """Turn incident mode on or off, for everybody who looks at it."""
        self._operations.check(person, "incident.change", "incident", incident_id)
        found = self.get(incident_id)
        if on and not found.is_open:
            raise Conflict(f"{found.id} is closed: there is nothing to watch closely any more.")
        return self._write(person, "incident.change", found, replace(found, is_focused=on))

    def stabilise(self, person: Person, incident_id: str) -> Incident:
        """Say that the trouble is over."""
        self._operations.check(person, "incident.change", "incident", incident_id)
        found = self.get(incident_id)
        return self._write(person, "incident.stable", found, found.stabilised(self._clock.now()))

    def reopen(self, person: Person, incident_id: str) -> Incident:
        """Say that it is not over."""
        self._operations.check(person, "incident.change", "incident", incident_id)
        found = self.get(incident_id)
        return self._write(person, "incident.reopen", found, found.reopened())

    def close(self, person: Person, incident_id: str, *, what_happened: str, what_helped: str) -> Incident:
        """Close it with its review."""
        self._operations.check(person, "incident.close", "incident", incident_id)
        found = self.get(incident_id)
        review = Review(what_happened=scrub(what_happened), what_helped=scrub(what_helped))
        return self._write(person, "incident.close", found, found.closed(self._clock.now(), review))

    # Reads

    def get(self, incident_id: str) -> Incident:
        """One incident by its name, `INC-12`."""
        number = number_of(incident_id)
        found = self._page([ledger.incidents.c.number == number], limit=1) if number is not None else []
        if not found:
            raise NotFound(f"There is no incident {incident_id} here: choose one from the list.")
        return found[0]

    def find(self, incident_id: str) -> Incident | None:
        """The same, or None."""
        try:
            return self.get(incident_id)
        except NotFound:
            return None

    def open(self) -> list[Incident]:
        """What is not closed yet, the worst first, then the oldest."""
        found = self._page([ledger.incidents.c.status != "closed"])
        return sorted(found, key=lambda one: (one.status != "open", one.severity, one.started_at))

    def open_of(self, service: str) -> Incident | None:
        """The worst open incident a service is part of."""
        return next((found for found in self.open() if service in found.services), None)

    def page(
        self,
        *,
        status: str = "",
        severity: int | None = None,
        service: str = "",
        text: str = "",
        limit: int = 200,
        offset: int = 0,
    ) -> list[Incident]:
        """Incidents that match, newest first."""
        return self._page(self._where(status, severity, service, text), limit=limit, offset=offset)

    def count(self, *, status: str = "", severity: int | None = None, service: str = "", text: str = "") -> int:
        """How many `page` has in all."""
        query = sa.select(sa.func.count()).select_from(ledger.incidents)
        where = self._where(status, severity, service, text)
        with self._database.reading() as look:
            return look.execute(query.where(ledger.incidents.c.workspace == self._workspace, *where)).scalar_one()

    def ranges(self, span: Span, services: Sequence[str] = ()) -> list[IncidentRange]:
        """The incidents to draw on a time chart: those of these services (none = all) that touch the span."""
        table = ledger.incidents
        ended = sa.func.coalesce(table.c.stable_at, table.c.closed_at)
        where = [table.c.started_at < span.end, sa.or_(ended.is_(None), ended > span.start)]
        found = [one for one in self._page(where) if not services or set(services) & set(one.services)]
        return [
            IncidentRange(id=one.id, title=one.title, start=one.started_at, end=one.ended_at)
            for one in sorted(found, key=lambda one: one.started_at)
        ]

    def _open(
        self,
        person: Person,
        *,
        title: str,
        services: Sequence[str],
        severity: int,
        reason: str,
        started_at: datetime | None = None,
        detected_at: datetime | None = None,
        alert: str | None = None,
    ) -> Incident:
        self._operations.check(person, "incident.open", "incident", "new")
        now = self._clock.now()
        detected_at = min(detected_at or now, now)
        title, severity = checked_title(scrub(title)), checked_severity(severity)
        unknown = sorted(set(services) - set(self._webservices.names()))
        if unknown:
            raise Invalid(f"There is no service named {unknown[0]} here: choose from the list.", field="services")
        if started_at is None:
            first = self._onset.find_or_none(services, before=detected_at, back=LOOK_BACK)
            started_at = first.at if first else detected_at
        if started_at > now:
            raise Invalid("It cannot have started in the future: choose an earlier time.", field="started_at")
        incident = Incident(
            number=0,
            title=title,
            severity=severity,
            status="open",
            commander=None,
            is_focused=False,
            alert=alert,
            opened_by=person.name,
            started_at=started_at,
            detected_at=max(detected_at, started_at),
            stable_at=None,
            closed_at=None,
            review=None,
            services=tuple(sorted(set(services))),
        )
        return self._insert(person, incident, reason=reason, now=now)

    def _insert(self, person: Person, incident: Incident, *, reason: str, now: datetime) -> Incident:
        table = ledger.incidents
        with self._database.writing() as work:
            if not self._database.is_sqlite:
                # SQLite's writing transaction is alone anyway; elsewhere two people must not get one number.
                work.execute(sa.text("LOCK TABLE incidents IN SHARE ROW EXCLUSIVE MODE"))
            twin = work.execute(
                sa.select(table.c.number).where(
                    table.c.workspace == self._workspace,
                    table.c.title == incident.title,
                    table.c.opened_by == incident.opened_by,
                    table.c.status == "open",
                    table.c.detected_at >= now - SAME_CLICK,
                )
            ).scalar()
            if twin is None:
                highest = sa.select(sa.func.max(table.c.number)).where(table.c.workspace == self._workspace)
                incident = replace(incident, number=(work.execute(highest).scalar() or 0) + 1)
                work.execute(sa.insert(table).values(workspace=self._workspace, **_values(incident)))
                self._put_services(work, incident)
                self._audit.record(
                    work,
                    person,
                    "incident.open",
                    "incident",
                    incident.id,
                    reason=reason,
                    after=incident.facts() | ({"alert": incident.alert} if incident.alert else {}),
                )
        # A double click is one incident.
        return self.get(f"INC-{twin}") if twin is not None else incident

    def _write(self, person: Person, action: str, before: Incident, after: Incident) -> Incident:
        if after == before:
            return before
        table = ledger.incidents
        old_row, new_row = _values(before), _values(after)
        # Only what is different: two people may change different facts at one moment.
        written = {name: value for name, value in new_row.items() if value != old_row[name] or name == "number"}
        with self._database.writing() as work:
            changed = work.execute(
                sa.update(table)
                .where(
                    table.c.workspace == self._workspace,
                    table.c.number == before.number,
                    # What was decided on an older state is not written over a newer one.
                    table.c.status == before.status,
                )
                .values(**written)
            )
            if changed.rowcount == 0:
                raise Conflict(f"{before.id} was changed meanwhile by somebody else: look at it again.")
            if before.services != after.services:
                self._put_services(work, after)
            old, new = before.facts(), after.facts()
            differing = [name for name in new if old[name] != new[name]]
            self._audit.record(
                work,
                person,
                action,
                "incident",
                after.id,
                before={name: old[name] for name in differing},
                after={name: new[name] for name in differing},
            )
        return after

    def _put_services(self, work: sa.Connection, incident: Incident) -> None:
        table = ledger.incident_services
        work.execute(sa.delete(table).where(table.c.workspace == self._workspace, table.c.incident == incident.number))
        if incident.services:
            work.execute(
                sa.insert(table),
                [
                    {"workspace": self._workspace, "incident": incident.number, "service": service}
                    for service in incident.services
                ],
            )

    def _page(self, where: Collection[sa.ColumnElement[bool]], *, limit: int = 500, offset: int = 0) -> list[Incident]:
        table, of = ledger.incidents, ledger.incident_services
        query = (
            sa.select(table)
            .where(table.c.workspace == self._workspace, *where)
            .order_by(table.c.number.desc())
            .limit(limit)
            .offset(offset)
        )
        with self._database.reading() as look:
            rows = look.execute(query).all()
            services: dict[int, list[str]] = {}
            for row in look.execute(
                sa.select(of.c.incident, of.c.service)
                .where(of.c.workspace == self._workspace, of.c.incident.in_([row.number for row in rows]))
                .order_by(of.c.service)
            ):
                services.setdefault(row.incident, []).append(row.service)
        return [_incident(row, services.get(row.number, [])) for row in rows]

    def _where(self, status: str, severity: int | None, service: str, text: str) -> list[sa.ColumnElement[bool]]:
        table, of = ledger.incidents, ledger.incident_services
        where: list[sa.ColumnElement[bool]] = []
        if status:
            where.append(table.c.status == status)
        if severity is not None:
            where.append(table.c.severity == severity)
        if service:
            about = sa.select(of.c.incident).where(of.c.workspace == self._workspace, of.c.service == service)
            where.append(table.c.number.in_(about))
        if text:
            where.append(table.c.title.icontains(text, autoescape=True))
        return where

    def _severity_of(self, services: Sequence[str]) -> int:
        """What the stage suggests: trouble in production hurts people."""
        stages = [listed.stage for listed in self._webservices.all() if listed.service.name in services]
        return DEFAULT_SEVERITY if any(stage_rank(stage) <= stage_rank("production") for stage in stages) else 3


def _values(incident: Incident) -> dict[str, Any]:
    return {
        "number": incident.number,
        "title": incident.title,
        "severity": incident.severity,
        "status": incident.status,
        "commander": incident.commander,
        "is_focused": incident.is_focused,
        "alert": incident.alert,
        "opened_by": incident.opened_by,
        "started_at": incident.started_at,
        "detected_at": incident.detected_at,
        "stable_at": incident.stable_at,
        "closed_at": incident.closed_at,
        "review": incident.review.to_json() if incident.review else None,
    }


def _incident(row: Any, services: Sequence[str]) -> Incident:
    values = {name: value for name, value in row._mapping.items() if name != "workspace"}
    review = values.pop("review")
    return Incident(**values, review=Review(**review) if review else None, services=tuple(services))
