"""An incident's report as one HTML file: charts as SVG, queries and sources in it, nothing to fetch and nothing to run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from html import escape
from typing import TYPE_CHECKING

from services import report_charts, report_words

if TYPE_CHECKING:
    from services.incident_report import Report

POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
SOURCES_HERE = "<!--sources-->"
"""Where the sources are put once the rest was scrubbed: they were before they were hashed."""
_LOOK = """
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; margin: .5rem 0 1.5rem; }
th, td { text-align: left; vertical-align: top; padding: .25rem .5rem; border-bottom: 1px solid #94a3b8; overflow-wrap: anywhere; }
pre { overflow-x: auto; padding: .75rem; border: 1px solid #94a3b8; font-size: 13px; }
.words { white-space: pre-wrap; }
td:first-child { white-space: nowrap; }
svg { width: 100%; height: auto; }
@media print { details { display: none; } }
"""


def write(report: Report, *, made_at: datetime, made_by: str) -> str:
    """The whole report, with a mark where `put_sources` puts the sources."""
    title = f"{report.incident.id} {report.incident.title}"
    body = [
        f"<h1>{escape(title)}</h1>",
        _table(("What", "Is"), report_words.facts(report, made_at=made_at, made_by=made_by)),
        *_review(report),
        "<h2>Suspects</h2>",
        f"<p>{escape(report_words.RANKING)}</p>",
        _table(("#", "Change", "Began", "By", "Why"), report_words.suspects(report)),
        "<h2>Errors and latency</h2>",
        "<p>Times in UTC. The letters are the marks of the timeline.</p>",
        *_charts(report),
        _table(("When", "From, to", "Requests", "Failed", "Highest p95"), report_words.figures(report)),
        "<h2>Timeline</h2>",
        _table(("When", "Mark", "Kind", "What", "By", "Until"), report_words.timeline(report)),
        *_missing(report),
        "<h2>Queries</h2>",
        *(f"<h3>{escape(asked.name)}</h3><pre>{escape(asked.query)}</pre>" for asked in report.asked),
        "<h2>Sources</h2>",
        f"<p>This report was made of the JSON below; its SHA-256 is <code>{report.sha256}</code>.</p>",
        f"<details><summary>Sources as JSON</summary><pre id='sources'>{SOURCES_HERE}</pre></details>",
    ]
    return (
        "<!doctype html>\n<html lang='en'><head><meta charset='utf-8'>"
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        f"<title>{escape(title)}</title><style>{_LOOK}</style></head><body>\n" + "\n".join(body) + "\n</body></html>\n"
    )


def put_sources(written: str, sources: str) -> str:
    """The report with its sources in it."""
    return written.replace(SOURCES_HERE, escape(sources))


def _charts(report: Report) -> list[str]:
    axis = report_charts.Axis(
        start=report.span.start, end=report.span.end, step_seconds=report.span.step.total_seconds()
    )
    marks = [report_charts.Mark(at=entry.at, letter=letter) for letter, entry in report_words.marks(report)]
    drawn = []
    for name, draw in (("errors_by_code", report_charts.failures), ("latency", report_charts.latency)):
        rows = next((asked.rows for asked in report.asked if asked.name == name), None)
        if rows is None:
            drawn.append("<p>Not known: the telemetry was not asked, or did not answer.</p>")
        else:
            drawn.append(f"<figure>{draw(rows, axis, marks)}</figure>")
    return drawn


def _review(report: Report) -> list[str]:
    review = report.incident.review
    parts = []
    if review:
        parts = [
            "<h2>What happened</h2>",
            f"<p class='words'>{escape(review.what_happened)}</p>",
            "<h2>What helped</h2>",
            f"<p class='words'>{escape(review.what_helped)}</p>",
        ]
    if report.actions:
        parts += ["<h2>Actions</h2>", _table(("What", "Owner", "Until", "Done"), report_words.actions(report))]
    return parts


def _missing(report: Report) -> list[str]:
    if not report.missing:
        return []
    return ["<h2>Not known</h2>", f"<ul>{''.join(f'<li>{escape(text)}</li>' for text in report.missing)}</ul>"]


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = ["".join(f"<td class='words'>{escape(cell)}</td>" for cell in row) for row in rows]
    if not lines:
        return "<p>None.</p>"
    heads = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    return (
        f"<table><thead><tr>{heads}</tr></thead><tbody>{''.join(f'<tr>{line}</tr>' for line in lines)}</tbody></table>"
    )
