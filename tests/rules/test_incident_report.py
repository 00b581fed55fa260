"""The charts and the words of an incident's report: every failure drawn once, gaps as gaps, steps on the right side."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from xml.etree import ElementTree

from services import report_charts, report_markdown, report_words
from services.incident_report import Asked, Report, span_of
from services.incident_story import Story
from services.monitoring import ChartName
from services.suspects import Hurt
from services.timeline import Entry
from tests.rules.test_incident_rules import NOON, OPEN

AXIS = report_charts.Axis(start=NOON, end=NOON + timedelta(hours=1), step_seconds=60)


def _rows(counted: dict[tuple[int, int], int]) -> list[dict[str, Any]]:
    """Rows of `errors_by_code`: how many, by minute after noon and code."""
    return [
        {"TimeGenerated": NOON + timedelta(minutes=minute), "Service": "wine-prod", "Code": code, "n": n}
        for (minute, code), n in counted.items()
    ]


def _report(asked: dict[ChartName, list[dict[str, Any]]], *, entries: tuple[Entry, ...] = ()) -> Report:
    incident = replace(
        OPEN, started_at=NOON + timedelta(minutes=10, seconds=30), stable_at=NOON + timedelta(minutes=20)
    )
    hurt = Hurt(
        services=frozenset({"wine-prod"}),
        computes=frozenset(),
        applications=frozenset(),
        codes=frozenset(),
        since=NOON,
        is_since_first_bad=False,
    )
    story = Story(incident=incident, entries=entries, first_bad=None, hurt=hurt, suspects=(), signatures=(), missing=())
    span = replace(span_of(incident, NOON + timedelta(minutes=40)), start=NOON, step=timedelta(minutes=1))
    return Report(
        workspace="s/g/w",
        incident=incident,
        story=story,
        actions=(),
        span=span,
        asked=tuple(Asked(name=name, query="Requests", rows=tuple(rows), partial=None) for name, rows in asked.items()),
        missing=(),
        sources="{}",
    )


def test_every_failure_is_drawn_once_and_stacked_upon_the_others() -> None:
    drawn = report_charts.failures(_rows({(1, 502): 3, (1, 503): 2, (5, 200): 4}), AXIS, [])

    titles = re.findall(r"<title>(\d\d:\d\d):00 UTC: (\d+) × ([^<]+)</title>", drawn)
    assert sorted(titles) == [("12:01", "2", "503"), ("12:01", "3", "502"), ("12:05", "4", "failed inside a 200")]
    bars = [bar for bar in ElementTree.fromstring(drawn).iter() if bar.tag.endswith("rect") and len(bar)]
    first, second = bars[-2:] if bars[0].get("x") != bars[1].get("x") else bars[:2]
    assert float(second.get("y", 0)) + float(second.get("height", 0)) == float(first.get("y", 0))


def test_a_step_without_a_row_breaks_the_line() -> None:
    rows = [
        {"TimeGenerated": NOON + timedelta(minutes=minute), "Service": "wine-prod", "p95": 12.5}
        for minute in (1, 2, 3, 9, 10)
    ]

    drawn = report_charts.latency(rows, AXIS, [report_charts.Mark(at=NOON + timedelta(minutes=2), letter="A")])

    assert drawn.count("<polyline") == 2
    assert ">A</text>" in drawn
    ElementTree.fromstring(drawn)


def test_names_from_outside_are_written_as_text() -> None:
    rows = [{"TimeGenerated": NOON, "Service": "<script>x</script>", "p95": 1.0}]

    assert "<script>" not in report_charts.latency(rows, AXIS, [])


def test_the_step_in_which_it_began_is_not_counted_before_it() -> None:
    report = _report(
        {
            "errors_by_code": _rows({(10, 502): 30, (11, 502): 5, (25, 502): 1}),
            "request_rate": _rows({(2, 0): 100, (10, 0): 40, (25, 0): 60}),
            "latency": [],
        }
    )

    rows = {row[0]: row[2:] for row in report_words.figures(report)}

    assert rows["before"] == ("100", "none", "not known")
    assert rows["during"] == ("40", "35 × 502", "not known")
    assert rows["after"] == ("60", "1 × 502", "not known")


def test_a_table_in_markdown_stays_a_table_whatever_is_in_its_cells() -> None:
    note = Entry(at=NOON, kind="note", text="a | b\n\n# c <img>", person="x")

    written = report_markdown.write(
        _report({}, entries=(note,)), made_at=datetime(2026, 11, 21, 13, 0, tzinfo=UTC), made_by="local operator"
    )

    assert "a \\| b # c &lt;img>" in written
    assert "None." in written
