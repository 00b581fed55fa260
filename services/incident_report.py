"""The report of an incident: all it is made of is gathered once, hashed, and written as Markdown, HTML or JSON.

Who exports is checked and recorded. Everything in it is scrubbed; times are UTC.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, is_dataclass
from datetime import date, datetime, timedelta
from typing import Any, Literal, get_args

from services import report_html, report_markdown
from services.access import Person
from services.audit import Audit
from services.azuremonitor.tables import Table
from services.clock import Clock
from services.errors import DeskError, NotFound
from services.incident_notes import IncidentNotes
from services.incident_records import Action, Incident
from services.incident_story import Stories, Story
from services.monitoring import ChartName, Monitoring, Span
from services.operations.desk import Operations
from services.scrubbing import scrub

Form = Literal["md", "html", "json"]
FORMS: tuple[Form, ...] = get_args(Form)
MEDIA: Mapping[str, str] = {
    "md": "text/markdown; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "json": "application/json; charset=utf-8",
}
CHARTS: tuple[ChartName, ...] = ("errors_by_code", "latency", "request_rate")
BEFORE = timedelta(minutes=20)
"""So much of the time before it began is in the charts, to compare with."""
SHORTEST = timedelta(minutes=40)
LONGEST = timedelta(days=30)
STEPS = tuple(timedelta(seconds=s) for s in (30, 60, 120, 300, 900, 3600, 10_800, 43_200))
MOST_STEPS = 150


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One question to the telemetry: the query that ran and its rows."""

    name: ChartName
    query: str
    rows: tuple[dict[str, Any], ...]
    partial: str | None


@dataclass(frozen=True, kw_only=True)
class Report:
    """What a report is made of."""

    workspace: str
    incident: Incident
    story: Story
    actions: tuple[Action, ...]
    span: Span
    asked: tuple[Asked, ...]
    missing: tuple[str, ...]
    sources: str
    """All of it as canonical JSON."""

    @property
    def sha256(self) -> str:
        """The hash of its sources."""
        return hashlib.sha256(self.sources.encode()).hexdigest()

    def rows(self, name: ChartName) -> tuple[dict[str, Any], ...]:
        """The rows of one question; none when it was not answered."""
        return next((asked.rows for asked in self.asked if asked.name == name), ())


@dataclass(frozen=True, kw_only=True)
class Exported:
    """A report as a file."""

    name: str
    media_type: str
    content: str


class IncidentReports:
    """Gather and write."""

    def __init__(
        self,
        stories: Stories,
        notes: IncidentNotes,
        operations: Operations,
        monitoring: Monitoring,
        audit: Audit,
        *,
        workspace: str,
        clock: Clock,
    ) -> None:
        self._stories = stories
        self._notes = notes
        self._operations = operations
        self._monitoring = monitoring
        self._audit = audit
        self._workspace = workspace
        self._clock = clock

    def export(self, person: Person, incident_id: str, form: str) -> Exported:
        """Write the report; that it was exported, by whom and with which hash, is recorded first."""
        self._operations.check(person, "incident.export", "incident", incident_id)
        if form not in FORMS:
            raise NotFound(f"There is no report in the form {form}: choose md, html or json.")
        report = self.gather(incident_id)
        self._audit.record_alone(
            person, "incident.export", "incident", report.incident.id, after={"form": form, "sha256": report.sha256}
        )
        made = self._clock.now()
        if form == "json":
            content = report.sources
        elif form == "md":
            content = scrub(report_markdown.write(report, made_at=made, made_by=person.name))
        else:
            written = scrub(report_html.write(report, made_at=made, made_by=person.name))
            content = report_html.put_sources(written, report.sources)
        return Exported(name=f"{report.incident.id}.{form}", media_type=MEDIA[form], content=content)

    def gather(self, incident_id: str) -> Report:
        """All that is known now; what could not be asked is named."""
        story = self._stories.of(incident_id)
        incident, missing = story.incident, list(story.missing)
        span = span_of(incident, self._clock.now())
        asked = []
        for name in CHARTS if incident.services else ():
            try:
                asked.append(_asked(name, self._monitoring.chart(name, span, services=incident.services)))
            except DeskError as error:
                missing.append(f"The query {name} was not answered: {error.sentence}")
        actions = tuple(self._notes.actions(incident_id))
        sources = {
            "workspace": self._workspace,
            "incident": incident,
            "first_bad_request": story.first_bad,
            "suspects": story.suspects,
            "timeline": story.entries,
            "actions": actions,
            "charts": asked,
            "span": span,
            "missing": missing,
        }
        return Report(
            workspace=self._workspace,
            incident=incident,
            story=story,
            actions=actions,
            span=span,
            asked=tuple(asked),
            missing=tuple(missing),
            sources=scrub(json.dumps(_plain(sources), sort_keys=True, ensure_ascii=False, indent=1)),
        )


def span_of(incident: Incident, now: datetime) -> Span:
    """What the charts of a report show: from a while before it began until now, or a while after it was over."""
    end = min(now, (incident.closed_at or now) + BEFORE)
    start = max(min(incident.started_at - BEFORE, end - SHORTEST), end - LONGEST)
    step = next((step for step in STEPS if (end - start) / step <= MOST_STEPS), STEPS[-1])
    seconds = int(step.total_seconds())
    first = datetime.fromtimestamp(int(start.timestamp()) // seconds * seconds, tz=start.tzinfo)
    last = datetime.fromtimestamp((int(end.timestamp()) // seconds + 1) * seconds, tz=end.tzinfo)
    return Span(start=first, end=last, step=step)


def _asked(name: ChartName, table: Table) -> Asked:
    return Asked(name=name, query=table.query, rows=tuple(table.dicts()), partial=table.partial)


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return {name: _plain(part) for name, part in asdict(value).items()}
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, Mapping):
        return {str(name): _plain(part) for name, part in value.items()}
    if isinstance(value, frozenset | set):
        return sorted(_plain(part) for part in value)
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    return value
