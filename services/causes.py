"""What probably happened to a service or in an operation: gathers the evidence and has it classified.

What cannot be looked at is said beside the causes rather than waited for: a cause may hide there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, TypeVar

from services.access import ANONYMOUS_VIEWER
from services.azureml.types import Compute, Service
from services.classifier import Cause, Evidence, Raised, Running, Seen, Text, classify, texts_of
from services.clock import Clock
from services.container_logs import ContainerLogs
from services.errors import DeskError, NotFound
from services.failure_groups import FailureGroup, FailureGroups
from services.monitoring import Monitoring, Span, own_requests
from services.operations.desk import Operations
from services.operations.records import Operation
from services.planning.wanted import Wanted
from services.probes import Probes
from services.replica_sizing import Load
from services.webservices import ListedService, Webservices

WINDOW = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
LOG_LINES = 500
OPERATION_LINES = 400
OWN_COLUMNS = ("TimeGenerated", "Service", "Code", "Failure", "Source", "n")
UNWELL = frozenset({"Failed", "Failing", "Unhealthy", "Unschedulable", "Broken"})

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class _Heard:
    """One piece of evidence, or why there is none."""

    found: Any
    unread: str = ""


class Causes:
    """Asks everything that may know, and names the cause."""

    def __init__(
        self,
        webservices: Webservices,
        operations: Operations,
        monitoring: Monitoring,
        container_logs: ContainerLogs,
        probes: Probes,
        failure_groups: FailureGroups,
        *,
        clock: Clock,
    ) -> None:
        self._webservices = webservices
        self._operations = operations
        self._monitoring = monitoring
        self._container_logs = container_logs
        self._probes = probes
        self._failure_groups = failure_groups
        self._clock = clock

    def of_service(self, name: str) -> list[Cause]:
        """What probably happened to a service, the most particular first; empty when nothing seems wrong."""
        return classify(self.evidence(name))

    def of_operation(self, operation_id: str) -> list[Cause]:
        """Why an operation on a service failed; empty for one that did not, or is about something else."""
        operation = self._operations.get(operation_id)
        if operation.subject_kind != "service" or not operation.error or operation.state == "stopped":
            return []
        return classify(self._of_operation(operation))

    def may_have(self, listed: ListedService) -> bool:
        """Whether it is worth asking, by what lists and probes already say: asking for the evidence takes its time."""
        if listed.word in UNWELL:
            return True
        if listed.summary and (listed.summary.errors or listed.summary.soft_failures):
            return True
        recent = self._probes.recent(listed.service.name, self._clock.now() - WINDOW)
        return any(map(own_requests.is_failure, recent))

    def evidence(self, name: str) -> Evidence:
        """All that is known about a service now."""
        listed = self._webservices.get(name)
        span = self._span()
        with ThreadPoolExecutor(max_workers=4, thread_name_prefix="evidence") as pool:
            errors = pool.submit(
                _heard, lambda: self._monitoring.chart("errors_by_code", span, services=[name]).dicts()
            )
            rate = pool.submit(_heard, lambda: self._monitoring.chart("request_rate", span, services=[name]).dicts())
            log = pool.submit(_heard, lambda: self._container_logs.read(ANONYMOUS_VIEWER, name, tail=LOG_LINES))
            raised = pool.submit(_heard, lambda: self._failure_groups.of(name, since=span.start, until=span.end))
            heard = errors.result(), rate.result(), log.result(), raised.result()
        rows, rates, lines, groups = (one.found for one in heard)
        # Our own requests are known here even when telemetry does not answer.
        failed = own_requests.failures(self._probes.recent(name, span.start), span)
        ours = [dict(zip(OWN_COLUMNS, row, strict=True)) for row in failed]
        texts = [*texts_of(listed.service)]
        if lines is not None:
            said = "\n".join(line.text for line in lines.lines)
            texts.append(Text(source="container", text=said, where="The container's log says"))
        return replace(
            self._known(listed),
            texts=tuple(texts),
            seen=tuple(_seen([*(rows or ()), *ours])),
            raised=self._raised(groups or ()),
            load=_load(listed, rates or (), rows or ()),
            unread=tuple(dict.fromkeys(one.unread for one in heard if one.unread)),
        )

    def _raised(self, groups: Sequence[FailureGroup]) -> Raised | None:
        """The failure that hurts most, in a sentence, with the deployment it came with."""
        worst = next((group for group in groups if group.count), None)
        if worst is None:
            return None
        place = f" in {worst.place}" if worst.place else ""
        title = self._title(worst.first_operation) if worst.first_operation else ""
        since = f"new since “{title}”" if title else f"first seen {worst.first_seen:%Y-%m-%d %H:%M} UTC"
        # A group is counted over all services that raise it.
        over = f" in {len(worst.services)} services" if len(worst.services) > 1 else ""
        times = f"{worst.count:,} {'time' if worst.count == 1 else 'times'}{over}"
        return Raised(group=worst.id, sentence=f"Most of them: {worst.type}{place}, {times}, {since}.")

    def _title(self, operation: str) -> str:
        try:
            return self._operations.get(operation).title
        except NotFound:
            # Noted before the ledger was made anew: the time alone is known.
            return ""

    def _of_operation(self, operation: Operation) -> Evidence:
        listed = self._webservices.find(operation.subject)
        known = self._known(listed) if listed else Evidence(service=operation.subject)
        asked = operation.arguments.get("wanted")
        if asked:
            wanted = Wanted.from_json(asked)
            document = wanted.environment.document if wanted.environment else None
            known = replace(
                known,
                compute_type=wanted.target,
                configuration=wanted.asked,
                variables=_variables(document) if document else known.variables,
                model_ids=wanted.model_ids,
            )
        lines = self._operations.lines(operation.id, limit=OPERATION_LINES)
        written = (
            ("azure", "\n".join(line.text for line in lines if line.source == "azure"), "Azure's log says"),
            ("container", "\n".join(line.text for line in lines if line.source == "container"), "The container says"),
        )
        details = [step.detail for step in operation.steps if step.state == "failed" and step.detail]
        error = "\n".join(dict.fromkeys([operation.error or "", *details]))
        texts = [Text(source="azure", text=error, where="The operation says")]
        texts += [Text(source=source, text=text, where=where) for source, text, where in written if text]  # type: ignore[arg-type]
        return replace(known, texts=tuple(texts), operation=operation.id)

    def _known(self, listed: ListedService) -> Evidence:
        """What the lists say."""
        service = listed.service
        status = service.deployment_status
        under_way = next((one for one in self._operations.running() if one.subject == service.name), None)
        return Evidence(
            service=service.name,
            compute_type=service.compute_type,
            state=listed.state,
            configuration=service.configuration,
            variables=_variables(service.environment),
            model_ids=service.model_ids,
            desired=status.desired if status else None,
            available=status.available if status else None,
            running=Running(id=under_way.id, title=under_way.title, person=under_way.person_name)
            if under_way
            else None,
            twins=_twins(service, self._webservices.computes()),
        )

    def _span(self) -> Span:
        """The last hour, to the minute: equal questions of one minute are one question."""
        end = self._clock.now().replace(second=0, microsecond=0) + MINUTE
        return Span(start=end - WINDOW, end=end, step=MINUTE)


def _heard(ask: Callable[[], Answer]) -> _Heard:
    try:
        return _Heard(ask())
    except DeskError as error:
        return _Heard(None, error.sentence)


def _seen(rows: Iterable[Mapping[str, Any]]) -> list[Seen]:
    counted: dict[tuple[int, str, str], int] = {}
    for row in rows:
        key = (int(row["Code"] or 0), str(row.get("Source") or "container"), str(row["Failure"] or ""))
        counted[key] = counted.get(key, 0) + int(row["n"] or 0)
    return [Seen(code=code, source=source, failure=failure, n=n) for (code, source, failure), n in counted.items() if n]


def _load(
    listed: ListedService, rates: Iterable[Mapping[str, Any]], errors: Iterable[Mapping[str, Any]]
) -> Load | None:
    """The busiest minute with what was refused in it, and the p95; None when telemetry has neither."""
    p95 = listed.summary.p95_ms if listed.summary else None
    minutes: dict[datetime, float] = {}
    for row in rates:
        minutes[row["TimeGenerated"]] = minutes.get(row["TimeGenerated"], 0.0) + float(row["n"] or 0)
    if p95 is None or not minutes:
        return None
    for row in errors:
        if row["Code"] == 503:
            minutes[row["TimeGenerated"]] = minutes.get(row["TimeGenerated"], 0.0) + float(row["n"] or 0)
    # The server measures whole milliseconds: its 0 is less than one.
    return Load(
        requests_per_second=max(minutes.values()) / 60, p95_seconds=max(p95, 1.0) / 1000, source="the last hour"
    )


def _variables(document: Mapping[str, Any] | None) -> dict[str, str]:
    given = (document or {}).get("environmentVariables") or {}
    return {str(name): str(value) for name, value in given.items()}


def _twins(service: Service, computes: Iterable[Compute]) -> tuple[str, ...]:
    """The names under which this service's cluster is attached."""
    found = list(computes)
    own = next((one.resource_id for one in found if one.name == service.compute and one.resource_id), None)
    same = [one.name for one in found if own and (one.resource_id or "").lower() == own.lower()]
    return tuple(sorted(same)) if len(same) > 1 else ()
