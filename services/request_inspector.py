"""One scoring call from all that was written about it: its row, its answer, what it raised, what was printed close to it.

Answers, messages and prints may be about people: they come masked. Who unmasks them is recorded first; then they lie in
this process's memory for a minute and nowhere else. Prints carry no request id: they are close in time, not linked.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from services import questions
from services.access import Person
from services.audit import Audit
from services.azuremonitor.client import LogAnalytics
from services.errors import Invalid
from services.live import KQL_DEADLINE_SECONDS, Live
from services.operations.desk import Operations
from services.personal_data import mask, mask_text
from services.scrubbing import scrub
from services.stacks import innermost, mask_message

LONGEST_ID = 200
AROUND = timedelta(minutes=2)
"""How far from the call its answer and its exception may have been written."""
CLOSE = timedelta(seconds=1)
LONGEST_CLOSE = timedelta(seconds=60)
MOST_PRINTS = 100
TIMEOUT = "UserScriptTimeout"


@dataclass(frozen=True, kw_only=True)
class Call:
    """One call; `container_code` None = it never reached a container, `client_code` None = nobody logged it."""

    at: datetime
    service: str
    request_id: str
    client_request_id: str
    replica: str
    container_code: int | None
    client_code: int | None
    duration_ms: float | None
    run_ms: float | None
    reason: str
    is_soft_failure: bool
    is_ours: bool
    in_front_end_log: bool


@dataclass(frozen=True, kw_only=True)
class Printed:
    """One line a service printed close to the call."""

    at: datetime
    text: str


@dataclass(frozen=True, kw_only=True)
class Inspection:
    """All about one call; values masked unless `is_masked` says otherwise."""

    call: Call
    answer: str | None
    """None = telemetry has none: it is off, late, or told not to keep answers."""
    raised: str | None
    """The type of the innermost cause."""
    message: str
    place: str
    stack: str
    group: str | None
    """The failure group it belongs to."""
    prints: tuple[Printed, ...]
    is_masked: bool


class RequestInspector:
    """Find a call, look at it, unmask it."""

    def __init__(self, live: Live, logs: Callable[[], LogAnalytics], operations: Operations, audit: Audit) -> None:
        self._live = live
        self._logs = logs
        self._operations = operations
        self._audit = audit

    def find(self, person: Person, wanted: str, *, start: datetime, end: datetime) -> list[Call]:
        """The calls with this request id or client request id, newest first."""
        wanted = wanted.strip()
        self._operations.check(person, "logs.follow", "request", wanted[:LONGEST_ID])
        if not wanted or len(wanted) > LONGEST_ID:
            raise Invalid(
                "Type a request id or a client request id, as the answer's headers have them.", field="request"
            )
        return self._live.shared(
            ("request", wanted, start, end),
            lambda: self._find(wanted, start, end),
            what="The telemetry",
            deadline=KQL_DEADLINE_SECONDS,
        )

    def inspect(self, person: Person, call: Call) -> Inspection:
        """All about a call, values masked."""
        self._operations.check(person, "logs.follow", "service", call.service)
        found = self._live.alone(lambda: self._look(call), what="The telemetry", deadline=KQL_DEADLINE_SECONDS)
        return masked(found)

    def unmask(self, person: Person, call: Call) -> str:
        """Show the values for a minute: recorded first; a handle to give to `unmasked`."""
        self._operations.check(person, "values.unmask", "service", call.service)
        self._audit.record_alone(
            person,
            "values.unmask",
            "service",
            call.service,
            after={"request": call.request_id, "at": call.at.isoformat()},
        )
        found = self._live.alone(lambda: self._look(call), what="The telemetry", deadline=KQL_DEADLINE_SECONDS)
        return self._live.show(found)

    def unmasked(self, handle: str) -> tuple[Inspection, datetime] | None:
        """What a handle stands for and until when; None when its minute is over."""
        shown = self._live.shown(handle)
        return (shown.value, shown.until) if shown else None

    def hide(self, handle: str) -> None:
        """Mask again before the minute is over."""
        self._live.hide(handle)

    def _find(self, wanted: str, start: datetime, end: datetime) -> list[Call]:
        logs = self._logs()
        rows = questions.ask(logs, "request_find", start=start, end=end, Wanted=wanted).dicts()
        lines = questions.ask(logs, "request_front_end", start=start, end=end, Wanted=wanted).dicts()
        return joined(rows, lines)

    def _look(self, call: Call) -> Inspection:
        logs, start, end = self._logs(), call.at - AROUND, call.at + AROUND
        about: dict[str, Any] = {"start": start, "end": end, "Wanted": call.request_id}
        answer = next(iter(questions.ask(logs, "request_answer", **about).dicts() if call.request_id else []), None)
        thrown = next(iter(questions.ask(logs, "request_exception", **about).dicts() if call.request_id else []), None)
        lasted = min(timedelta(milliseconds=call.duration_ms or 0), LONGEST_CLOSE)
        # Older servers give a call the time of its beginning, newer ones that of its end.
        printed = questions.ask(
            logs,
            "traces_search",
            start=call.at - lasted - CLOSE,
            end=call.at + lasted + CLOSE,
            WantedService=call.service,
            WantedInstance=answer["Instance"] if answer else "",
        ).dicts()
        cause = innermost(thrown["Stack"], wrapper=thrown["Type"]) if thrown else None
        code = call.client_code
        if code is None and call.container_code == 500:
            code = 504 if thrown and TIMEOUT in thrown["Type"] else 502
        return Inspection(
            call=replace(call, client_code=code if code is not None else call.container_code),
            answer=scrub(answer["Answer"]) if answer else None,
            raised=cause.type if cause else None,
            message=scrub(cause.message) if cause else "",
            place=cause.place if cause else "",
            stack=scrub(cause.stack) if cause else "",
            group=cause.group if cause else None,
            prints=tuple(
                Printed(at=row["TimeGenerated"].astimezone(UTC), text=scrub(row["Text"]))
                for row in reversed(printed)
                if row["Kind"] == "print"
            )[:MOST_PRINTS],
            is_masked=False,
        )


def joined(rows: list[dict[str, Any]], lines: list[dict[str, Any]]) -> list[Call]:
    """The rows of the container's telemetry and of the front end's log as calls: one for each request id."""
    logged = {line["RequestId"]: line for line in lines}
    calls = [_call(row, logged.pop(row["RequestId"], None)) for row in rows]
    calls += [_refused(line) for line in logged.values()]
    return sorted(calls, key=lambda call: call.at, reverse=True)


def masked(found: Inspection) -> Inspection:
    """The same without values."""
    return replace(
        found,
        answer=None if found.answer is None else mask(found.answer),
        message=mask_text(found.message),
        stack=mask_message(found.stack, found.message),
        prints=tuple(replace(line, text=mask_text(line.text, keep_names=False)) for line in found.prints),
        is_masked=True,
    )


def _call(row: dict[str, Any], line: dict[str, Any] | None) -> Call:
    return Call(
        at=row["TimeGenerated"].astimezone(UTC),
        service=row["Service"],
        request_id=row["RequestId"],
        client_request_id=row["ClientRequestId"],
        replica=row["Replica"],
        container_code=row["ContainerCode"],
        client_code=line["Code"] if line else None,
        duration_ms=row["DurationMs"],
        run_ms=line["RunMs"] if line else None,
        reason=line["Reason"] if line else "",
        is_soft_failure=bool(row["IsSoftFailure"]),
        is_ours=bool(row["IsOurs"]),
        in_front_end_log=line is not None,
    )


def _refused(line: dict[str, Any]) -> Call:
    """A call of which only the front end knows."""
    return Call(
        at=line["TimeGenerated"].astimezone(UTC),
        service=line["Service"],
        request_id=line["RequestId"],
        client_request_id=line["ClientRequestId"],
        replica=line["Replica"],
        container_code=None,
        client_code=line["Code"],
        duration_ms=line["DurationMs"],
        run_ms=line["RunMs"],
        reason=line["Reason"],
        is_soft_failure=False,
        is_ours=bool(line["IsOurs"]),
        in_front_end_log=True,
    )
