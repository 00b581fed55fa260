"""Sessions: who chose which identity, until when. The browser holds a random id; the ledger holds its hash."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta

import sqlalchemy as sa

from services.access import LOCAL_IDENTITIES, Person, Role
from services.audit import Audit
from services.clock import Clock
from services.errors import Invalid
from services.storage import ledger
from services.storage.database import Database

ABSOLUTE_AGE = timedelta(hours=8)
IDLE_AGE = timedelta(minutes=30)
SEEN_EVERY = timedelta(minutes=1)


class Sessions:
    """Start, find and end sessions."""

    def __init__(self, database: Database, audit: Audit, clock: Clock) -> None:
        self._database = database
        self._audit = audit
        self._clock = clock

    def start_local(self, identity: str) -> str:
        """Begin a session of one of the local identities; return the id for the cookie, which is stored nowhere."""
        if identity not in LOCAL_IDENTITIES:
            raise Invalid(f"There is no local identity named {identity}: choose one of {', '.join(LOCAL_IDENTITIES)}.")
        person = LOCAL_IDENTITIES[identity]
        session = secrets.token_urlsafe(32)
        now = self._clock.now()
        with self._database.writing() as work:
            work.execute(
                sa.insert(ledger.sessions).values(
                    hash=session_hash(session),
                    person_id=person.id,
                    person_name=person.name,
                    role=person.role.word,
                    is_local=True,
                    started_at=now,
                    seen_at=now,
                )
            )
            self._audit.record(work, person, "session.start", "session", person.id, after={"role": person.role.word})
        return session

    def find(self, session: str | None) -> Person | None:
        """The person of a live session, else None."""
        if not session:
            return None
        now = self._clock.now()
        with self._database.reading() as look:
            row = look.execute(
                sa.select(ledger.sessions).where(ledger.sessions.c.hash == session_hash(session))
            ).first()
        if row is None or row.ended_at is not None or not _alive(row.started_at, row.seen_at, now):
            return None
        if now - row.seen_at > SEEN_EVERY:
            with self._database.writing() as work:
                work.execute(sa.update(ledger.sessions).where(ledger.sessions.c.hash == row.hash).values(seen_at=now))
        return Person(
            id=row.person_id,
            name=row.person_name,
            role=Role.named(row.role),
            is_local=row.is_local,
            session=row.hash[:12],
        )

    def end(self, session: str) -> None:
        """End a session; every tab that has its cookie is signed out."""
        now = self._clock.now()
        with self._database.writing() as work:
            work.execute(
                sa.update(ledger.sessions)
                .where(ledger.sessions.c.hash == session_hash(session), ledger.sessions.c.ended_at.is_(None))
                .values(ended_at=now)
            )


def session_hash(session: str) -> str:
    """What the ledger knows a session by."""
    return hashlib.sha256(session.encode()).hexdigest()


def _alive(started_at: datetime, seen_at: datetime, now: datetime) -> bool:
    return now - started_at < ABSOLUTE_AGE and now - seen_at < IDLE_AGE
