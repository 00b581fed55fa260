"""Two databases that leave all of a transaction or none of it, and refuse a schema they were not written for."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa

from services.errors import Conflict, Unavailable
from services.settings import Settings
from services.storage import ledger
from services.storage.database import Database
from services.storage.upgrade import open_current, open_databases, upgrade

READ_SECONDS = 10.0


def test_a_database_without_a_schema_is_refused_with_the_command(tmp_path: Path) -> None:
    settings = Settings(_env_file=None, desk_data=tmp_path / "data")  # type: ignore[call-arg]

    with pytest.raises(Unavailable, match=r"run `python -m services\.storage upgrade`"):
        open_current(settings)
    assert upgrade(settings)[0] == f"ledger: {ledger.REVISION} (was new)"
    assert upgrade(settings)[0] == f"ledger: {ledger.REVISION} (unchanged)"
    for database in open_current(settings):
        database.close()


def test_a_database_of_another_version_is_refused(settings: Settings, database: Database) -> None:
    with database.writing() as work:
        work.execute(sa.text("UPDATE ledger_version SET version_num = 'ledger_9999'"))

    with pytest.raises(Unavailable, match="The ledger is at schema ledger_9999 and this version of the desk needs"):
        open_current(settings)
    with pytest.raises(Conflict, match="it was used by a newer one"):
        upgrade(settings)


def test_nobody_else_on_the_host_may_read_the_databases(settings: Settings, database: Database) -> None:
    assert settings.data.stat().st_mode & 0o077 == 0
    for file in ("ledger.sqlite3", "mirror.sqlite3"):
        assert (settings.data / file).stat().st_mode & 0o077 == 0


def test_the_ledger_is_safe_against_losing_power_and_the_mirror_is_fast(settings: Settings) -> None:
    opened = open_databases(settings)
    found = {}
    for database in opened:
        with database.writing() as work:
            found[database.name] = (
                work.exec_driver_sql("PRAGMA journal_mode").scalar(),
                work.exec_driver_sql("PRAGMA synchronous").scalar(),
                work.exec_driver_sql("PRAGMA foreign_keys").scalar(),
            )
        database.close()

    assert found["ledger"] == ("wal", 2, 1)
    assert found["mirror"] == ("wal", 1, 1)


def _switches(database: Database) -> list[object]:
    with database.reading() as look:
        return list(look.execute(sa.select(ledger.switches)).all())


def test_a_reader_does_not_wait_for_a_writer(database: Database) -> None:
    with database.writing() as work:
        work.execute(sa.delete(ledger.switches))
        with ThreadPoolExecutor(1) as pool:
            # Were it to wait, it would wait for the writer, which waits for it here.
            assert pool.submit(_switches, database).result(timeout=READ_SECONDS) == []


def test_writers_take_turns_and_none_is_lost(database: Database, settings: Settings) -> None:
    with database.writing() as work:
        work.execute(sa.text("CREATE TABLE counter (value INTEGER)"))
        work.execute(sa.text("INSERT INTO counter VALUES (0)"))

    def count() -> None:
        for _ in range(25):
            with database.writing() as work:
                value = work.execute(sa.text("SELECT value FROM counter")).scalar_one()
                work.execute(sa.text("UPDATE counter SET value = :value"), {"value": value + 1})

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    with database.reading() as look:
        assert look.execute(sa.text("SELECT value FROM counter")).scalar() == 100
