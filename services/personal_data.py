"""Hides values that may be about people: answers, prints and messages are shown by their form until somebody unmasks them.

What stays is what helps to find a fault: names of fields, lengths of lists, words of an error. What goes is every text,
number and name a caller may have sent.
"""

from __future__ import annotations

import json
import re
from typing import Any

HIDDEN_TEXT = "•••"
HIDDEN_NUMBER = "•"
SHOWN_ITEMS = 3
"""How many elements of a list are drawn; the rest is a count."""

_QUOTED = re.compile(r"(?<![\w])'[^'\n]*'|\"[^\"\n]*\"")
_ADDRESS = re.compile(r"[\w.+-]+@[\w-]+\.[\w.-]+")
_NUMBER = re.compile(r"(?<![A-Za-z_])[-+]?\d[\d.,:/-]*(?:[eE][-+]?\d+)?")
_NAME = re.compile(r"(?<=[^\w.!?\n])[A-ZÀ-Þ][\w’'-]*(?![\w(]*(?:Error|Exception|Warning)\b)")
_KIND = re.compile(r"(?:Error|Exception|Warning|Timeout|None|True|False|NaN|JSON)$")
_SAYS_WHY = frozenset({"error", "errors", "exception", "message", "detail", "reason", "traceback", "error_message"})
_LIKE_AN_ERROR = re.compile(
    r"error|exception|traceback|timeout|timed out|failed|could not|cannot|missing|invalid|expect|unexpected|not in ",
    re.IGNORECASE,
)


def mask(text: str) -> str:
    """An answer by its form: JSON keeps its fields, a text that reads like an error its words, all else is hidden."""
    if not text.strip():
        return text
    try:
        found = json.loads(text)
    except ValueError:
        return mask_text(text) if _LIKE_AN_ERROR.search(text) else HIDDEN_TEXT
    if isinstance(found, str):
        # An older server encodes the answer once more.
        return mask(found) if found.strip().startswith(("{", "[", '"')) else _string(found)
    return json.dumps(_masked(found), ensure_ascii=False, indent=2)


def mask_text(text: str, *, keep_names: bool = True) -> str:
    """Words without quoted texts, numbers and addresses; without `keep_names` also without capitalised words."""
    text = _QUOTED.sub(lambda found: found[0][0] + HIDDEN_TEXT + found[0][0], text)
    text = _ADDRESS.sub(HIDDEN_TEXT, text)
    text = _NUMBER.sub(HIDDEN_NUMBER, text)
    if keep_names:
        return text
    return _NAME.sub(lambda found: found[0] if _KIND.search(found[0]) else HIDDEN_TEXT, text)


def _masked(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            name: mask_text(inner) if isinstance(inner, str) and name.lower() in _SAYS_WHY else _masked(inner)
            for name, inner in value.items()
        }
    if isinstance(value, list):
        shown = [_masked(inner) for inner in value[:SHOWN_ITEMS]]
        return [*shown, f"… {len(value) - SHOWN_ITEMS:,} more"] if len(value) > SHOWN_ITEMS else shown
    if isinstance(value, str):
        return _string(value)
    if value is None or isinstance(value, bool):
        return value
    return HIDDEN_NUMBER


def _string(value: str) -> str:
    return mask_text(value) if _LIKE_AN_ERROR.search(value) else HIDDEN_TEXT if value else ""
