"""Search over what all services printed and raised, by the containers' telemetry; texts scrubbed and masked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, cast

from services import questions
from services.access import Person
from services.azuremonitor.client import LogAnalytics
from services.errors import Invalid
from services.live import KQL_DEADLINE_SECONDS, Live
from services.operations.desk import Operations
from services.personal_data import mask_text
from services.scrubbing import scrub
from services.stacks import innermost

MOST = 500
LONGEST_TEXT = 200
Kind = Literal["print", "exception"]


@dataclass(frozen=True, kw_only=True)
class Trace:
    """One line a service wrote; an exception is its innermost cause in one line."""

    at: datetime
    service: str
    kind: Kind
    text: str
    request_id: str


class Traces:
    """Search."""

    def __init__(self, live: Live, logs: Callable[[], LogAnalytics], operations: Operations) -> None:
        self._live = live
        self._logs = logs
        self._operations = operations

    def search(
        self, person: Person, text: str, *, start: datetime, end: datetime, service: str | None = None
    ) -> list[Trace]:
        """The newest lines with this text in any case, of one service or all; at most 500."""
        text = text.strip()
        self._operations.check(person, "logs.follow", "service", service or "all services")
        if len(text) > LONGEST_TEXT:
            raise Invalid("Search for at most 200 characters.", field="text")
        return self._live.shared(
            ("traces", text, service, start, end),
            lambda: self._search(text, service or "", start, end),
            what="The telemetry",
            deadline=KQL_DEADLINE_SECONDS,
        )

    def _search(self, text: str, service: str, start: datetime, end: datetime) -> list[Trace]:
        rows = questions.ask(
            self._logs(), "traces_search", start=start, end=end, Wanted=text, WantedService=service
        ).dicts()
        return [
            Trace(
                at=row["TimeGenerated"].astimezone(UTC),
                service=row["Service"],
                kind=cast(Kind, row["Kind"]),
                text=_line(row["Kind"], row["Text"]),
                request_id=row["RequestId"] or "",
            )
            for row in rows
        ]


def _line(kind: str, text: str) -> str:
    if kind != "exception":
        return mask_text(scrub(text), keep_names=False)
    cause = innermost(text)
    return f"{cause.type}: {scrub(cause.masked_message)} in {cause.place}" if cause.place else cause.type
