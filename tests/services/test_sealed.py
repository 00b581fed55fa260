"""A typed secret lies in the ledger for 15 minutes at most, and not readable."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from cryptography.fernet import InvalidToken

from services.errors import Conflict
from services.sealed import KEPT_FOR, Sealed
from services.settings import Settings
from services.storage import ledger
from services.storage.database import Database

SECRETS = {"primary_key": "a-key-somebody-typed-in", "ssl_key_pem_file": "-----BEGIN PRIVATE KEY-----\nx\n"}


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
def sealed(database: Database, settings: Settings, watch: Watch) -> Sealed:
    """With one envelope for `op`."""
    made = Sealed(database, folder=settings.keys, clock=watch)
    with database.writing() as work:
        made.seal(work, "op", SECRETS)
    return made


def rows(database: Database) -> list[bytes]:
    """The envelopes as they lie there."""
    with database.reading() as look:
        return list(look.execute(sa.select(ledger.sealed_secrets.c.sealed)).scalars())


def test_an_envelope_opens_to_what_was_put_in(sealed: Sealed) -> None:
    assert sealed.open("op") == SECRETS


def test_another_process_with_the_same_key_folder_opens_it(
    sealed: Sealed, database: Database, settings: Settings, watch: Watch
) -> None:
    assert Sealed(database, folder=settings.keys, clock=watch).open("op") == SECRETS


def test_nothing_of_it_can_be_read_in_the_database(sealed: Sealed, database: Database, settings: Settings) -> None:
    written = rows(database)[0] + (settings.data / "ledger.sqlite3-wal").read_bytes()

    assert all(secret.encode() not in written for secret in SECRETS.values())
    assert not (settings.keys / "envelope.key").is_relative_to(settings.data)
    assert (settings.keys / "envelope.key").stat().st_mode & 0o777 == 0o600


def test_without_the_key_it_stays_shut(sealed: Sealed, database: Database, settings: Settings, watch: Watch) -> None:
    (settings.keys / "envelope.key").unlink()

    with pytest.raises(InvalidToken):
        Sealed(database, folder=settings.keys, clock=watch).open("op")


def test_after_its_time_it_does_not_open_and_is_thrown_away(sealed: Sealed, database: Database, watch: Watch) -> None:
    sealed.discard_expired()
    assert len(rows(database)) == 1
    watch.time += KEPT_FOR + timedelta(seconds=1)

    with pytest.raises(Conflict, match="type it again, and the work goes on from there"):
        sealed.open("op")
    sealed.discard_expired()
    assert rows(database) == []


def test_a_new_envelope_takes_the_place_of_the_old_one(sealed: Sealed, database: Database) -> None:
    with database.writing() as work:
        sealed.seal(work, "op", {"value": "typed-again-by-somebody"})

    assert sealed.open("op") == {"value": "typed-again-by-somebody"}
    assert len(rows(database)) == 1
    with database.writing() as work:
        sealed.discard(work, "op")
    assert rows(database) == []
