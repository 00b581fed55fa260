"""Colours of chart series: one palette, the same colour for the same service everywhere, told apart without colour too."""

from __future__ import annotations

import hashlib

# Streamlit writes the theme's `chartCategoricalColors` over these placeholders in the browser, so that a chart follows
# a switch between light and dark without being drawn anew.
SERIES = tuple(f"#{number:06d}" for number in range(1, 9))

DASHES = ("solid", "dash", "dot", "dashdot")

# Codes keep one colour in both themes; the pattern tells them apart where colour does not.
_CODES: dict[str, tuple[str, str]] = {
    "401": ("#B08D1E", "."),
    "413": ("#9A7B4F", "+"),
    "429": ("#B08D1E", "x"),
    "500": ("#D14343", ""),
    "502": ("#E0663A", "/"),
    "503": ("#B8578F", "\\"),
    "504": ("#8B6FD6", "x"),
    "soft": ("#3F8FC4", "."),
}
_CLASSES: dict[str, tuple[str, str]] = {
    "2": ("#3C9A73", ""),
    "3": ("#7A8799", ""),
    "4": ("#B08D1E", "-"),
    "5": ("#D14343", "|"),
}
NEUTRAL = "#7A8799"

# A percentile is told by its dash: the colour is the service's.
PERCENTILES: dict[str, str] = {"p50": "solid", "p95": "dash", "p99": "dot"}


def of(name: str) -> str:
    """The colour of a service."""
    return SERIES[_number(name) % len(SERIES)]


def dash(name: str) -> str:
    """The dash of a service's line, for when two services of one chart have the same colour."""
    return DASHES[_number(name) // len(SERIES) % len(DASHES)]


def code(name: str) -> tuple[str, str]:
    """Colour and pattern of a response code or of `soft`, a failure answered as 200."""
    return _CODES.get(name) or _CLASSES.get(name[:1], (NEUTRAL, ""))


def _number(name: str) -> int:
    # Python's own hash of a text differs from process to process.
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big")
