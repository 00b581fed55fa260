"""A session ends when it is ended, after half an hour of nothing and after eight hours, whatever the cookie says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from services.access import LOCAL_IDENTITIES, Role
from services.audit import Audit, audit_key
from services.errors import Invalid
from services.sessions import Sessions, session_hash
from services.settings import Settings
from services.storage import ledger
from services.storage.database import Database


class Watch:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.time = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)

    def now(self) -> datetime:
        """What it shows."""
        return self.time


@pytest.fixture
def watch() -> Watch:
    """It shows nine o'clock."""
    return Watch()


@pytest.fixture
def audit(database: Database, settings: Settings, watch: Watch) -> Audit:
    """An empty log."""
    return Audit(database, workspace="w", key=audit_key(settings.keys), anchor=settings.anchor, clock=watch)


@pytest.fixture
def sessions(database: Database, audit: Audit, watch: Watch) -> Sessions:
    """No session yet."""
    return Sessions(database, audit, watch)


@pytest.mark.parametrize("identity", LOCAL_IDENTITIES)
def test_a_chosen_identity_is_found_with_its_role(sessions: Sessions, audit: Audit, identity: str) -> None:
    person = sessions.find(sessions.start_local(identity))

    assert person is not None
    assert (person.role, person.is_local) == (Role.named(identity), True)
    assert [entry.person_id for entry in audit.page(action="session.start")] == [f"local/{identity}"]


def test_the_ledger_knows_a_session_by_its_hash_alone(sessions: Sessions, database: Database) -> None:
    session = sessions.start_local("operator")

    with database.reading() as look:
        row = look.execute(sa.select(ledger.sessions)).one()
    assert row.hash == session_hash(session)
    assert session not in repr(row)
    person = sessions.find(session)
    assert person is not None
    assert session not in repr(person)


@pytest.mark.parametrize("cookie", [None, "", "made-up", "0" * 43])
def test_a_cookie_that_was_never_given_is_nobody(sessions: Sessions, cookie: str | None) -> None:
    sessions.start_local("admin")

    assert sessions.find(cookie) is None


def test_an_ended_session_is_nobody_in_every_tab(sessions: Sessions) -> None:
    session, other = sessions.start_local("operator"), sessions.start_local("operator")
    sessions.end(session)

    assert sessions.find(session) is None
    assert sessions.find(other) is not None


def test_half_an_hour_of_nothing_ends_it_and_use_keeps_it(sessions: Sessions, watch: Watch) -> None:
    session = sessions.start_local("operator")
    for _ in range(3):
        watch.time += timedelta(minutes=29)
        assert sessions.find(session) is not None
    watch.time += timedelta(minutes=31)

    assert sessions.find(session) is None


def test_eight_hours_end_it_however_much_it_is_used(sessions: Sessions, watch: Watch) -> None:
    session = sessions.start_local("operator")
    while watch.time < datetime(2026, 11, 21, 16, 45, tzinfo=UTC):
        watch.time += timedelta(minutes=15)
        assert sessions.find(session) is not None
    watch.time += timedelta(minutes=16)

    assert sessions.find(session) is None


def test_an_identity_that_does_not_exist_is_refused(sessions: Sessions) -> None:
    with pytest.raises(Invalid, match="choose one of viewer, operator, approver, admin"):
        sessions.start_local("owner")
