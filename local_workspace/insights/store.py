"""The owner of the DuckDB file: one process, one writer, a cursor of its own for every query.

A second process cannot open the file, in any mode, while this one has it: everything else asks over HTTP.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from .rows import Rows
from .schema import ARROW_TYPES, TABLES, ddl

RETENTION = timedelta(days=30)
LARGEST_BYTES = 2 * 1024**3
FILL = 0.8
"""How full the database is after the oldest rows were dropped for want of space."""
LARGEST_PASSES = 3

# A bracketed name in KQL is a name for DuckDB, and DuckDB reads a file of that name: nothing outside is reachable.
_CONFIG: dict[str, Any] = {
    "enable_external_access": "false",
    "python_enable_replacements": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "allow_community_extensions": "false",
    # One person's query may not take the machine.
    "memory_limit": "2GB",
    "max_temp_directory_size": "4GB",
}


class Store:
    """The telemetry database of one workspace."""

    def __init__(self, path: Path) -> None:
        """Open the file, making folder and tables when they are not there."""
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.path = path
        self._connection = duckdb.connect(str(path), config=_CONFIG)
        os.chmod(path, 0o600)
        for table in TABLES:
            self._connection.execute(ddl(table))
        self._writer = self._connection.cursor()
        self._writing = threading.Lock()
        self.catalog = str(self._connection.execute("SELECT current_database()").fetchall()[0][0])

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """A connection of its own for one query, on UTC, as KQL's datetimes are."""
        cursor = self._connection.cursor()
        cursor.execute("SET TimeZone='UTC'")
        return cursor

    def append(self, rows: Rows) -> None:
        """Write all of it in one transaction; after this call it survives a kill."""
        with self._writing:
            self._writer.execute("BEGIN")
            try:
                for table, batch in rows.items():
                    self._insert(table, batch)
                self._writer.execute("COMMIT")
            except BaseException:
                self._writer.execute("ROLLBACK")
                raise

    def last_row(self) -> datetime | None:
        """When the newest scoring call happened, UTC."""
        newest = self.cursor().execute('SELECT max("TimeGenerated") FROM "Requests"').fetchall()[0][0]
        return None if newest is None else newest.replace(tzinfo=UTC)

    def size(self) -> int:
        """Bytes in use inside the file."""
        cursor = self.cursor()
        block_size, used = cursor.execute("SELECT block_size, used_blocks FROM pragma_database_size()").fetchall()[0]
        return int(block_size) * int(used)

    def retain(
        self, *, now: datetime, retention: timedelta = RETENTION, largest_bytes: int = LARGEST_BYTES
    ) -> datetime:
        """Forget what is older than the retention, then the oldest of what does not fit; returns the oldest time kept."""
        kept_from = now.astimezone(UTC).replace(tzinfo=None) - retention
        with self._writing:
            for table in TABLES:
                self._writer.execute(f'DELETE FROM "{table}" WHERE "TimeGenerated" < ?', [kept_from])  # noqa: S608
        # Each pass leaves room for a while; a second one is for rows that grew larger towards the end. While somebody
        # reads, the space is not given back yet and the size says nothing: the rest waits for the next time.
        for _ in range(LARGEST_PASSES):
            if not self.checkpoint() or (size := self.size()) <= largest_bytes:
                break
            cut = self._time_before(1 - FILL * largest_bytes / size)
            if cut is None:
                break
            kept_from = max(kept_from, cut)
            self._rewrite(kept_from)
        return kept_from.replace(tzinfo=UTC)

    def checkpoint(self) -> bool:
        """Move the write-ahead log into the file; false when a query that is running stands in the way."""
        with self._writing:
            try:
                self._writer.execute("CHECKPOINT")
            except duckdb.TransactionException:
                return False
        return True

    def close(self) -> None:
        """Close the file; what was acknowledged is in it."""
        with self._writing:
            self._writer.close()
        self._connection.close()

    def _insert(self, table: str, batch: Sequence[dict[str, Any]]) -> None:
        columns = TABLES[table]
        present = [name for name in columns if name in batch[0]]
        arrays = [pa.array([row[name] for row in batch], ARROW_TYPES[columns[name]]) for name in present]
        self._copy(table, pa.Table.from_arrays(arrays, names=present))

    def _copy(self, table: str, batch: pa.Table) -> None:
        names = ", ".join(f'"{name}"' for name in batch.column_names)
        self._writer.register("arriving", batch)
        try:
            self._writer.execute(f'INSERT INTO "{table}" ({names}) SELECT {names} FROM arriving')  # noqa: S608
        finally:
            self._writer.unregister("arriving")

    def _rewrite(self, kept_from: datetime) -> None:
        """Copy what is kept: a DELETE alone gives back no space until a whole row group is gone."""
        with self._writing:
            self._writer.execute("BEGIN")
            try:
                for table in TABLES:
                    self._writer.execute(f'ALTER TABLE "{table}" RENAME TO "old {table}"')
                    self._writer.execute(ddl(table))
                    self._writer.execute(
                        f'INSERT INTO "{table}" SELECT * FROM "old {table}" WHERE "TimeGenerated" >= ?',  # noqa: S608
                        [kept_from],
                    )
                    self._writer.execute(f'DROP TABLE "old {table}"')
                self._writer.execute("COMMIT")
            except BaseException:
                self._writer.execute("ROLLBACK")
                raise

    def _time_before(self, share: float) -> datetime | None:
        """The time before which that share of the largest table's rows lies."""
        cursor = self.cursor()
        counts = {name: cursor.execute(f'SELECT count(*) FROM "{name}"').fetchall()[0][0] for name in TABLES}  # noqa: S608
        largest = max(counts, key=lambda name: counts[name])
        if not counts[largest]:
            return None
        sql = f'SELECT quantile_disc("TimeGenerated", ?) FROM "{largest}"'  # noqa: S608
        moment: datetime = cursor.execute(sql, [share]).fetchall()[0][0]
        return moment + timedelta(microseconds=1)


def tables(names: Iterable[str]) -> dict[str, list[str]]:
    """Column names by table, as the KQL translator wants them."""
    return {name: list(TABLES[name]) for name in names}
