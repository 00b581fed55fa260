"""What the worker writes while it works: states, steps, lines and the receipt. All of it may be written twice."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from services.access import Person, Role
from services.audit import Audit
from services.clock import Clock
from services.errors import NotFound
from services.operations.records import Operation, State, Step, StepState, operation_from, step_from
from services.scrubbing import scrub
from services.sealed import Sealed
from services.storage import ledger
from services.storage.database import Database


class Journal:
    """The worker's pen."""

    def __init__(self, database: Database, *, audit: Audit, sealed: Sealed, clock: Clock) -> None:
        self._database = database
        self._audit = audit
        self._sealed = sealed
        self._clock = clock

    def read(self, operation: str) -> Operation:
        """The operation with its steps."""
        with self._database.reading() as look:
            row = look.execute(sa.select(ledger.operations).where(ledger.operations.c.id == operation)).first()
            if row is None:
                raise NotFound(f"There is no operation {operation}.")
            steps = look.execute(
                sa.select(ledger.operation_steps)
                .where(ledger.operation_steps.c.operation == operation)
                .order_by(ledger.operation_steps.c.position)
            )
            return operation_from(row, tuple(step_from(step) for step in steps))

    def begin(self, operation: str) -> None:
        """The operation runs from now on (unless it did already)."""
        table = ledger.operations
        with self._database.writing() as work:
            work.execute(
                sa.update(table)
                .where(table.c.id == operation)
                .values(state="running", started_at=sa.func.coalesce(table.c.started_at, self._now_literal()))
            )

    def waits_for(self, operation: str, sentence: str | None) -> None:
        """Say behind what and whose it waits, or that it waits no more."""
        with self._database.writing() as work:
            work.execute(
                sa.update(ledger.operations).where(ledger.operations.c.id == operation).values(waits_for=sentence)
            )

    def step(
        self, operation: str, step: Step, state: StepState, *, detail: str | None = None, result: Any = None
    ) -> None:
        """A step's state changed."""
        now = self._clock.now()
        values: dict[str, Any] = {"state": state}
        if detail is not None:
            values["detail"] = scrub(detail)
        if state == "running":
            values |= {"attempts": ledger.operation_steps.c.attempts + 1, "ended_at": None, "detail": None}
            if step.started_at is None:
                values["started_at"] = now
        else:
            values["ended_at"] = now
        if state == "done":
            values["result"] = result
        self._update_step(operation, step.position, values)

    def note(self, operation: str, position: int, detail: str) -> None:
        """What a running step does just now."""
        self._update_step(operation, position, {"detail": scrub(detail)})

    def intend(self, operation: str, position: int, intent: dict[str, Any]) -> None:
        """What a running step is about to do, kept until it is done."""
        self._update_step(operation, position, {"result": intent})

    def lines(self, operation: str, source: str, texts: list[str]) -> None:
        """Append scrubbed lines to the operation's log."""
        if not texts:
            return
        now = self._clock.now()
        with self._database.writing() as work:
            work.execute(
                sa.insert(ledger.operation_lines),
                [{"operation": operation, "at": now, "source": source, "text": scrub(text)} for text in texts],
            )

    def end(
        self,
        operation: Operation,
        state: State,
        *,
        error: str | None = None,
        error_kind: str | None = None,
        receipt: dict[str, Any] | None = None,
    ) -> None:
        """The operation is over (or stopped for a person): state, receipt, audit entry and envelopes in one go."""
        error = scrub(error) if error else None
        with self._database.writing() as work:
            work.execute(
                sa.update(ledger.operations)
                .where(ledger.operations.c.id == operation.id)
                .values(
                    state=state,
                    ended_at=self._clock.now() if state != "stopped" else None,
                    error=error,
                    error_kind=error_kind,
                    receipt=receipt,
                    waits_for=None,
                )
            )
            work.execute(
                sa.update(ledger.operation_steps)
                .where(ledger.operation_steps.c.operation == operation.id, ledger.operation_steps.c.state == "waiting")
                .values(state="waiting" if state == "stopped" else "skipped")
            )
            self._sealed.discard(work, operation.id)
            self._audit.record(
                work,
                asker(operation),
                operation.kind,
                operation.subject_kind,
                operation.subject,
                result=state,
                reason=operation.reason,
                after=error if error else receipt,
                operation=operation.id,
                event=f"{operation.id}:{operation.leg}:end",
            )

    def _update_step(self, operation: str, position: int, values: dict[str, Any]) -> None:
        table = ledger.operation_steps
        with self._database.writing() as work:
            work.execute(
                sa.update(table).where(table.c.operation == operation, table.c.position == position).values(**values)
            )

    def _now_literal(self) -> sa.BindParameter[Any]:
        return sa.bindparam("now", self._clock.now(), type_=ledger.operations.c.started_at.type)


def asker(operation: Operation) -> Person:
    """The person who asked for an operation, with the role of that moment."""
    return Person(
        id=operation.person_id,
        name=operation.person_name,
        role=Role.named(operation.role),
        is_local=operation.person_id.startswith("local/"),
    )
