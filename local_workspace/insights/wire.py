"""The Log Analytics REST format: request bodies, `Prefer`, time spans, tables and errors as the real client reads them."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from .kql import Answer, QueryError, Span

DEFAULT_SECONDS = 180.0
LONGEST_SECONDS = 600.0

_DURATION = re.compile(
    r"^P(?:(?P<weeks>[\d.]+)W)?(?:(?P<days>[\d.]+)D)?"
    r"(?:T(?:(?P<hours>[\d.]+)H)?(?:(?P<minutes>[\d.]+)M)?(?:(?P<seconds>[\d.]+)S)?)?$"
)


class BadRequest(ValueError):
    """The request's body or headers cannot be read."""


@dataclass(frozen=True)
class Preferences:
    """What the `Prefer` header asks for."""

    seconds: float = DEFAULT_SECONDS
    statistics: bool = False
    render: bool = False


@dataclass(frozen=True)
class Question:
    """One query as posted."""

    text: str
    span: Span | None
    workspaces: tuple[str, ...]


def preferences(header: str) -> Preferences:
    """Read `wait=30,include-statistics=true,include-render=true`."""
    given = dict(part.strip().partition("=")[::2] for part in header.split(",") if part.strip())
    try:
        seconds = float(given.get("wait", DEFAULT_SECONDS))
    except ValueError as error:
        raise BadRequest(f"Prefer: wait={given['wait']} is not a number of seconds.") from error
    if not 0 < seconds <= LONGEST_SECONDS:
        raise BadRequest(f"Prefer: wait={seconds:g} is not between 1 and {LONGEST_SECONDS:g} s.")
    return Preferences(
        seconds=seconds,
        statistics=given.get("include-statistics") == "true",
        render=given.get("include-render") == "true",
    )


def question(body: Any, *, now: datetime) -> Question:
    """Read a query's body."""
    if not isinstance(body, dict) or not isinstance(body.get("query"), str) or not body["query"].strip():
        raise BadRequest("The body has no query.")
    workspaces = body.get("workspaces") or []
    if not isinstance(workspaces, list):
        raise BadRequest("`workspaces` is not a list.")
    timespan = body.get("timespan")
    return Question(
        text=body["query"],
        span=span(str(timespan), now=now) if timespan else None,
        workspaces=tuple(str(workspace) for workspace in workspaces),
    )


def span(text: str, *, now: datetime) -> Span:
    """Read the four forms: a duration back from now, start/end, start/duration, duration/end."""
    first, slash, second = text.partition("/")
    if not slash:
        return Span(_utc(now) - _duration(first), _utc(now))
    if first.startswith("P"):
        end = _moment(second)
        return Span(end - _duration(first), end)
    start = _moment(first)
    return Span(start, start + _duration(second) if second.startswith("P") else _moment(second))


def body(answer: Answer, *, prefer: Preferences, rendering: dict[str, Any] | None) -> dict[str, Any]:
    """The answer's body."""
    kinds = [kind for _, kind in answer.columns]
    found: dict[str, Any] = {
        "tables": [
            {
                "name": "PrimaryResult",
                "columns": [{"name": name, "type": kind} for name, kind in answer.columns],
                "rows": [[_value(value, kind) for value, kind in zip(row, kinds, strict=True)] for row in answer.rows],
            }
        ]
    }
    if prefer.statistics:
        found["statistics"] = {"query": {"executionTime": round(answer.seconds, 6), "resultRows": len(answer.rows)}}
    if prefer.render and rendering:
        found["render"] = rendering
    if answer.cut:
        found["error"] = {
            "code": "PartialError",
            "message": "There were some errors when processing your query.",
            "details": [
                {
                    "code": "EngineError",
                    "message": answer.cut,
                    "innererror": {"code": "-2133196797", "message": answer.cut, "severity": 2},
                }
            ],
        }
    return found


def bad_query(problem: QueryError) -> dict[str, Any]:
    """The 400 of a query that cannot be run; the client shows the innermost message."""
    return {
        "error": {
            "code": "BadArgumentError",
            "message": "The request had some invalid properties",
            "innererror": {
                "code": problem.code,
                "message": "A recognition error occurred in the query."
                if problem.code == "SyntaxError"
                else "A semantic error occurred.",
                "innererror": {"code": problem.code, "message": problem.message},
            },
        }
    }


def error(code: str, message: str) -> dict[str, Any]:
    """Any other error's body."""
    return {"error": {"code": code, "message": message}}


def encode(found: dict[str, Any]) -> bytes:
    """JSON as sent; NaN never occurs, it is a string in this format."""
    return json.dumps(found, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def _value(value: Any, kind: str) -> Any:
    if value is None:
        return None
    if isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else _not_finite(value)
    if isinstance(value, str):
        return value
    if isinstance(value, datetime):
        return _utc(value).isoformat() + "Z"
    if isinstance(value, date):
        return value.isoformat() + "T00:00:00Z"
    if isinstance(value, timedelta):
        return _timespan(value)
    if isinstance(value, Decimal):
        return str(value) if kind == "decimal" else float(value)
    if isinstance(value, list | dict | tuple):
        return json.dumps(value, ensure_ascii=False, default=lambda inner: _value(inner, "string"))
    return str(value)


def _not_finite(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"


def _timespan(value: timedelta) -> str:
    """`[-][d.]hh:mm:ss[.fffffff]`."""
    sign, value = ("-", -value) if value < timedelta(0) else ("", value)
    hours, rest = divmod(value.seconds, 3600)
    minutes, seconds = divmod(rest, 60)
    days = f"{value.days}." if value.days else ""
    fraction = f".{value.microseconds:06d}0" if value.microseconds else ""
    return f"{sign}{days}{hours:02d}:{minutes:02d}:{seconds:02d}{fraction}"


def _utc(moment: datetime) -> datetime:
    """UTC without a zone, as DuckDB's TIMESTAMP is."""
    return moment if moment.tzinfo is None else moment.astimezone(UTC).replace(tzinfo=None)


def _moment(text: str) -> datetime:
    try:
        return _utc(datetime.fromisoformat(text))
    except (ValueError, OverflowError) as problem:
        raise BadRequest(f"timespan: {text!r} is not an ISO 8601 time.") from problem


def _duration(text: str) -> timedelta:
    match = _DURATION.match(text)
    if not match or not any(match.groups()):
        raise BadRequest(f"timespan: {text!r} is not an ISO 8601 duration.")
    try:
        return timedelta(**{unit: float(amount) for unit, amount in match.groupdict().items() if amount})
    except (ValueError, OverflowError) as problem:
        raise BadRequest(f"timespan: {text!r} is not an ISO 8601 duration.") from problem
