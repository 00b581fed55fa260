"""Whose turn it is at a service: one lease row, taken by steps that submit a change and given back after each.

Azure answers 409 to a change while another runs; the lease keeps two of our own operations from racing to be that
one, and is where "behind what and whose" is read.
"""

from __future__ import annotations

from datetime import timedelta

import sqlalchemy as sa

from services.clock import Clock
from services.storage import ledger
from services.storage.database import Database

HELD_FOR = timedelta(minutes=20)


class Leases:
    """Take, give back, look."""

    def __init__(self, database: Database, *, workspace: str, clock: Clock) -> None:
        self._database = database
        self._workspace = workspace
        self._clock = clock

    def take(self, service: str, operation: str) -> str | None:
        """Take the service's lease; return None when it is ours now, else the id of the operation that holds it."""
        table, now = ledger.service_leases, self._clock.now()
        where = sa.and_(table.c.workspace == self._workspace, table.c.service == service)
        with self._database.writing() as work:
            held = work.execute(sa.select(table).where(where)).first()
            if held is not None and held.operation != operation and held.until > now:
                return str(held.operation)
            work.execute(sa.delete(table).where(where))
            work.execute(
                sa.insert(table).values(
                    workspace=self._workspace, service=service, operation=operation, until=now + HELD_FOR
                )
            )
        return None

    def give_back(self, service: str, operation: str) -> None:
        """Give the lease back, if it is still ours."""
        table = ledger.service_leases
        with self._database.writing() as work:
            work.execute(
                sa.delete(table).where(
                    table.c.workspace == self._workspace, table.c.service == service, table.c.operation == operation
                )
            )

    def holder(self, service: str) -> str | None:
        """The operation whose turn it is now."""
        table = ledger.service_leases
        with self._database.reading() as look:
            row = look.execute(
                sa.select(table).where(table.c.workspace == self._workspace, table.c.service == service)
            ).first()
        return str(row.operation) if row is not None and row.until > self._clock.now() else None
