"""What both forms of an incident's report say, in the same words: facts, table rows, figures before and during it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from services.health import in_words
from services.monitoring import ChartName
from services.onset import RULE
from services.report_charts import code_name
from services.timeline import Entry

if TYPE_CHECKING:
    from services.incident_report import Report

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
KINDS: Mapping[str, str] = {
    "change": "change",
    "state": "state",
    "alert": "alert",
    "request": "first bad request",
    "failure": "new error",
    "log": "kept log",
    "note": "note",
    "incident": "incident",
    "record": "audit",
}
MARKED = ("change", "request", "alert")
RANKING = (
    "Ranked by how close before the first bad request a change was, whether it shares service, cluster or application "
    f"with what failed, how risky its kind is, and whether an error appeared after it for the first time. {RULE}"
)


def moment(at: datetime | None) -> str:
    """A time in UTC; a dash where there is none."""
    return f"{at:%Y-%m-%d %H:%M:%S} UTC" if at else "–"


def facts(report: Report, *, made_at: datetime, made_by: str) -> list[tuple[str, str]]:
    """What stands at the top."""
    incident, first = report.incident, report.story.first_bad
    return [
        ("Workspace", report.workspace),
        ("Status", incident.status),
        ("Severity", f"SEV{incident.severity}"),
        ("Commander", incident.commander or "nobody"),
        ("Opened by", incident.opened_by),
        ("Services", ", ".join(incident.services) or "none named"),
        ("Began", moment(incident.started_at)),
        ("First bad request", f"{moment(first.at)}, {first.service} answered {first.code}" if first else "none found"),
        ("Detected", moment(incident.detected_at)),
        ("Stable", moment(incident.stable_at)),
        ("Closed", moment(incident.closed_at)),
        ("Lasted", in_words(incident.lasted(made_at))),
        ("Report", f"made {moment(made_at)} by {made_by}"),
        ("SHA-256 of its sources", report.sha256),
    ]


def suspects(report: Report) -> list[tuple[str, ...]]:
    """Place, change, when, by whom, why."""
    return [
        (
            str(place),
            suspect.change.title,
            moment(suspect.change.at),
            suspect.change.person or "not known",
            "; ".join(suspect.reasons),
        )
        for place, suspect in enumerate(report.story.suspects, start=1)
    ]


def actions(report: Report) -> list[tuple[str, ...]]:
    """What is to be done, by whom, until when, whether it is done."""
    return [
        (one.text, one.owner, f"{one.due:%Y-%m-%d}" if one.due else "–", "yes" if one.done_at else "no")
        for one in report.actions
    ]


def marks(report: Report) -> list[tuple[str, Entry]]:
    """What is marked in the charts, each with its letter; the newest that fit the alphabet."""
    found = [
        entry
        for entry in report.story.entries
        if entry.kind in MARKED and report.span.start <= entry.at < report.span.end
    ]
    return list(zip(LETTERS, found[-len(LETTERS) :], strict=False))


def timeline(report: Report) -> list[tuple[str, ...]]:
    """When, letter in the charts, kind, what, by whom, until when."""
    letters = {id(entry): letter for letter, entry in marks(report)}
    return [
        (
            moment(entry.at),
            letters.get(id(entry), ""),
            KINDS[entry.kind],
            f"{entry.text} ({entry.state})" if entry.state else entry.text,
            entry.person,
            moment(entry.ended_at) if entry.ended_at else "",
        )
        for entry in report.story.entries
    ]


def figures(report: Report) -> list[tuple[str, ...]]:
    """Requests, failures by code and the worst p95 before, during and after it; a step in which it began is during."""
    incident, step = report.incident, report.span.step
    began, ended = incident.started_at, incident.ended_at or report.span.end
    parts = (
        ("before", report.span.start, began, lambda at: at + step <= began),
        ("during", began, ended, lambda at: at + step > began and at < ended),
        ("after", ended, report.span.end, lambda at: at + step > began and at >= ended),
    )
    return [_figures(report, name, start, end, is_in) for name, start, end, is_in in parts if start < end]


def _figures(
    report: Report, name: str, start: datetime, end: datetime, is_in: Callable[[datetime], bool]
) -> tuple[str, ...]:
    def rows(chart: ChartName) -> list[Mapping[str, Any]]:
        return [row for row in report.rows(chart) if is_in(row["TimeGenerated"])]

    codes: dict[str, int] = {}
    for row in rows("errors_by_code"):
        codes[code_name(row["Code"])] = codes.get(code_name(row["Code"]), 0) + row["n"]
    slowest = max((row["p95"] for row in rows("latency") if row["p95"] is not None), default=None)
    return (
        name,
        f"{moment(start)} to {moment(end)}",
        f"{sum(row['n'] for row in rows('request_rate')):,}",
        ", ".join(f"{n:,} × {code}" for code, n in sorted(codes.items())) or "none",
        f"{slowest:,.0f} ms" if slowest is not None else "not known",
    )
