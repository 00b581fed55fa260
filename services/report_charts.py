"""The charts of a report: plain SVG, drawn from the rows of a query, with nothing to be fetched or run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape
from typing import Any

WIDTH, HEIGHT = 960, 260
LEFT, RIGHT, TOP, BOTTOM = 56, 12, 30, 28
TICKS = 6
COLOURS: Mapping[str, str] = {
    "401": "#B08D1E",
    "500": "#D14343",
    "502": "#E0663A",
    "503": "#B8578F",
    "504": "#8B6FD6",
    "failed inside a 200": "#3F8FC4",
}
SERIES = ("#0072B2", "#C2560B", "#117A65", "#AA3377", "#332288", "#8C6D00")
MARK = "#64748B"


@dataclass(frozen=True, kw_only=True)
class Mark:
    """Something that happened, as an upright line with its letter."""

    at: datetime
    letter: str


@dataclass(frozen=True, kw_only=True)
class Axis:
    """One axis of time for all charts of a report."""

    start: datetime
    end: datetime
    step_seconds: float

    def x(self, at: datetime) -> float:
        """Where a time stands, in SVG's units."""
        share = (at - self.start).total_seconds() / (self.end - self.start).total_seconds()
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    @property
    def step(self) -> float:
        """How wide a step is."""
        return self.step_seconds / (self.end - self.start).total_seconds() * (WIDTH - LEFT - RIGHT)


def failures(rows: Sequence[Mapping[str, Any]], axis: Axis, marks: Sequence[Mark]) -> str:
    """Failed requests stacked by code; from the rows of `errors_by_code`."""
    counted: dict[str, dict[datetime, int]] = {}
    for row in rows:
        name = code_name(row["Code"])
        of_code = counted.setdefault(name, {})
        of_code[row["TimeGenerated"]] = of_code.get(row["TimeGenerated"], 0) + row["n"]
    totals: dict[datetime, int] = {}
    for of_code in counted.values():
        for at, n in of_code.items():
            totals[at] = totals.get(at, 0) + n
    highest = max(totals.values(), default=0) or 1
    drawn, floor = [], dict.fromkeys(totals, 0)
    for place, name in enumerate(sorted(counted)):
        colour = COLOURS.get(name, SERIES[place % len(SERIES)])
        for at, n in sorted(counted[name].items()):
            top, bottom = _y(floor[at] + n, highest), _y(floor[at], highest)
            floor[at] += n
            drawn.append(
                f'<rect x="{axis.x(at):.1f}" y="{top:.1f}" width="{max(axis.step * 0.9, 1):.1f}" '
                f'height="{bottom - top:.1f}" fill="{colour}"><title>{at:%H:%M:%S} UTC: {n} × {escape(name)}</title></rect>'
            )
    legend = [(name, COLOURS.get(name, SERIES[place % len(SERIES)])) for place, name in enumerate(sorted(counted))]
    return _svg("Failed requests by code", "failed requests", "".join(drawn), highest, legend, axis, marks)


def latency(rows: Sequence[Mapping[str, Any]], axis: Axis, marks: Sequence[Mark]) -> str:
    """The p95 of each service over time; from the rows of `latency`. A step without a row breaks the line."""
    by_service: dict[str, list[tuple[datetime, float]]] = {}
    for row in rows:
        if row["p95"] is not None:
            by_service.setdefault(row["Service"], []).append((row["TimeGenerated"], float(row["p95"])))
    highest = max((value for points in by_service.values() for _, value in points), default=0) or 1
    drawn, legend = [], []
    for place, (service, points) in enumerate(sorted(by_service.items())):
        colour = SERIES[place % len(SERIES)]
        legend.append((f"{service} p95", colour))
        for piece in _pieces(sorted(points), axis.step_seconds):
            path = " ".join(f"{axis.x(at) + axis.step / 2:.1f},{_y(value, highest):.1f}" for at, value in piece)
            drawn.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
            drawn += [
                f'<circle cx="{axis.x(at) + axis.step / 2:.1f}" cy="{_y(value, highest):.1f}" r="2.5" fill="{colour}">'
                f"<title>{at:%H:%M:%S} UTC: {value:,.0f} ms</title></circle>"
                for at, value in piece
            ]
    return _svg("Latency in the container", "ms", "".join(drawn), highest, legend, axis, marks)


def code_name(code: int | None) -> str:
    """A code as the charts name it."""
    return str(code) if code is not None and code >= 400 else "failed inside a 200"


def _pieces(points: Sequence[tuple[datetime, float]], step: float) -> list[list[tuple[datetime, float]]]:
    pieces: list[list[tuple[datetime, float]]] = []
    for at, value in points:
        if pieces and (at - pieces[-1][-1][0]).total_seconds() <= step * 1.5:
            pieces[-1].append((at, value))
        else:
            pieces.append([(at, value)])
    return pieces


def _svg(
    title: str,
    unit: str,
    drawn: str,
    highest: float,
    legend: Sequence[tuple[str, str]],
    axis: Axis,
    marks: Sequence[Mark],
) -> str:
    parts = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}" '
        'xmlns="http://www.w3.org/2000/svg" font-family="sans-serif" font-size="11" fill="currentColor">'
    ]
    for part in range(5):
        value = highest * part / 4
        y = _y(value, highest)
        parts.append(
            f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="#94A3B8" stroke-width="0.5"/>'
        )
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{_number(value)}</text>')
    for part in range(TICKS + 1):
        at = axis.start + (axis.end - axis.start) * part / TICKS
        anchor = "end" if part == TICKS else "middle" if part else "start"
        parts.append(f'<text x="{axis.x(at):.1f}" y="{HEIGHT - 8}" text-anchor="{anchor}">{at:%H:%M}</text>')
    parts.append(f'<text x="4" y="{TOP - 14}">{escape(unit)}</text>')
    x = LEFT + 90.0
    for name, colour in legend:
        parts.append(f'<rect x="{x}" y="{TOP - 23}" width="10" height="10" fill="{colour}"/>')
        parts.append(f'<text x="{x + 14}" y="{TOP - 14}">{escape(name)}</text>')
        x += 30 + 7 * len(name)
    parts.append(drawn)
    for place, mark in enumerate(marks):
        if axis.start <= mark.at <= axis.end:
            x = axis.x(mark.at)
            parts.append(
                f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}" stroke="{MARK}" '
                'stroke-dasharray="3 3"/>'
            )
            parts.append(
                f'<text x="{x + 2:.1f}" y="{TOP + 9 + 11 * (place % 4)}" font-weight="bold">{escape(mark.letter)}</text>'
            )
    return "".join(parts) + "</svg>"


def _y(value: float, highest: float) -> float:
    return HEIGHT - BOTTOM - value / highest * (HEIGHT - BOTTOM - TOP)


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 or value == int(value) else f"{value:.1f}"
