"""Switches a person may flip at run time, such as the samples' traffic."""

from __future__ import annotations

import sqlalchemy as sa

from services.access import Person
from services.audit import Audit
from services.clock import Clock
from services.operations.desk import Operations
from services.storage import ledger
from services.storage.database import Database

SAMPLE_TRAFFIC = "sample traffic"


class Switches:
    """Look and flip."""

    def __init__(
        self, database: Database, operations: Operations, audit: Audit, *, workspace: str, clock: Clock
    ) -> None:
        self._database = database
        self._operations = operations
        self._audit = audit
        self._workspace = workspace
        self._clock = clock

    def is_on(self, name: str, *, default: bool = True) -> bool:
        """Whether a switch is on; `default` until somebody flipped it."""
        table = ledger.switches
        with self._database.reading() as look:
            found = look.execute(
                sa.select(table.c.is_on).where(table.c.workspace == self._workspace, table.c.name == name)
            ).scalar()
        return default if found is None else bool(found)

    def flip(self, person: Person, name: str, *, on: bool) -> None:
        """Turn a switch on or off."""
        self._operations.check(person, "switch.flip", "switch", name)
        table = ledger.switches
        with self._database.writing() as work:
            work.execute(sa.delete(table).where(table.c.workspace == self._workspace, table.c.name == name))
            work.execute(
                sa.insert(table).values(
                    workspace=self._workspace, name=name, is_on=on, person_name=person.name, at=self._clock.now()
                )
            )
            self._audit.record(work, person, "switch.flip", "switch", name, after={"is_on": on})
