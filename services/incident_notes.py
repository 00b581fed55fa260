"""What is written down about an incident: notes while it lasts, and actions with owner and date for afterwards."""

from __future__ import annotations

from datetime import date

import sqlalchemy as sa

from services.access import Person
from services.audit import Audit
from services.clock import Clock
from services.errors import NotFound
from services.incident_records import Action, Note, checked_name, checked_text
from services.incidents import Incidents
from services.operations.desk import Operations
from services.scrubbing import scrub
from services.storage import ledger
from services.storage.database import Database


class IncidentNotes:
    """Write down, tick off, read."""

    def __init__(
        self,
        database: Database,
        operations: Operations,
        incidents: Incidents,
        audit: Audit,
        *,
        workspace: str,
        clock: Clock,
    ) -> None:
        self._database = database
        self._operations = operations
        self._incidents = incidents
        self._audit = audit
        self._workspace = workspace
        self._clock = clock

    def note(self, person: Person, incident_id: str, text: str) -> None:
        """Add a note in Markdown; keys and tokens in it are taken out."""
        self._operations.check(person, "incident.note", "incident", incident_id)
        found = self._incidents.get(incident_id)
        text = checked_text(scrub(text), "Write something first.", "note")
        with self._database.writing() as work:
            work.execute(
                sa.insert(ledger.incident_notes).values(
                    workspace=self._workspace,
                    incident=found.number,
                    at=self._clock.now(),
                    person_name=person.name,
                    text=text,
                )
            )
            self._audit.record(work, person, "incident.note", "incident", found.id)

    def add_action(self, person: Person, incident_id: str, *, text: str, owner: str, due: date | None = None) -> None:
        """Add what is to be done after it."""
        self._operations.check(person, "incident.change", "incident", incident_id)
        found = self._incidents.get(incident_id)
        text = checked_text(scrub(text), "Say what is to be done.", "text")
        owner = checked_text(checked_name(owner), "Say who does it: an action without an owner is not done.", "owner")
        with self._database.writing() as work:
            work.execute(
                sa.insert(ledger.incident_actions).values(
                    workspace=self._workspace, incident=found.number, text=text, owner=owner, due=due
                )
            )
            after = {"text": text, "owner": owner, "due": due.isoformat() if due else None}
            self._audit.record(work, person, "incident.action", "incident", found.id, after=after)

    def finish_action(self, person: Person, incident_id: str, action: int, *, done: bool = True) -> None:
        """Tick an action off, or say that it was not done after all."""
        self._operations.check(person, "incident.change", "incident", incident_id)
        found = self._incidents.get(incident_id)
        table = ledger.incident_actions
        mine = (table.c.workspace == self._workspace, table.c.incident == found.number, table.c.id == action)
        with self._database.writing() as work:
            row = work.execute(sa.select(table.c.text).where(*mine)).first()
            if row is None:
                raise NotFound(f"{found.id} has no such action (any more): look at it again.")
            work.execute(sa.update(table).where(*mine).values(done_at=self._clock.now() if done else None))
            after = {"text": row.text, "done": done}
            self._audit.record(work, person, "incident.action", "incident", found.id, after=after)

    def notes(self, incident_id: str) -> list[Note]:
        """What was written down, oldest first."""
        table, number = ledger.incident_notes, self._incidents.get(incident_id).number
        query = (
            sa.select(table.c.id, table.c.at, table.c.person_name, table.c.text)
            .where(table.c.workspace == self._workspace, table.c.incident == number)
            .order_by(table.c.at, table.c.id)
        )
        with self._database.reading() as look:
            return [Note(**row._mapping) for row in look.execute(query)]

    def actions(self, incident_id: str) -> list[Action]:
        """What is to be done after it, in the order it was thought of."""
        table, number = ledger.incident_actions, self._incidents.get(incident_id).number
        query = (
            sa.select(table.c.id, table.c.text, table.c.owner, table.c.due, table.c.done_at)
            .where(table.c.workspace == self._workspace, table.c.incident == number)
            .order_by(table.c.id)
        )
        with self._database.reading() as look:
            return [Action(**row._mapping) for row in look.execute(query)]
