"""Charts that are true: each asks Log Analytics through one file of KQL and says what it cannot see."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from services.azuremonitor.client import LogAnalytics
from services.azuremonitor.tables import Table
from services.clock import Clock
from services.live import KQL_DEADLINE_SECONDS, Live
from services.operations.desk import Operations
from services.operations.records import Operation
from services.webservices import Webservices

ChartName = Literal[
    "request_rate", "latency", "errors_by_code", "service_summary", "slots", "last_rows", "recent_failures"
]

BLIND_SPOTS: dict[str, str] = {
    "request_rate": "Counts what reached a container. Calls refused before that (401, 413, 503, a 504 of the front end) "
    "are not in this telemetry.",
    "latency": "Time inside the container, in whole milliseconds as the server reports it. Waiting in the front end's "
    "queue and the network are not in it.",
    "errors_by_code": "Codes as the caller saw them: a 500 of the container leaves the front end as 502, a script that ran "
    "out of time as 504. What the front end refuses by itself (401, 413, 503, its own 504) is not in this telemetry.",
}
MARKED_KINDS = (
    "service.deploy",
    "service.update",
    "keys.regenerate",
    "keys.set",
    "keys.rotate_idle",
    "keys.rotate_other",
)


@dataclass(frozen=True, kw_only=True)
class Span:
    """From `start` up to but not including `end`, in steps; aware UTC."""

    start: datetime
    end: datetime
    step: timedelta


class Monitoring:
    """Asks for charts."""

    def __init__(
        self,
        live: Live,
        logs: Callable[[], LogAnalytics],
        webservices: Webservices,
        operations: Operations,
        *,
        clock: Clock,
    ) -> None:
        self._live = live
        self._logs = logs
        self._webservices = webservices
        self._operations = operations
        self._clock = clock

    def chart(self, name: ChartName, span: Span, *, services: Sequence[str] = (), include_ours: bool = False) -> Table:
        """The rows of one chart; equal questions of several people are asked once. `Table.query` is what ran."""
        chosen = tuple(sorted(services))
        return self._live.shared(
            ("chart", name, span, chosen, include_ours),
            lambda: self._logs().ask(
                name, services=chosen, start=span.start, end=span.end, step=span.step, include_ours=include_ours
            ),
            what="The telemetry",
            deadline=KQL_DEADLINE_SECONDS,
        )

    def query_text(
        self, name: ChartName, span: Span, *, services: Sequence[str] = (), include_ours: bool = False
    ) -> str:
        """The KQL a chart runs, without running it."""
        return self._logs().render(
            name,
            services=tuple(sorted(services)),
            start=span.start,
            end=span.end,
            step=span.step,
            include_ours=include_ours,
        )

    def consumers(self, service: str) -> Table:
        """Who called a service with which key in the last day, by the client request id convention."""
        now = self._clock.now().replace(second=0, microsecond=0)
        span = Span(start=now - timedelta(days=1), end=now + timedelta(minutes=1), step=timedelta(hours=1))
        return self.chart("slots", span, services=[service])

    def changes(self, span: Span, *, services: Sequence[str] = ()) -> list[Operation]:
        """The operations to mark on a time chart: those that changed one of the services in the span, oldest first."""
        found = self._operations.page(subject_kind="service", since=span.start, until=span.end, limit=200)
        wanted = [
            operation
            for operation in found
            if operation.kind in MARKED_KINDS and (not services or operation.subject in services)
        ]
        return list(reversed(wanted))

    def insights_off(self, services: Sequence[str] = ()) -> list[str]:
        """The services whose Application Insights is off: the charts cannot see them."""
        return [
            listed.service.name
            for listed in self._webservices.all()
            if (not services or listed.service.name in services)
            and not listed.service.broken
            and not listed.service.configuration.get("enable_app_insights")
        ]
