"""An incident's report as Markdown: for a ticket, a wiki or a repository."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from services import report_words

if TYPE_CHECKING:
    from services.incident_report import Report


def write(report: Report, *, made_at: datetime, made_by: str) -> str:
    """The whole report."""
    incident = report.incident
    parts = [
        f"# {incident.id} {_line(incident.title)}",
        _table(("What", "Is"), report_words.facts(report, made_at=made_at, made_by=made_by)),
        *_review(report),
        "## Suspects",
        report_words.RANKING,
        _table(("#", "Change", "Began", "By", "Why"), report_words.suspects(report)),
        "## Figures",
        "Requests as the telemetry has them; failures by the code the caller saw. The HTML report draws them.",
        _table(("When", "From, to", "Requests", "Failed", "Highest p95"), report_words.figures(report)),
        "## Timeline",
        _table(("When", "Mark", "Kind", "What", "By", "Until"), report_words.timeline(report)),
        *_missing(report),
        "## Queries",
        *(f"### {asked.name}\n\n{_fence(asked.query)}" for asked in report.asked),
        "## Sources",
        f"This report was made of {len(report.sources.encode()):,} bytes of JSON with the SHA-256 `{report.sha256}`. "
        "The export “Sources” of the same moment is that JSON.",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _review(report: Report) -> list[str]:
    review = report.incident.review
    parts = []
    if review:
        parts = ["## What happened", review.what_happened, "## What helped", review.what_helped]
    if report.actions:
        parts += ["## Actions", _table(("What", "Owner", "Until", "Done"), report_words.actions(report))]
    return parts


def _missing(report: Report) -> list[str]:
    return ["## Not known", "\n".join(f"- {_line(sentence)}" for sentence in report.missing)] if report.missing else []


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(_cell(cell) for cell in row)} |" for row in rows]
    if not lines:
        return "None."
    return "\n".join([f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}", *lines])


def _cell(text: str) -> str:
    return _line(text).replace("|", "\\|").replace("<", "&lt;")


def _line(text: str) -> str:
    return " ".join(text.split())


def _fence(text: str) -> str:
    # A query may hold backticks of its own.
    fence = "```"
    while fence in text:
        fence += "`"
    return f"{fence}kql\n{text.rstrip()}\n{fence}"
