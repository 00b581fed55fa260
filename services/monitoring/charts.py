"""What the screens ask: charts, who calls, what changed, and how far all of it can be trusted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Literal

from services.access import Person
from services.azuremonitor.client import LogAnalytics
from services.azuremonitor.tables import Table
from services.bundles import Bundles
from services.clock import Clock
from services.live import KQL_DEADLINE_SECONDS, Live
from services.monitoring import own_requests, trust, versions
from services.monitoring.span import Span
from services.monitoring.trust import Awaited, ServiceTrust, Trust
from services.monitoring.versions import VersionRange
from services.operations.desk import Operations
from services.operations.records import Operation
from services.probes import ProbeResult, Probes, covered
from services.testing import Testing
from services.webservices import ListedService, Webservices

ChartName = Literal[
    "busiest",
    "request_rate",
    "latency",
    "errors_by_code",
    "replicas",
    "latency_split",
    "latency_heat",
    "service_summary",
    "slots",
    "last_rows",
    "recent_failures",
]

BLIND_SPOTS: dict[str, str] = {
    "request_rate": "Counts what reached a container. Calls refused before that (401, 413, 503, a 504 of the front end) "
    "are not in this telemetry.",
    "latency": "Time inside the container, in whole milliseconds as the server reports it. Waiting in the front end's "
    "queue and the network are not in it.",
    "errors_by_code": "Codes as the caller saw them: a 500 of the container leaves the front end as 502, a script that ran "
    "out of time as 504. What the front end refuses by itself (401, 413, 503, its own 504) is not in this telemetry.",
    "replicas": "Replicas that answered in a step, and the time they took for it: idle replicas and the queue are not in "
    "this telemetry.",
    "latency_split": "From the containers' telemetry there is only the total: neither it nor this desk knows there how long "
    "run() took. Probes and test requests tell it.",
    "latency_heat": "Time inside the container, in whole milliseconds as the server reports it. Waiting in the front end's "
    "queue and the network are not in it.",
}
SEEN_WITH_LOG: dict[str, str] = {
    "request_rate": "Calls the front end logged, each counted once with its row in the containers' telemetry.",
    "errors_by_code": "Codes as the caller saw them. A call that the front end's log and the containers' telemetry both "
    "have is counted once, as the log has it.",
    "replicas": "As the front end counts them every few seconds: the mean of each step.",
    "latency_split": "The front end's log tells run() from the rest (queue, front end, server); the network to the caller "
    "is in neither.",
}
"""Instead of the blind spot, where the front end's log is there for every service shown."""

MARKED_KINDS = (
    "service.deploy",
    "service.update",
    "keys.regenerate",
    "keys.set",
    "keys.rotate_idle",
    "keys.rotate_other",
)
MOST_OWN_REQUESTS = 20_000
MOST_NAMED = 6
MOST_DRAWN = 6
"""Lines that can still be told apart, and whose names leave the chart its room."""
FLOWS_WITHIN = timedelta(minutes=5)
"""Rows arrive on Azure within about five minutes."""
LAST_HOUR = timedelta(hours=1)
AHEAD = timedelta(minutes=1)
"""Clocks differ: a container's may be a little ahead of ours."""


@dataclass(frozen=True, kw_only=True)
class Leading:
    """The services that are drawn where all of them would be too many lines to read."""

    services: tuple[str, ...]
    of: int
    """How many sent telemetry in the range."""


class Monitoring:
    """Asks for charts."""

    def __init__(
        self,
        live: Live,
        logs: Callable[[], LogAnalytics],
        webservices: Webservices,
        operations: Operations,
        *,
        probes: Probes,
        testing: Testing,
        bundles: Bundles,
        clock: Clock,
    ) -> None:
        self._live = live
        self._logs = logs
        self._webservices = webservices
        self._operations = operations
        self._probes = probes
        self._testing = testing
        self._bundles = bundles
        self._clock = clock

    # Charts

    def chart(
        self,
        name: ChartName,
        span: Span,
        *,
        services: Sequence[str] = (),
        include_ours: bool = False,
        together: bool = False,
    ) -> Table:
        """The rows of one chart; equal questions of several people are asked once. `Table.query` is what ran.

        `together` asks once for all the services instead of for each: what is drawn as one needs no more.
        """
        chosen = tuple(sorted(services))
        front_end = self._may_have_log(chosen)
        return self._live.shared(
            ("chart", name, span, chosen, include_ours, front_end, together),
            lambda: self._logs().ask(
                name,
                services=chosen,
                start=span.start,
                end=span.end,
                step=span.step,
                include_ours=include_ours,
                front_end=front_end,
                together=together,
            ),
            what="The telemetry",
            deadline=KQL_DEADLINE_SECONDS,
        )

    def leading(self, span: Span, *, include_ours: bool = False) -> Leading | None:
        """The services that a chart of all of them draws, those with the most requests; None = every one."""
        if self._webservices.count() <= MOST_DRAWN:
            return None
        rows = self.chart("busiest", span, include_ours=include_ours).dicts()
        if len(rows) <= MOST_DRAWN:
            return None
        return Leading(services=tuple(str(row["Service"]) for row in rows[:MOST_DRAWN]), of=len(rows))

    def errors(self, span: Span, *, services: Sequence[str] = (), include_ours: bool = False) -> Table:
        """The chart `errors_by_code`, with our own failed probes and tests as Source `probe` and `test` when asked for.

        Those come from our record, which has what telemetry cannot see; their telemetry rows are left out.
        """
        table = self.chart("errors_by_code", span, services=services, together=len(services) != 1)
        return _joined(table, own_requests.failures(self._own(span, services), span)) if include_ours else table

    def latency_split(self, span: Span, *, services: Sequence[str] = ()) -> Table:
        """Time in `run()` and the rest, each row with its Source and n: `front end`, `container` (the total alone),
        `probe` and `test` (by the header of their answers, the network to this desk included)."""
        table = self.chart("latency_split", span, services=services, together=len(services) != 1)
        return _joined(table, own_requests.split(self._own(span, services), span))

    def blind_spot(self, name: ChartName, services: Sequence[str] = ()) -> str:
        """What a chart of these services cannot see, or how it sees it where the front end's log is there."""
        blind = BLIND_SPOTS.get(name, "")
        if name not in SEEN_WITH_LOG:
            return blind
        clusters, shown = self._clusters(), self._shown(services)
        without = [one.service.name for one in shown if _on(clusters, one) is not True]
        if len(without) == len(shown):
            return blind
        if not without:
            return SEEN_WITH_LOG[name]
        named = ", ".join(without[:MOST_NAMED]) + (
            f" and {len(without) - MOST_NAMED} more" if without[MOST_NAMED:] else ""
        )
        return f"{SEEN_WITH_LOG[name]} Without that log ({named}): {blind[0].lower()}{blind[1:]}"

    def consumers(self, service: str) -> Table:
        """Who called a service with which key in the last day, by the client request id convention."""
        now = self._clock.now().replace(second=0, microsecond=0)
        span = Span(start=now - timedelta(days=1), end=now + timedelta(minutes=1), step=timedelta(hours=1))
        return self.chart("slots", span, services=[service])

    # What changed

    def changes(self, span: Span, *, services: Sequence[str] = ()) -> list[Operation]:
        """The operations to mark on a time chart: those that changed one of the services in the span, oldest first."""
        found = self._operations.page(subject_kind="service", since=span.start, until=span.end, limit=200)
        wanted = [
            operation
            for operation in found
            if operation.kind in MARKED_KINDS and (not services or operation.subject in services)
        ]
        return list(reversed(wanted))

    def versions(self, service: str, span: Span) -> list[VersionRange]:
        """Which model versions of a service ran in the span, oldest first; `versions.labelled` names a chart's rows."""
        kept = self._bundles.of(service, limit=200)
        operations = self._operations.page(subject=service, subject_kind="service", limit=1000)
        began = {one.id: one.started_at or one.requested_at for one in operations}
        return versions.within(versions.ranges(kept, began), span)

    # Trust

    def trust(self, services: Sequence[str] = ()) -> Trust:
        """How far what is shown of these services (none = all) can be trusted now; one answer for all charts."""
        chosen = tuple(sorted(services))
        return self._live.shared(
            ("trust", chosen), lambda: self._trust(chosen), what="The telemetry", deadline=KQL_DEADLINE_SECONDS
        )

    def _trust(self, services: Sequence[str]) -> Trust:
        now = self._clock.now()
        shown, clusters = self._shown(services), self._clusters()
        last = trust.newest(
            self._logs()
            .ask("last_rows", services=services, start=now - trust.DAY, end=now + AHEAD, include_ours=True)
            .dicts()
        )
        sent: dict[str, list[ProbeResult]] = {listed.service.name: [] for listed in shown}
        # What has Application Insights off owes no rows.
        lit = {listed.service.name for listed in shown if _insights(listed)}
        for result in self._probes.recent(None, now - LAST_HOUR, limit=MOST_OWN_REQUESTS):
            if result.service in lit:
                sent[result.service].append(result)
        return Trust(
            asked_at=now,
            services=tuple(
                ServiceTrust(
                    service=listed.service.name,
                    last_row_at=last.get(listed.service.name),
                    insights=_insights(listed),
                    container_insights=_on(clusters, listed),
                    is_on_cluster=bool(listed.service.compute),
                    coverage=covered(sent[listed.service.name], now=now),
                )
                for listed in shown
            ),
            coverage=covered([result for results in sent.values() for result in results], now=now),
        )

    def await_data(self, person: Person, service: str) -> Awaited:
        """Send one tagged request to learn whether telemetry flows; ask `look_for` every few seconds until it is over."""
        plan = self._probes.plan(service)
        body = plan.body if plan else self._testing.sample(person, service)
        sent = self._testing.send(person, service, body)
        return Awaited(
            service=service,
            client_request_id=sent.client_request_id,
            sent_at=sent.sent_at,
            until=sent.sent_at + FLOWS_WITHIN,
            status=sent.status,
        )

    def look_for(self, awaited: Awaited) -> Awaited:
        """The same, with when its row was seen if it is there by now."""
        now = self._clock.now()
        if awaited.seen_at:
            return awaited
        table = self._live.alone(
            lambda: self._logs().ask(
                "probe_arrivals",
                services=(awaited.service,),
                start=awaited.sent_at - AHEAD,
                end=now + AHEAD,
                include_ours=True,
            ),
            what="The telemetry",
            deadline=KQL_DEADLINE_SECONDS,
        )
        if any(row["ClientRequestId"] == awaited.client_request_id for row in table.dicts()):
            return replace(awaited, seen_at=now)
        return awaited

    def insights_off(self, services: Sequence[str] = ()) -> list[str]:
        """The services whose Application Insights is off: the charts cannot see them."""
        return [listed.service.name for listed in self._shown(services) if _insights(listed) is False]

    def _own(self, span: Span, services: Sequence[str]) -> list[ProbeResult]:
        """Our own requests of the span to these services, as they were recorded."""
        only = services[0] if len(services) == 1 else None
        return [
            result
            for result in self._probes.recent(only, span.start, limit=MOST_OWN_REQUESTS)
            if result.at < span.end and (not services or result.service in services)
        ]

    def _shown(self, services: Sequence[str]) -> list[ListedService]:
        """The services chosen, as listed; none chosen = all."""
        if not services or len(services) > MOST_NAMED:
            chosen = set(services)
            return [listed for listed in self._webservices.all() if not chosen or listed.service.name in chosen]
        return [listed for name in services if (listed := self._webservices.find(name))]

    def _clusters(self) -> dict[str, bool | None]:
        """Every AKS cluster, and whether Container Insights is on; None = not known."""
        return {
            compute.name.lower(): compute.container_insights
            for compute in self._webservices.computes()
            if compute.type == "AKS"
        }

    def _may_have_log(self, services: Sequence[str]) -> bool:
        """Whether a front end's log may be there; where no cluster has Container Insights on it is not looked for."""
        clusters = self._clusters()
        if all(is_on is False for is_on in clusters.values()):
            return False
        if not services:
            return True
        # A service that is gone meanwhile may have run on any of them.
        found = {listed.service.name: listed for listed in self._shown(services)}
        return any(
            name not in found or (bool(found[name].service.compute) and _on(clusters, found[name]) is not False)
            for name in services
        )


def _on(clusters: Mapping[str, bool | None], listed: ListedService) -> bool | None:
    """Whether the cluster of a service writes the front end's log; None = it runs on none, or that is not known."""
    return clusters.get((listed.service.compute or "").lower())


def _insights(listed: ListedService) -> bool | None:
    """Whether Application Insights is on; None when the service could not be read."""
    if listed.service.broken:
        return None
    return bool(listed.service.configuration.get("enable_app_insights"))


def _joined(table: Table, rows: Iterable[tuple[object, ...]]) -> Table:
    """The table with our own rows among its own, by time."""
    return replace(table, rows=tuple(sorted((*table.rows, *rows), key=lambda row: (row[0], row[1]))))
