"""Values as KQL literals: the Log Analytics API takes no parameters, so they are written into the text.

A KQL string in double quotes escapes as JSON does. The one difference is `\\uXXXX`, which not every reader of KQL
decodes; JSON needs it only for control characters, and those have no place in a name.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from services.errors import Invalid

_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_UNITS = (("d", timedelta(days=1)), ("h", timedelta(hours=1)), ("m", timedelta(minutes=1)), ("s", timedelta(seconds=1)))


def string(value: str) -> str:
    """A string literal that means exactly this text."""
    if _CONTROL.search(value):
        raise Invalid("This name contains control characters: choose it from the list instead of typing it.")
    return json.dumps(value, ensure_ascii=False)


def strings(values: Iterable[str]) -> str:
    """A parenthesised list of string literals, for `in`."""
    return "(" + ", ".join(string(value) for value in values) + ")"


def moment(value: datetime) -> str:
    """A datetime literal, always UTC."""
    if value.tzinfo is None:
        raise ValueError("a moment without a time zone")
    return f"datetime({value.astimezone(UTC).isoformat().replace('+00:00', 'Z')})"


def duration(value: timedelta) -> str:
    """A timespan literal in the largest unit that fits."""
    if value <= timedelta(0):
        raise Invalid("The step has to be longer than nothing: choose a longer one.", field="step")
    for unit, size in _UNITS:
        if value % size == timedelta(0):
            return f"{value // size}{unit}"
    return f"{value // timedelta(milliseconds=1)}ms"
