"""One database: its engines, its transactions and the schema version it must have.

SQLite (embedded) and PostgreSQL (a team) behave alike here: `writing()` is one atomic transaction that holds the write
lock from its start, so what it reads is still true when it writes; `reading()` is one consistent look.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy import event

from services import disk
from services.errors import Unavailable
from services.storage.refusals import explained, parsed

BUSY_TIMEOUT_MS = 30_000
MIRROR_CACHE_KIB = 16_384
"""What ten thousand model versions take: a list is filtered and counted without reading the file again each time."""

Name = Literal["ledger", "mirror"]
Synchronous = Literal["FULL", "NORMAL"]


class Database:
    """The ledger or the mirror."""

    def __init__(self, url: str, *, name: Name) -> None:
        self.name: Name = name
        self.url = parsed(url, name=name)
        # The ledger must survive a power cut; the mirror can be read anew from Azure.
        self._synchronous: Synchronous = "FULL" if name == "ledger" else "NORMAL"
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        if self.is_sqlite and self.url.database:
            with disk.explained(places=True):
                Path(self.url.database).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                # SQLite makes its file with the process's umask: nobody else on the host may read the ledger.
                Path(self.url.database).touch(mode=0o600)
        self._writer = self._engine(begin="BEGIN IMMEDIATE")
        self._reader = self._engine(begin="BEGIN")

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """One transaction that leaves all of it or none of it."""
        with explained(self.name, is_sqlite=self.is_sqlite), self._writer.begin() as connection:
            yield connection

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """One consistent look that never waits for a writer."""
        with explained(self.name, is_sqlite=self.is_sqlite), self._reader.connect() as connection:
            yield connection

    def engine_for_dbos(self) -> sa.Engine:
        """An engine as DBOS sets up its own, plus the write-ahead log, which it does not switch on."""
        if not self.is_sqlite:
            return sa.create_engine(self.url, pool_pre_ping=True)
        engine = sa.create_engine(self.url, pool_size=10, max_overflow=10)

        @event.listens_for(engine, "connect")
        def _connect(connection: Any, _record: Any) -> None:
            connection.isolation_level = "IMMEDIATE"
            self._pragmas(connection)

        return engine

    def schema_version(self) -> str | None:
        """The Alembic revision this database is at, or None before the first upgrade."""
        with self.reading() as connection:
            if not sa.inspect(connection).has_table(f"{self.name}_version"):
                return None
            return connection.execute(sa.text(f"SELECT version_num FROM {self.name}_version")).scalar()  # noqa: S608

    def require(self, revision: str) -> None:
        """Refuse to work on another schema than the one this program was written for."""
        found = self.schema_version()
        if found != revision:
            raise Unavailable(
                f"The {self.name} is at schema {found or 'none'} and this version of the desk needs {revision}: "
                "stop the desk and the worker and run `python -m services.storage upgrade`."
            )

    def close(self) -> None:
        """Give the connections back."""
        self._writer.dispose()
        self._reader.dispose()

    def _engine(self, *, begin: str) -> sa.Engine:
        if not self.is_sqlite:
            return sa.create_engine(self.url, pool_pre_ping=True, pool_size=10, max_overflow=20)
        engine = sa.create_engine(self.url, pool_size=10, max_overflow=30)

        @event.listens_for(engine, "connect")
        def _connect(connection: Any, _record: Any) -> None:
            # We begin our own transactions: the driver's way starts them too late, at the first write.
            connection.isolation_level = None
            self._pragmas(connection)

        @event.listens_for(engine, "begin")
        def _begin(connection: sa.Connection) -> None:
            connection.exec_driver_sql(begin)

        return engine

    def _pragmas(self, connection: Any) -> None:
        connection.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute(f"PRAGMA synchronous={self._synchronous}")
        connection.execute("PRAGMA foreign_keys=ON")
        if self.name == "mirror":
            connection.execute(f"PRAGMA cache_size=-{MIRROR_CACHE_KIB}")


def private_umask() -> None:
    """What this process creates is for its own user only."""
    os.umask(0o077)
