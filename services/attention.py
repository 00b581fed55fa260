"""What needs attention, since when, who is on it, and what changed last; sorted by stage, then people hurt."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

import sqlalchemy as sa

from services.access import Person
from services.alerts import Alert, Alerts
from services.clock import Clock
from services.health import in_words
from services.operations.desk import Operations
from services.operations.records import Operation
from services.storage import ledger
from services.storage.database import Database
from services.webservices import ListedService, Webservices, stage_rank

MatterKind = Literal[
    "failing", "unhealthy", "failed", "unschedulable", "broken", "anonymous", "waiting", "operation", "alert"
]
WEIGHT: dict[str, int] = {
    "failed": 0,
    "failing": 0,
    "alert": 0,
    "unhealthy": 1,
    "unschedulable": 1,
    "broken": 2,
    "operation": 3,
    "waiting": 4,
    "anonymous": 5,
}
OF_STATE: dict[str, MatterKind] = {
    "Failed": "failed",
    "Unhealthy": "unhealthy",
    "Unschedulable": "unschedulable",
    "Broken": "broken",
}


# What Azure puts around the cause; on a phone it would leave no room for it.
_BEFORE_CAUSE = re.compile(r"^\w+ Deployment failed with exception: ", re.IGNORECASE)
_AFTER_CAUSE = re.compile(r",? please run print\(service\.get_logs\(\)\).*$", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Matter:
    """One thing that needs attention."""

    id: str
    """Stable while it lasts, so that "I have it" sticks."""
    kind: MatterKind
    subject: str
    subject_kind: str
    stage: str
    sentence: str
    since: datetime
    hurt: int
    """Requests that failed in the last hour."""
    last_change: Operation | None
    taken_by: str | None
    taken_at: datetime | None
    alert: Alert | None = None
    """What it is about, when a rule is broken."""


class Attention:
    """Gathers the matters."""

    def __init__(
        self,
        database: Database,
        webservices: Webservices,
        operations: Operations,
        alerts: Alerts,
        *,
        workspace: str,
        clock: Clock,
    ) -> None:
        self._database = database
        self._webservices = webservices
        self._operations = operations
        self._alerts = alerts
        self._workspace = workspace
        self._clock = clock

    def matters(self) -> list[Matter]:
        """Everything that needs somebody, worst first."""
        takers = self._takers()
        alerts = self._open_alerts()
        found = [
            matter
            for listed in self._webservices.all()
            for matter in self._of_service(listed, takers, alerts.get(listed.service.name, []))
        ]
        changes = self._operations.newest_by_subject("service", {matter.subject for matter in found})
        found = [replace(matter, last_change=changes.get(matter.subject)) for matter in found]
        found += self._of_operations(takers)
        return sorted(
            found, key=lambda matter: (stage_rank(matter.stage), WEIGHT[matter.kind], -matter.hurt, matter.since)
        )

    def take(self, person: Person, matter_id: str) -> None:
        """Say "I have it"."""
        self._operations.check(person, "attention.take", "matter", matter_id)
        table = ledger.takers
        with self._database.writing() as work:
            work.execute(sa.delete(table).where(table.c.workspace == self._workspace, table.c.matter == matter_id))
            work.execute(
                sa.insert(table).values(
                    workspace=self._workspace,
                    matter=matter_id,
                    person_id=person.id,
                    person_name=person.name,
                    at=self._clock.now(),
                )
            )

    def let_go(self, person: Person, matter_id: str) -> None:
        """Say that somebody else has to take it."""
        self._operations.check(person, "attention.take", "matter", matter_id)
        table = ledger.takers
        with self._database.writing() as work:
            work.execute(sa.delete(table).where(table.c.workspace == self._workspace, table.c.matter == matter_id))

    def _of_service(
        self, listed: ListedService, takers: dict[str, tuple[str, datetime]], alerts: list[Alert]
    ) -> list[Matter]:
        found: list[tuple[MatterKind, str, datetime]] = []
        service, summary = listed.service, listed.summary
        hurt = summary.errors if summary else 0
        if kind := OF_STATE.get(listed.state):
            found.append((kind, _why(listed), listed.state_since))
        elif listed.is_failing and summary is not None and not any(alert.kind == "errors" for alert in alerts):
            rate = 100 * (summary.error_rate or 0)
            since = summary.first_error_at or listed.state_since
            found.append(("failing", f"{rate:.1f} % of {summary.requests:,} requests failed in the last hour", since))
        if not listed.service.broken and service.auth == "none":
            changed = service.updated_at or service.created_at or listed.state_since
            found.append(("anonymous", "anyone who knows the address can call it", changed))
        return [
            self._matter(
                takers,
                kind,
                service.name,
                "service",
                listed.stage,
                sentence,
                since,
                hurt=hurt,
            )
            for kind, sentence, since in found
        ] + [
            self._matter(
                takers,
                "alert",
                service.name,
                "service",
                listed.stage,
                alert.sentence,
                alert.opened_at,
                hurt=hurt,
                alert=alert,
            )
            for alert in alerts
        ]

    def _of_operations(self, takers: dict[str, tuple[str, datetime]]) -> list[Matter]:
        found = []
        for operation in self._operations.running():
            if operation.state == "stopped":
                sentence = f"“{operation.title}” waits for a person: {operation.error or 'open it to go on'}"
                found.append(
                    self._matter(
                        takers,
                        "waiting",
                        operation.subject,
                        operation.subject_kind,
                        "",
                        sentence,
                        operation.started_at or operation.requested_at,
                        operation=operation,
                    )
                )
        now = self._clock.now()
        for rotation in self._open_rotations():
            waited = in_words(now - rotation.idle_done_at)
            sentence = f"the {rotation.idle_slot} key was renewed {waited} ago: have all clients moved to it?"
            found.append(
                self._matter(takers, "waiting", rotation.service, "service", "", sentence, rotation.idle_done_at)
            )
        return found

    def _matter(
        self,
        takers: dict[str, tuple[str, datetime]],
        kind: MatterKind,
        subject: str,
        subject_kind: str,
        stage: str,
        sentence: str,
        since: datetime,
        *,
        hurt: int = 0,
        operation: Operation | None = None,
        alert: Alert | None = None,
    ) -> Matter:
        about = operation.id if operation else alert.id if alert else subject
        matter_id = f"{kind}:{about}"
        taken_by, taken_at = takers.get(matter_id, (None, None))
        # Who took the last failure has not thereby taken the next one of the same service.
        if taken_at is not None and taken_at < since:
            taken_by, taken_at = None, None
        return Matter(
            id=matter_id,
            kind=kind,
            subject=subject,
            subject_kind=subject_kind,
            stage=stage,
            sentence=sentence,
            since=since,
            hurt=hurt,
            last_change=operation,
            taken_by=taken_by,
            taken_at=taken_at,
            alert=alert,
        )

    def _open_alerts(self) -> dict[str, list[Alert]]:
        found: dict[str, list[Alert]] = {}
        for alert in self._alerts.open():
            found.setdefault(alert.service, []).append(alert)
        return found

    def _takers(self) -> dict[str, tuple[str, datetime]]:
        table = ledger.takers
        with self._database.reading() as look:
            rows = look.execute(sa.select(table).where(table.c.workspace == self._workspace))
            return {row.matter: (row.person_name, row.at) for row in rows}

    def _open_rotations(self) -> list[sa.Row[tuple[object, ...]]]:
        table = ledger.rotations
        with self._database.reading() as look:
            return list(
                look.execute(
                    sa.select(table).where(
                        table.c.workspace == self._workspace, table.c.ended_at.is_(None), table.c.state == "waiting"
                    )
                )
            )


def _why(listed: ListedService) -> str:
    if listed.service.broken:
        return f"Azure's description of it cannot be read: {listed.service.broken}"
    problem = listed.service.error
    said = _cause(problem.text.splitlines()[0]) if problem and problem.text else ""
    meaning = {
        "Failed": "it could not be started",
        "Unhealthy": "it is deployed but does not answer; Azure goes on trying",
        "Unschedulable": "the cluster has no room for it now; Azure goes on trying",
    }.get(listed.state, listed.state)
    return f"{meaning}: {said}" if said else meaning


def _cause(said: str) -> str:
    return _AFTER_CAUSE.sub("", _BEFORE_CAUSE.sub("", said))
