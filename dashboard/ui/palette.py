"""Colours of chart series: one palette, the same colour for the same service everywhere, told apart without colour too."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

# Streamlit writes the theme's `chartCategoricalColors` over these placeholders in the browser, so that a chart follows
# a switch between light and dark without being drawn anew.
SERIES = tuple(f"#{number:06d}" for number in range(1, 9))

DASHES = ("solid", "dash", "dot", "dashdot")
BEFORE = "dash"
"""The line of the period before."""

SOFT = "soft"
"""A failure answered as 200."""
NO_ANSWER = "no answer"
# Codes keep one colour in both themes; the word in the legend tells them apart where colour does not.
_CODES: dict[str, tuple[str, str]] = {
    "401": ("#B08D1E", "."),
    "413": ("#9A7B4F", "+"),
    "429": ("#B08D1E", "x"),
    "500": ("#D14343", ""),
    "502": ("#E0663A", "/"),
    "503": ("#B8578F", "\\"),
    "504": ("#8B6FD6", "x"),
    SOFT: ("#3F8FC4", "."),
    NO_ANSWER: ("#7A8799", "x"),
}
_CLASSES: dict[str, tuple[str, str]] = {
    "2": ("#3C9A73", ""),
    "3": ("#7A8799", ""),
    "4": ("#B08D1E", "-"),
    "5": ("#D14343", "|"),
}
SOURCES: Mapping[str, str] = {"container": "", "front end": "/", "probe": ".", "test": "x"}
"""Where a failed request was seen, and the pattern of its bars."""
NEUTRAL = "#7A8799"

# What happened: dark enough for white words on them, in both themes.
EVENTS: Mapping[str, str] = {
    "deployment": "#6D28D9",
    "change": "#475569",
    "scale": "#0E7490",
    "keys": "#9D3C72",
    "incident": "#B91C1C",
}
ON_FLAG = "#FFFFFF"

# A percentile is told by its dash: the colour is the service's.
PERCENTILES: dict[str, str] = {"p50": "solid", "p95": "dash", "p99": "dot"}


def of(name: str) -> str:
    """The colour of a service."""
    return SERIES[_number(name) % len(SERIES)]


def dash(name: str) -> str:
    """The dash of a service's line, for when two services of one chart have the same colour."""
    return DASHES[_number(name) // len(SERIES) % len(DASHES)]


def tint(colour: str) -> str:
    """The same colour as a tint beneath a line."""
    return f"{colour}1f"


def code(name: str, source: str = "") -> tuple[str, str]:
    """Colour and pattern of a response code or of `soft`, seen by that source; without one the pattern is the code's."""
    colour, pattern = _CODES.get(name) or _CLASSES.get(name[:1], (NEUTRAL, ""))
    return colour, SOURCES.get(source, pattern)


def code_name(name: str, source: str = "") -> str:
    """How a code stands in a legend: `502 container`."""
    word = "failed 200" if name == SOFT else name
    return f"{word} {source}".strip()


def _number(name: str) -> int:
    # Python's own hash of a text differs from process to process.
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big")
