"""What the desk may do with operations: start, read, go on. It enqueues and reads; it never runs a step."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from dbos import DBOSClient, DBOSPortableJSONSerializer

from services.access import Person, require
from services.audit import Audit
from services.clock import Clock
from services.errors import Conflict, Forbidden, Invalid, NotFound, Unavailable
from services.operations.engine import APPLICATION, QUEUE, Kind
from services.operations.leases import Leases
from services.operations.records import OPEN_STATES, VERSION, Line, Operation, Step, operation_from, step_from
from services.sealed import Sealed
from services.storage import ledger
from services.storage.database import Database

MOST_RUNNING = 200


def new_id() -> str:
    """The id of an operation, made when its form is rendered: a double click is one operation."""
    return uuid.uuid4().hex


class Operations:
    """Start, read, go on."""

    def __init__(
        self,
        database: Database,
        *,
        workspace: str,
        kinds: dict[str, Kind],
        audit: Audit,
        sealed: Sealed,
        leases: Leases,
        clock: Clock,
    ) -> None:
        self._database = database
        self._workspace = workspace
        self._kinds = kinds
        self._audit = audit
        self._sealed = sealed
        self._leases = leases
        self._clock = clock
        self._client = DBOSClient(
            system_database_engine=database.engine_for_dbos(),
            serializer=DBOSPortableJSONSerializer(),
            application_name=APPLICATION,
            lazy=True,
        )

    # Commands

    def start(
        self,
        person: Person,
        kind: str,
        subject: str,
        arguments: dict[str, Any],
        *,
        title: str,
        reason: str = "",
        plan: dict[str, Any] | None = None,
        before: Any = None,
        after: Any = None,
        operation_id: str | None = None,
        secrets: dict[str, str] | None = None,
        follows: str | None = None,
        alongside: Any = None,
    ) -> str:
        """Record the intent and enqueue the work in one transaction; return the operation's id.

        The same `operation_id` twice is one operation. `secrets` go into a sealed envelope, never into the arguments.
        `alongside(connection)` writes what must exist exactly when the operation does, such as a rotation's row.
        """
        of_kind = self._kinds[kind]
        self.check(person, of_kind.command, of_kind.subject_kind, subject)
        operation_id = operation_id or new_id()
        with self._database.writing() as work:
            if work.execute(sa.select(ledger.operations.c.id).where(ledger.operations.c.id == operation_id)).first():
                return operation_id
            if alongside is not None:
                alongside(work)
            work.execute(
                sa.insert(ledger.operations).values(
                    id=operation_id,
                    workspace=self._workspace,
                    kind=kind,
                    subject_kind=of_kind.subject_kind,
                    subject=subject,
                    title=title,
                    arguments=arguments,
                    plan=plan,
                    reason=reason,
                    person_id=person.id,
                    person_name=person.name,
                    role=person.role.word,
                    requested_at=self._clock.now(),
                    state="waiting",
                    version=VERSION,
                    leg=1,
                    follows=follows,
                )
            )
            work.execute(
                sa.insert(ledger.operation_steps),
                [
                    {
                        "operation": operation_id,
                        "position": position,
                        "name": step.name,
                        "label": step.label,
                        "state": "waiting",
                        "attempts": 0,
                    }
                    for position, step in enumerate(of_kind.steps)
                ],
            )
            if secrets:
                self._sealed.seal(work, operation_id, secrets)
            self._audit.record(
                work,
                person,
                kind,
                of_kind.subject_kind,
                subject,
                result="asked",
                reason=reason,
                before=before,
                after=after,
                operation=operation_id,
                event=f"{operation_id}:asked",
            )
            self._enqueue(work, operation_id, leg=1, person=person)
        return operation_id

    def go_on(self, person: Person, operation_id: str, *, secrets: dict[str, str] | None = None) -> None:
        """Go on with a stopped or failed operation from the step it stopped at."""
        found = self.get(operation_id)
        self.check(person, self._kinds[found.kind].command, found.subject_kind, found.subject)
        table = ledger.operations
        with self._database.writing() as work:
            row = work.execute(sa.select(table.c.state, table.c.leg).where(table.c.id == operation_id)).one()
            if row.state not in ("stopped", "failed"):
                raise Conflict(f"“{found.title}” is {row.state}: there is nothing to go on with.")
            work.execute(
                sa.update(table)
                .where(table.c.id == operation_id)
                .values(state="waiting", leg=row.leg + 1, ended_at=None, error=None, error_kind=None)
            )
            work.execute(
                sa.update(ledger.operation_steps)
                .where(ledger.operation_steps.c.operation == operation_id, ledger.operation_steps.c.state != "done")
                .values(state="waiting", ended_at=None)
            )
            if secrets:
                self._sealed.seal(work, operation_id, secrets)
            self._audit.record(
                work,
                person,
                "operation.retry",
                found.subject_kind,
                found.subject,
                operation=operation_id,
                result="asked",
            )
            self._enqueue(work, operation_id, leg=row.leg + 1, person=person)

    def check(self, person: Person, command: str, object_kind: str, object_: str) -> None:
        """Raise Forbidden unless this person may; a refusal is recorded too."""
        try:
            require(person, command)
        except Forbidden:
            self._audit.record_alone(person, command, object_kind, object_, result="refused")
            raise

    # Reads

    def command(self, kind: str) -> str:
        """The command a kind of operation needs, to offer going on only to who may."""
        return self._kinds[kind].command

    def get(self, operation_id: str) -> Operation:
        """One operation with its steps."""
        with self._database.reading() as look:
            row = look.execute(
                sa.select(ledger.operations).where(
                    ledger.operations.c.id == operation_id, ledger.operations.c.workspace == self._workspace
                )
            ).first()
            if row is None:
                raise NotFound(f"There is no operation {operation_id} here: it may belong to another workspace.")
            steps = look.execute(
                sa.select(ledger.operation_steps)
                .where(ledger.operation_steps.c.operation == operation_id)
                .order_by(ledger.operation_steps.c.position)
            )
            return operation_from(row, tuple(step_from(step) for step in steps))

    def page(
        self,
        *,
        state: str = "",
        kind: str = "",
        subject: str = "",
        subject_kind: str = "",
        person: str = "",
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int = 50,
        offset: int = 0,
    ) -> list[Operation]:
        """Operations without steps, newest first; `state` may be `open` for waiting and running."""
        table = ledger.operations
        where = self._where(state, kind, subject, subject_kind, person, since, until)
        query = sa.select(table).where(*where)
        query = query.order_by(table.c.requested_at.desc(), table.c.id).limit(limit).offset(offset)
        with self._database.reading() as look:
            return [operation_from(row) for row in look.execute(query)]

    def newest_by_subject(self, subject_kind: str, subjects: Collection[str] | None = None) -> dict[str, Operation]:
        """The newest operation of every subject of a kind, or of these, without steps."""
        table = ledger.operations
        where = [table.c.workspace == self._workspace, table.c.subject_kind == subject_kind]
        if subjects is not None:
            where.append(table.c.subject.in_(subjects))
        # Answered by the index alone; only the newest rows themselves are read.
        newest = (
            sa.select(table.c.subject, sa.func.max(table.c.requested_at).label("at"))
            .where(*where)
            .group_by(table.c.subject)
            .subquery()
        )
        query = (
            sa.select(table)
            .join(newest, sa.and_(newest.c.subject == table.c.subject, newest.c.at == table.c.requested_at))
            .where(table.c.workspace == self._workspace, table.c.subject_kind == subject_kind)
        )
        with self._database.reading() as look:
            return {row.subject: operation_from(row) for row in look.execute(query)}

    def count(
        self,
        *,
        state: str = "",
        kind: str = "",
        subject: str = "",
        subject_kind: str = "",
        person: str = "",
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> int:
        """How many operations `page` has in all."""
        where = self._where(state, kind, subject, subject_kind, person, since, until)
        with self._database.reading() as look:
            return look.execute(sa.select(sa.func.count()).select_from(ledger.operations).where(*where)).scalar_one()

    def people(self) -> list[str]:
        """Everybody who ever asked for an operation, by name."""
        table = ledger.operations
        query = sa.select(table.c.person_name).where(table.c.workspace == self._workspace).distinct()
        with self._database.reading() as look:
            return sorted(look.execute(query).scalars())

    def askers(self, operation_ids: list[str]) -> dict[str, str]:
        """Who asked for each of these operations; without those that are not known here."""
        table = ledger.operations
        with self._database.reading() as look:
            rows = look.execute(sa.select(table.c.id, table.c.person_name).where(table.c.id.in_(operation_ids)))
            return {row.id: row.person_name for row in rows}

    def running(self) -> list[Operation]:
        """What is waiting, running or stopped for a person now, with steps, oldest first."""
        table = ledger.operations
        with self._database.reading() as look:
            # Sorted here: asked for an order, SQLite walks through every operation there ever was.
            found_rows = look.execute(
                sa.select(table).where(
                    table.c.workspace == self._workspace, table.c.state.in_((*OPEN_STATES, "stopped"))
                )
            )
            rows = sorted(found_rows, key=lambda row: row.requested_at)[:MOST_RUNNING]
            steps: dict[str, list[Step]] = {}
            found = look.execute(
                sa.select(ledger.operation_steps)
                .where(ledger.operation_steps.c.operation.in_([row.id for row in rows]))
                .order_by(ledger.operation_steps.c.position)
            )
            for step in found:
                steps.setdefault(step.operation, []).append(step_from(step))
        return [operation_from(row, tuple(steps.get(row.id, ()))) for row in rows]

    def lines(self, operation_id: str, *, after: int = 0, limit: int = 2000) -> list[Line]:
        """The newest lines of an operation's log after a line's id, oldest first."""
        table = ledger.operation_lines
        query = (
            sa.select(table.c.id, table.c.at, table.c.source, table.c.text)
            .where(table.c.operation == operation_id, table.c.id > after)
            .order_by(table.c.id.desc())
            .limit(limit)
        )
        with self._database.reading() as look:
            return [Line(**row._mapping) for row in reversed(look.execute(query).all())]

    def usual_duration(self, kind: str, *, target: str = "") -> timedelta | None:
        """The median time of the last twenty of a kind that succeeded, or None before there are three."""
        table = ledger.operations
        query = (
            sa.select(table.c.started_at, table.c.ended_at, table.c.arguments)
            .where(table.c.workspace == self._workspace, table.c.kind == kind, table.c.state == "succeeded")
            .order_by(table.c.requested_at.desc())
            .limit(60)
        )
        with self._database.reading() as look:
            rows = look.execute(query).all()
        spans = sorted(
            row.ended_at - row.started_at
            for row in rows
            if row.started_at and row.ended_at and (not target or row.arguments.get("target") == target)
        )[:20]
        return spans[len(spans) // 2] if len(spans) >= 3 else None

    def behind(self, operation: Operation) -> str | None:
        """Behind what and whose an operation waits, in words."""
        if operation.version != VERSION and operation.is_open:
            return f"waits for a worker of version {operation.version}"
        if operation.waits_for:
            return operation.waits_for
        holder = self._leases.holder(operation.subject) if operation.subject_kind == "service" else None
        if operation.state == "waiting" and holder and holder != operation.id:
            other = self.get(holder)
            return f"behind “{other.title}” by {other.person_name}"
        return None

    def close(self) -> None:
        """Give the connections back."""
        self._client.destroy()

    def _where(
        self,
        state: str,
        kind: str,
        subject: str,
        subject_kind: str,
        person: str,
        since: datetime | None,
        until: datetime | None,
    ) -> list[sa.ColumnElement[bool]]:
        table = ledger.operations
        where: list[sa.ColumnElement[bool]] = [table.c.workspace == self._workspace]
        if state:
            where.append(table.c.state.in_(OPEN_STATES) if state == "open" else table.c.state == state)
        for column, wanted in (
            (table.c.kind, kind),
            (table.c.subject, subject),
            (table.c.subject_kind, subject_kind),
            (table.c.person_name, person),
        ):
            if wanted:
                where.append(column == wanted)
        if since:
            where.append(table.c.requested_at >= since)
        if until:
            where.append(table.c.requested_at < until)
        return where

    def _enqueue(self, work: sa.Connection, operation_id: str, *, leg: int, person: Person) -> None:
        if not operation_id.isalnum() or len(operation_id) > 64:
            raise Invalid("An operation's id is made of letters and digits.")
        try:
            self._client.enqueue_in_transaction(
                work,
                {
                    "workflow_name": "operation",
                    "queue_name": QUEUE,
                    "workflow_id": f"{operation_id}.{leg}",
                    "app_version": VERSION,
                    "authenticated_user": person.id,
                },
                operation_id,
                leg,
            )
        except (sa.exc.OperationalError, sa.exc.ProgrammingError) as error:
            # SQLite and PostgreSQL have different classes and the same table for it.
            if "workflow_status" not in str(error.orig):
                raise
            raise Unavailable("The worker has never run on this ledger: start it once, then do this again.") from error
