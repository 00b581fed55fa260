"""The workspace's memory: one SQLite file, written in short transactions by one process.

Each resource keeps its wire document as JSON beside the few columns it is looked up by.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from local_workspace.files import Damaged

SCHEMA = """
CREATE TABLE IF NOT EXISTS artifacts (
    origin TEXT NOT NULL, container TEXT NOT NULL, path TEXT NOT NULL,
    blob TEXT NOT NULL UNIQUE, etag TEXT NOT NULL, size INTEGER, created TEXT NOT NULL,
    PRIMARY KEY (origin, container, path)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS assets (id TEXT PRIMARY KEY, document TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS model_names (name TEXT PRIMARY KEY, last_version INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS models (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, version INTEGER NOT NULL,
    framework TEXT, description TEXT, run_id TEXT, modified TEXT NOT NULL, document TEXT NOT NULL,
    UNIQUE (name, version)
);
CREATE TABLE IF NOT EXISTS environments (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, version TEXT NOT NULL,
    labels TEXT NOT NULL, document TEXT NOT NULL, UNIQUE (name, version)
);
CREATE TABLE IF NOT EXISTS computes (name TEXT PRIMARY KEY, document TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS container_insights (compute TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS compute_operations (id TEXT PRIMARY KEY, document TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS services (
    name TEXT PRIMARY KEY, id TEXT NOT NULL, compute_type TEXT NOT NULL, document TEXT NOT NULL, secrets BLOB NOT NULL,
    state TEXT NOT NULL, error TEXT, operation_id TEXT, revision TEXT, serving_revision TEXT,
    created TEXT NOT NULL, updated TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS revisions (
    revision TEXT PRIMARY KEY, service TEXT NOT NULL, document TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS operations (
    id TEXT PRIMARY KEY, service TEXT NOT NULL, service_id TEXT NOT NULL, kind TEXT NOT NULL, state TEXT NOT NULL,
    phase TEXT, phase_state TEXT, error TEXT, created TEXT NOT NULL, ended TEXT
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS operations_by_service ON operations (service, state);
CREATE TABLE IF NOT EXISTS operation_lines (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT, operation_id TEXT NOT NULL, at TEXT NOT NULL, text TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS operation_lines_by_operation ON operation_lines (operation_id);
CREATE TABLE IF NOT EXISTS experiments (name TEXT PRIMARY KEY, id TEXT NOT NULL, created TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS ledger (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT, at TEXT NOT NULL, kind TEXT NOT NULL, resource TEXT NOT NULL,
    name TEXT NOT NULL, version TEXT, operation_id TEXT, desk_operation TEXT, caller TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS faults (
    id TEXT PRIMARY KEY, document TEXT NOT NULL, until TEXT NOT NULL, remaining INTEGER
) WITHOUT ROWID;
"""


class State:
    """Reads and short transactions over the workspace's SQLite file; safe to share between threads."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.RLock()
        # Private before SQLite opens it: the log beside it takes over these rights.
        path.touch(mode=0o600)
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._connection.row_factory = sqlite3.Row
        try:
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute("PRAGMA synchronous=NORMAL")
            self._connection.executescript(SCHEMA)
        except sqlite3.OperationalError:
            # The disk is full, or the file may not be written: it is whole.
            self._connection.close()
            raise
        except sqlite3.DatabaseError as error:
            self._connection.close()
            raise Damaged(path, error) from error

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[sqlite3.Row]:
        """Every row the query finds."""
        with self._lock:
            return self._connection.execute(sql, parameters).fetchall()

    def row(self, sql: str, parameters: Sequence[Any] = ()) -> sqlite3.Row | None:
        """The first row, or None."""
        with self._lock:
            found: sqlite3.Row | None = self._connection.execute(sql, parameters).fetchone()
            return found

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Leave all of what happens inside, or none of it; a transaction inside another joins it."""
        with self._lock:
            if self._connection.in_transaction:
                yield self._connection
                return
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                # A full disk ends some transactions by itself; one left open would swallow all that follow.
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def close(self) -> None:
        """Fold the write-ahead log in and close."""
        with self._lock:
            self._connection.close()


def now() -> str:
    """This moment as the wire writes it: ISO 8601, UTC, microseconds."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


def dumps(document: Any) -> str:
    """A document as it lies in the database."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))
