"""What a person has typed and not sent yet: kept by person and place, so that a reload or a sign-out loses nothing."""

from __future__ import annotations

import sqlalchemy as sa

from services.access import Person
from services.clock import Clock
from services.operations.desk import Operations
from services.scrubbing import scrub
from services.storage import ledger
from services.storage.database import Database

LONGEST = 20_000


class Drafts:
    """Keep, find, drop."""

    def __init__(self, database: Database, operations: Operations, *, workspace: str, clock: Clock) -> None:
        self._database = database
        self._operations = operations
        self._workspace = workspace
        self._clock = clock

    def keep(self, person: Person, place: str, text: str) -> None:
        """Remember what is typed so far; nothing typed is nothing kept."""
        self._operations.check(person, "incident.note", "incident", place)
        table = ledger.drafts
        with self._database.writing() as work:
            work.execute(sa.delete(table).where(self._of(person, place)))
            if text.strip():
                work.execute(
                    sa.insert(table).values(
                        workspace=self._workspace,
                        person_id=person.id,
                        place=place,
                        text=scrub(text[:LONGEST]),
                        at=self._clock.now(),
                    )
                )

    def find(self, person: Person, place: str) -> str:
        """What this person had typed there, or nothing."""
        with self._database.reading() as look:
            found = look.execute(sa.select(ledger.drafts.c.text).where(self._of(person, place))).scalar()
        return found or ""

    def drop(self, person: Person, place: str) -> None:
        """Forget it: it was sent, or thrown away."""
        with self._database.writing() as work:
            work.execute(sa.delete(ledger.drafts).where(self._of(person, place)))

    def _of(self, person: Person, place: str) -> sa.ColumnElement[bool]:
        table = ledger.drafts
        return sa.and_(table.c.workspace == self._workspace, table.c.person_id == person.id, table.c.place == place)
