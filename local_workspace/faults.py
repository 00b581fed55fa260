"""What goes wrong on purpose: begun by the admin API, ended by it, by time or by count."""

from __future__ import annotations

import json
import logging
import re
import threading
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from local_workspace.state import State, dumps

log = logging.getLogger(__name__)

OF_A_SERVICE = (
    "slow",
    "hang",
    "crash",
    "error500",
    "soft-failure",
    "out-of-capacity",
    "timed-out-then-healthy",
)
OF_TELEMETRY = ("lost-telemetry",)
OF_REQUESTS = ("control-plane-429", "control-plane-500", "control-plane-slow", "answer-lost")
OF_THE_LISTENER = ("control-plane-refused",)
KINDS = (*OF_A_SERVICE, *OF_TELEMETRY, *OF_REQUESTS, *OF_THE_LISTENER)

# The name becomes the name of a file.
SERVICE = re.compile(r"[a-z]([-a-z0-9]{0,30}[a-z0-9])?")
DEFAULT_SECONDS = 300.0
LONGEST_SECONDS = 24 * 3600.0


class InvalidFault(Exception):
    """A fault that cannot be begun as it is asked for."""


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One thing that goes wrong."""

    id: str
    kind: str
    until: str
    service: str | None = None
    milliseconds: int | None = None
    rate: float | None = None
    """Which share of a service's requests it touches; None = every one."""
    method: str | None = None
    path: str | None = None
    """A regular expression searched for in the request's path, in any case."""
    remaining: int | None = None
    """How many more requests it touches; None = every one until it ends."""

    def touches(self, method: str, path: str) -> bool:
        """Whether a request of the control plane runs into this fault."""
        if self.kind not in OF_REQUESTS or (self.method and self.method.upper() != method.upper()):
            return False
        return self.path is None or re.search(self.path, path, re.IGNORECASE) is not None


class Effects(Protocol):
    """How faults that are not about single requests take hold."""

    def service_fault(self, service: str, fault: Mapping[str, Any] | None) -> None:
        """Make a service misbehave, or well again."""

    def lose_telemetry(self, service: str | None, until: str) -> None:
        """Accept telemetry and drop it, of one service or of all."""

    def keep_telemetry(self) -> None:
        """Stop dropping telemetry."""

    def refuse_connections(self, refuse: bool) -> None:
        """Stop listening on the control plane's port, or listen again."""


class Faults:
    """The faults that hold now; kept over restarts until they end."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._lock = threading.RLock()
        self._effects: Effects | None = None
        self._active: dict[str, Fault] = {}
        for row in state.rows("SELECT id, document, remaining FROM faults"):
            fault = Fault(**json.loads(row["document"]))
            self._active[fault.id] = replace(fault, remaining=row["remaining"])

    def take_hold(self, effects: Effects) -> None:
        """Begin to have effects: those kept from before the restart first."""
        with self._lock:
            self._effects = effects
            self._end_those_over()
            for fault in self._active.values():
                self._apply(fault)

    def begin(self, asked: Mapping[str, Any]) -> Fault:
        """Begin a fault; one that says the same about the same service takes its place."""
        fault = _checked(asked)
        with self._lock:
            for other in [other for other in self._active.values() if _same_place(other, fault)]:
                self.end(other.id)
            self._active[fault.id] = fault
            with self._state.transaction() as work:
                work.execute(
                    "INSERT INTO faults (id, document, until, remaining) VALUES (?, ?, ?, ?)",
                    (fault.id, dumps(asdict(fault)), fault.until, fault.remaining),
                )
            self._apply(fault)
        log.warning("Fault %s begins: %s until %s", fault.id, fault.kind, fault.until)
        return fault

    def end(self, fault_id: str) -> bool:
        """End a fault; False if there is none of this id."""
        with self._lock:
            fault = self._active.pop(fault_id, None)
            if fault is None:
                return False
            with self._state.transaction() as work:
                work.execute("DELETE FROM faults WHERE id = ?", (fault_id,))
            self._undo(fault)
        log.warning("Fault %s ends: %s", fault.id, fault.kind)
        return True

    def end_of_service(self, service: str) -> None:
        """End what was wrong with a service that is deleted: another one of its name shall be well."""
        with self._lock:
            for fault in [fault for fault in self._active.values() if fault.service == service]:
                self.end(fault.id)

    def all(self) -> list[Fault]:
        """What goes wrong now."""
        with self._lock:
            return sorted(self._active.values(), key=lambda fault: fault.until)

    def claim(self, method: str, path: str) -> Fault | None:
        """The fault this request runs into, counted against it."""
        with self._lock:
            if not self._active:
                return None
            self._end_those_over()
            found = next((fault for fault in self._active.values() if fault.touches(method, path)), None)
            if found is None or found.remaining is None:
                return found
            left = found.remaining - 1
            if left <= 0:
                self.end(found.id)
            else:
                self._active[found.id] = replace(found, remaining=left)
                with self._state.transaction() as work:
                    work.execute("UPDATE faults SET remaining = ? WHERE id = ?", (left, found.id))
            return found

    def tick(self) -> None:
        """End what is over."""
        with self._lock:
            self._end_those_over()

    def _end_those_over(self) -> None:
        now = datetime.now(UTC)
        for fault in [fault for fault in self._active.values() if datetime.fromisoformat(fault.until) <= now]:
            self.end(fault.id)

    def _apply(self, fault: Fault) -> None:
        if self._effects is None:
            return
        if fault.kind in OF_A_SERVICE and fault.service:
            settings: dict[str, Any] = {"kind": fault.kind}
            if fault.milliseconds is not None:
                settings["milliseconds"] = fault.milliseconds
            if fault.rate is not None:
                settings["rate"] = fault.rate
            self._effects.service_fault(fault.service, settings)
        elif fault.kind in OF_TELEMETRY:
            self._effects.lose_telemetry(fault.service, fault.until)
        elif fault.kind in OF_THE_LISTENER:
            self._effects.refuse_connections(True)

    def _undo(self, fault: Fault) -> None:
        if self._effects is None:
            return
        if fault.kind in OF_A_SERVICE and fault.service:
            self._effects.service_fault(fault.service, None)
        elif fault.kind in OF_TELEMETRY:
            self._effects.keep_telemetry()
        elif fault.kind in OF_THE_LISTENER:
            self._effects.refuse_connections(False)


def _checked(asked: Mapping[str, Any]) -> Fault:
    kind = asked.get("kind")
    if kind not in KINDS:
        raise InvalidFault(f"There is no fault '{kind}': choose one of {', '.join(KINDS)}.")
    for member in ("service", "method", "path"):
        if not isinstance(asked.get(member), str | None):
            raise InvalidFault(f"'{member}' has to be a text.")
    service = asked.get("service")
    if service is not None and not SERVICE.fullmatch(service):
        raise InvalidFault(f"'{service}' cannot name a service.")
    if kind in OF_A_SERVICE and not service:
        raise InvalidFault(f"The fault '{kind}' needs a service: name one.")
    path = asked.get("path")
    if path is not None:
        try:
            re.compile(path)
        except re.error as error:
            raise InvalidFault(f"The path '{path}' is not a regular expression: {error}.") from error
    try:
        seconds = DEFAULT_SECONDS if asked.get("seconds") is None else float(asked["seconds"])
        milliseconds = None if asked.get("milliseconds") is None else int(asked["milliseconds"])
        count = None if asked.get("count") is None else int(asked["count"])
        rate = None if asked.get("rate") is None else float(asked["rate"])
    except (TypeError, ValueError, OverflowError) as error:
        raise InvalidFault("'seconds', 'milliseconds', 'rate' and 'count' have to be numbers.") from error
    if rate is not None and not 0 < rate <= 1:
        raise InvalidFault("'rate' lies above 0 and is at most 1.")
    if not 0 < seconds <= LONGEST_SECONDS or (count is not None and count < 1) or (milliseconds or 0) < 0:
        raise InvalidFault(
            "'seconds' lies above 0 and is at most 86400, 'count' is at least 1, 'milliseconds' at least 0."
        )
    if kind == "answer-lost" and count is None:
        count = 1
    if kind in ("slow", "control-plane-slow") and milliseconds is None:
        milliseconds = 1000
    return Fault(
        id=uuid.uuid4().hex[:12],
        kind=kind,
        until=(datetime.now(UTC) + timedelta(seconds=seconds)).isoformat(),
        service=service,
        milliseconds=milliseconds,
        rate=rate,
        method=asked.get("method"),
        path=path,
        remaining=count,
    )


def _same_place(one: Fault, other: Fault) -> bool:
    """Whether two faults cannot hold at once: a service, telemetry and the listener fail in one way at a time."""
    for group in (OF_A_SERVICE, OF_TELEMETRY, OF_THE_LISTENER):
        if one.kind in group and other.kind in group:
            return group is not OF_A_SERVICE or one.service == other.service
    return False
