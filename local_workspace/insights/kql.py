"""KQL on DuckDB: a checked subset, read only, within a time and a number of rows.

Text becomes SQL by `duckdb-kql`; before it runs, DuckDB's own parser lists what the SQL reads. Only our tables, under
their exact names, pass: a bracketed name in KQL would otherwise reach the catalogue or, were it not locked, a file.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

import duckdb
import duckdb_kql
from duckdb_kql.types import kusto_type

from .schema import TABLES
from .store import Store, tables

LARGEST_ROWS = 500_000
LARGEST_BYTES = 64 * 1024 * 1024
"""Azure's limits of one answer; what is more comes as a partial result."""
FETCH_ROWS = 2_000

_SCHEMA = tables(TABLES)
_MANAGEMENT = re.compile(r"^(?:\s|//[^\n]*(?:\n|$))*\.")
_UNRESOLVED = re.compile(r'(?:Referenced column|column named|Referenced table|Table with name) "?([^"\s]+)"?')
_RENDER = re.compile(r"\|\s*render\s+(\w+)(?:\s+with\s*\((?P<properties>[^)]*)\))?[\s;]*$", re.IGNORECASE)
_TITLE = re.compile(r"""\btitle\s*=\s*(["'])(.*?)\1""", re.IGNORECASE)
_TOO_MUCH = "The query needs more memory than a query may have: narrow its range or summarize earlier."
_TABLE_FUNCTIONS = frozenset({"unnest", "generate_series", "range", "json_each", "json_tree"})
# What duckdb-kql writes for bin(): floating-point arithmetic for every row. time_bucket is the same bins, in integers.
_BIN = re.compile(
    r'to_timestamp\(floor\(epoch\(("[^"]+")\) / epoch\((INTERVAL \'[^\']+\')\)\) \* epoch\(\2\)\) AT TIME ZONE \'UTC\''
)
# percentile() three times over one column sorts it three times; asked for as a list it is sorted once.
_PERCENTILE = re.compile(r'quantile_disc\(("[^"]+"), CAST\((\d+(?:\.\d+)?) AS (?:BIGINT|DOUBLE)\) / 100\.0\)')


class QueryError(Exception):
    """The query cannot be run as it is written."""

    def __init__(self, code: str, message: str) -> None:
        """`code` is SyntaxError or SemanticError, as Log Analytics names them."""
        super().__init__(message)
        self.code = code
        self.message = message


class QueryTimeout(Exception):
    """The query took longer than it was given."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """Columns with their KQL types, rows as DuckDB's values, and whether that is all."""

    columns: tuple[tuple[str, str], ...]
    rows: list[tuple[Any, ...]]
    cut: str | None
    seconds: float


@dataclass(frozen=True)
class Span:
    """A filter on every table's TimeGenerated (`timespan` of the request), UTC without a zone."""

    start: datetime | None
    end: datetime | None


def run(store: Store, text: str, *, span: Span | None, seconds: float, largest_rows: int = LARGEST_ROWS) -> Answer:
    """Run KQL and return its rows."""
    sql, parameters, read = translate(text)
    begun = time.monotonic()
    cursor = store.cursor()
    clock = threading.Timer(seconds, cursor.interrupt)
    clock.daemon = True
    try:
        check(cursor, sql)
        if span:
            _narrow(cursor, store.catalog, read, span)
        clock.start()
        cursor.execute(sql, parameters) if parameters else cursor.execute(sql)
        columns = tuple((str(name), kusto_type(kind)) for name, kind, *_ in cursor.description or ())
        rows, cut = _fetch(cursor, largest_rows)
    except duckdb.InterruptException as error:
        raise QueryTimeout(f"The query took longer than {seconds:g} s.") from error
    except (MemoryError, duckdb.OutOfMemoryException) as error:
        raise QueryError("SemanticError", _TOO_MUCH) from error
    except duckdb.Error as error:
        raise QueryError("SemanticError", _plain(error)) from error
    finally:
        clock.cancel()
        cursor.close()
    return Answer(columns=columns, rows=rows, cut=cut, seconds=time.monotonic() - begun)


@lru_cache(maxsize=256)
def translate(text: str) -> tuple[str, dict[str, Any], frozenset[str]]:
    """KQL to SQL, its bound values and the names of our tables that may be read by it."""
    if _MANAGEMENT.match(text):
        raise QueryError("SyntaxError", "A query cannot start with a dot: management commands are not supported here.")
    try:
        translated = duckdb_kql.to_sql(text, schema=_SCHEMA, allow_write=False)
    except duckdb_kql.KqlSyntaxError as error:
        raise QueryError("SyntaxError", str(error)) from error
    except duckdb_kql.KqlError as error:
        raise QueryError("SemanticError", str(error)) from error
    except RecursionError as error:
        raise QueryError("SyntaxError", "The query is nested too deeply.") from error
    sql = _percentiles_at_once(_BIN.sub(r"time_bucket(\2, \1, TIMESTAMP '1970-01-01')", str(translated)))
    read = frozenset(name for name in TABLES if f'"{name}"' in sql)
    return sql, dict(translated.parameters), read


def _percentiles_at_once(sql: str) -> str:
    """The same SQL with all percentiles of a column as one list, each taken from its place."""
    wanted: dict[str, list[str]] = {}
    for column, share in _PERCENTILE.findall(sql):
        shares = wanted.setdefault(column, [])
        if share not in shares:
            shares.append(share)

    def one(match: re.Match[str]) -> str:
        shares = wanted[match[1]]
        if len(shares) == 1:
            return match[0]
        fractions = ", ".join(f"{share} / 100.0" for share in shares)
        return f"quantile_disc({match[1]}, [{fractions}])[{shares.index(match[2]) + 1}]"

    return _PERCENTILE.sub(one, sql)


def check(cursor: duckdb.DuckDBPyConnection, sql: str) -> None:
    """Refuse SQL that is not one SELECT over our tables."""
    [(serialized,)] = cursor.execute("SELECT json_serialize_sql(?::VARCHAR)", [sql]).fetchall()
    tree = json.loads(serialized)
    if tree.get("error"):
        raise QueryError("SemanticError", f"The query cannot be run here: {tree.get('error_message', '')}")
    # Names of common table expressions always begin with an underscore: duckdb-kql gives them out, not the query.
    given = {name for kind, _, name in _references(tree) if kind == "CTE" and name.startswith("_")}
    for kind, schema, name in _references(tree):
        if kind == "BASE_TABLE" and (schema or (name not in TABLES and name not in given)):
            raise QueryError("SemanticError", f"Failed to resolve table or column expression named '{name}'")
        if kind == "TABLE_FUNCTION" and name not in _TABLE_FUNCTIONS:
            raise QueryError("SemanticError", f"Unknown function: '{name}'")


def rendering(text: str) -> dict[str, Any] | None:
    """What `| render` asks for; duckdb-kql reads over it."""
    match = _RENDER.search(text.strip())
    if not match:
        return None
    title = _TITLE.search(match["properties"] or "")
    return {"visualization": match[1], "title": title[2] if title else None}


def _references(node: Any) -> Iterator[tuple[str, str, str]]:
    """(kind, schema, name) of everything the syntax tree reads from."""
    if isinstance(node, list):
        for child in node:
            yield from _references(child)
        return
    if not isinstance(node, dict):
        return
    if node.get("type") == "BASE_TABLE":
        yield "BASE_TABLE", node.get("catalog_name", "") + node.get("schema_name", ""), node.get("table_name", "")
    elif node.get("type") == "TABLE_FUNCTION":
        yield "TABLE_FUNCTION", "", (node.get("function") or {}).get("function_name", "")
    for entry in (node.get("cte_map") or {}).get("map", []):
        yield "CTE", "", entry.get("key", "")
    for child in node.values():
        yield from _references(child)


def _narrow(cursor: duckdb.DuckDBPyConnection, catalog: str, read: frozenset[str], span: Span) -> None:
    """Shadow each table by a view of that time, which vanishes with the cursor."""
    for table in read:
        bounds = [
            f"\"TimeGenerated\" {sign} TIMESTAMP '{moment.isoformat(sep=' ')}'"
            for sign, moment in ((">=", span.start), ("<", span.end))
            if moment is not None
        ]
        # The catalog is named: `main.` alone would resolve to the view itself.
        source = f'"{catalog}".main."{table}"'
        where = " AND ".join(bounds) or "true"
        cursor.execute(f'CREATE TEMP VIEW "{table}" AS SELECT * FROM {source} WHERE {where}')  # noqa: S608


def _fetch(cursor: duckdb.DuckDBPyConnection, largest_rows: int) -> tuple[list[tuple[Any, ...]], str | None]:
    """All rows, or as many as one answer may hold and the sentence that says so."""
    rows: list[tuple[Any, ...]] = []
    size = 0
    while some := cursor.fetchmany(FETCH_ROWS):
        rows.extend(some)
        if len(rows) > largest_rows:
            return rows[:largest_rows], f"The answer was cut at {largest_rows:,} rows: the query returns more."
        # Long texts are what makes an answer large; the rest of a row is small change.
        size += sum(len(value) if isinstance(value, str) else 16 for row in some for value in row)
        if size > LARGEST_BYTES:
            return rows, "The answer was cut at 64 MB: the query returns more."
    return rows, None


def _plain(error: duckdb.Error) -> str:
    """DuckDB's sentence without its SQL, in Kusto's words where there are some."""
    first = str(error).splitlines()[0]
    if "ailed to allocate" in first:
        return _TOO_MUCH
    if isinstance(error, duckdb.BinderException | duckdb.CatalogException) and (match := _UNRESOLVED.search(first)):
        return f"Failed to resolve column or scalar expression named '{match[1]}'"
    return first.partition(": ")[2] or first
