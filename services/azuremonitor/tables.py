"""What a query returns: columns with their KQL types, rows, and the text that ran."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

_PANDAS_TYPES: dict[str, Any] = {
    "int": "Int64",
    "long": "Int64",
    "bool": "boolean",
    "string": "string",
    "guid": "string",
}


@dataclass(frozen=True)
class Column:
    """A column's name and KQL type."""

    name: str
    type: str


@dataclass(frozen=True)
class Table:
    """An answer of Log Analytics."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[Any, ...], ...]
    partial: str | None
    """Why this is not all of it; None when it is."""
    query: str
    took_seconds: float

    def frame(self) -> pd.DataFrame:
        """The rows for charts and tables: times in UTC, missing numbers as NaN."""
        frame = pd.DataFrame(list(self.rows), columns=[column.name for column in self.columns], dtype=object)
        for column in self.columns:
            frame[column.name] = _typed(frame[column.name], column.type)
        return frame

    def dicts(self) -> list[dict[str, Any]]:
        """The rows by column name."""
        names = [column.name for column in self.columns]
        return [dict(zip(names, row, strict=True)) for row in self.rows]


def _typed(values: pd.Series[Any], kind: str) -> pd.Series[Any]:
    if kind == "datetime":
        return pd.to_datetime(values, utc=True)
    if kind in ("real", "decimal"):
        return pd.to_numeric(values).astype("float64")
    if kind == "timespan":
        return pd.to_timedelta(values.map(_days_first, na_action="ignore"))
    if kind in _PANDAS_TYPES:
        return values.astype(_PANDAS_TYPES[kind])
    return values


def _days_first(text: str) -> str:
    """`1.02:03:04` as pandas reads it: `1 days 02:03:04`."""
    days, dot, time = text.partition(".")
    return f"{days} days {time}" if dot and ":" not in days else text
