"""Faults on purpose, to practise on: what can go wrong, in words; begin and end them as operations of the worker.

The local workspace alone has them. A desk on Azure knows of none and refuses the commands.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from services.access import Person
from services.azureml.local_admin import Fault, LocalAdmin
from services.clock import Clock
from services.errors import Invalid
from services.live import Live
from services.operations.desk import Operations

WORKSPACE = "workspace"
"""The subject of an operation on a fault that is about no single service."""
READ_AGAIN_SECONDS = 2
DEADLINE_SECONDS = 12.0
USUAL_SECONDS = 300.0


@dataclass(frozen=True, kw_only=True)
class FaultKind:
    """One way to fail."""

    name: str
    """As the admin API has it."""
    words: str
    """What happens, in a few words."""
    help: str
    """What one sees of it."""
    needs_service: bool = False
    may_name_service: bool = False
    parameters: tuple[str, ...] = ()
    """Which of `milliseconds`, `rate`, `count`, `method`, `path` mean something."""


_OF_REQUESTS = ("count", "method", "path")

KINDS: tuple[FaultKind, ...] = (
    FaultKind(
        name="slow",
        words="a service answers slowly",
        help="run() waits before it works: the latency goes up, then calls find no free replica (503).",
        needs_service=True,
        parameters=("milliseconds", "rate"),
    ),
    FaultKind(
        name="hang",
        words="a service hangs",
        help="run() never returns: callers get 504, and on AKS the liveness probe restarts the replica.",
        needs_service=True,
        parameters=("rate",),
    ),
    FaultKind(
        name="crash",
        words="a service's workers die",
        help="The worker is killed in the middle of a call: callers get 502, and telemetry sees nothing of it.",
        needs_service=True,
        parameters=("rate",),
    ),
    FaultKind(
        name="error500",
        words="a service raises an error",
        help="run() raises: the container answers 500, callers see 502.",
        needs_service=True,
        parameters=("rate",),
    ),
    FaultKind(
        name="soft-failure",
        words="a service answers 200 with an error inside",
        help="The status says success, the body says otherwise.",
        needs_service=True,
        parameters=("rate",),
    ),
    FaultKind(
        name="out-of-capacity",
        words="no room for new replicas of a service",
        help="New replicas stay Unschedulable; those that run go on.",
        needs_service=True,
    ),
    FaultKind(
        name="timed-out-then-healthy",
        words="the next rollout of a service is late",
        help="Its operation ends TimedOut; some time later the service is healthy all the same.",
        needs_service=True,
    ),
    FaultKind(
        name="lost-telemetry",
        words="telemetry is lost",
        help="It is taken and thrown away: the charts have a gap, and nobody is told why.",
        may_name_service=True,
    ),
    FaultKind(
        name="control-plane-429",
        words="the control plane asks for a pause (429)",
        help="Changes are tried again after the pause it names.",
        parameters=_OF_REQUESTS,
    ),
    FaultKind(
        name="control-plane-500",
        words="the control plane fails (500)",
        help="What was sent may have been done: the desk looks before it sends anything again.",
        parameters=_OF_REQUESTS,
    ),
    FaultKind(
        name="control-plane-slow",
        words="the control plane is slow",
        help="Every answer takes longer; lists grow older.",
        parameters=("milliseconds", *_OF_REQUESTS),
    ),
    FaultKind(
        name="answer-lost",
        words="a change is made and its answer is lost",
        help="Done, but nobody hears of it: nothing may happen twice.",
        parameters=_OF_REQUESTS,
    ),
    FaultKind(
        name="control-plane-refused",
        words="the control plane cannot be reached",
        help="Connections are refused; the services themselves go on answering.",
    ),
)

BY_NAME: Mapping[str, FaultKind] = {kind.name: kind for kind in KINDS}


class Faults:
    """Look, begin, end."""

    def __init__(self, live: Live, admin: LocalAdmin | None, operations: Operations, *, clock: Clock) -> None:
        """`admin` is None on Azure."""
        self._live = live
        self._admin = admin
        self._operations = operations
        self._clock = clock

    @property
    def are_there(self) -> bool:
        """Whether this workspace can fail on purpose: only a local one."""
        return self._admin is not None

    def all(self) -> list[Fault]:
        """What goes wrong on purpose now, what ends first in front; nothing on Azure."""
        admin = self._admin
        if admin is None:
            return []
        moment = int(self._clock.now().timestamp()) // READ_AGAIN_SECONDS
        found = self._live.shared(
            ("faults", moment), admin.faults, what="The list of faults", deadline=DEADLINE_SECONDS
        )
        now = self._clock.now()
        return [fault for fault in found if fault.until > now]

    def begin(
        self,
        person: Person,
        kind: str,
        *,
        service: str | None = None,
        seconds: float = USUAL_SECONDS,
        parameters: Mapping[str, Any] | None = None,
        reason: str = "",
        operation_id: str | None = None,
    ) -> str:
        """Start the operation that begins a fault; it ends by itself after so many seconds."""
        self._operations.check(person, "fault.begin", "fault", kind)
        known = self._known(kind)
        if known.needs_service and not service:
            raise Invalid(f"Choose the service: “{known.words}” is about one.", field="service")
        said = {name: value for name, value in (parameters or {}).items() if value not in (None, "")}
        odd = [name for name in said if name not in known.parameters]
        if odd:
            raise Invalid(f"“{known.words}” has no {odd[0]}: leave it out.", field=odd[0])
        if service and not (known.needs_service or known.may_name_service):
            raise Invalid(f"“{known.words}” is about no single service: leave it out.", field="service")
        asked = {"kind": kind, "seconds": seconds, **({"service": service} if service else {}), **said}
        about = f" of {service}" if service else ""
        return self._operations.start(
            person,
            "fault.begin",
            service or WORKSPACE,
            {"fault": asked},
            title=f"Begin the fault {kind}{about}",
            reason=reason,
            after=asked,
            operation_id=operation_id,
        )

    def end(self, person: Person, fault: Fault, *, reason: str = "", operation_id: str | None = None) -> str:
        """Start the operation that ends a fault."""
        self._operations.check(person, "fault.end", "fault", fault.kind)
        self._known(fault.kind)
        about = f" of {fault.service}" if fault.service else ""
        return self._operations.start(
            person,
            "fault.end",
            fault.service or WORKSPACE,
            {"fault_id": fault.id},
            title=f"End the fault {fault.kind}{about}",
            reason=reason,
            before={"kind": fault.kind, "service": fault.service, "until": fault.until.isoformat()},
            operation_id=operation_id,
        )

    def close(self) -> None:
        """Give the connection back."""
        if self._admin is not None:
            self._admin.close()

    def _known(self, kind: str) -> FaultKind:
        if self._admin is None:
            raise Invalid("Faults on purpose are there on the local workspace alone: this desk works on Azure.")
        found = BY_NAME.get(kind)
        if found is None:
            raise Invalid(f"There is no fault {kind}: choose one of the list.", field="kind")
        return found


def words(fault: Fault) -> str:
    """A fault as a person says it: `diabetes-prod: a service answers slowly (900 ms)`."""
    known = BY_NAME.get(fault.kind)
    said = known.words if known else fault.kind
    if fault.service:
        said = said.replace("a service", fault.service)
        said = said if fault.service in said else f"{said} ({fault.service})"
    parts = [
        f"{fault.milliseconds:,} ms more" if fault.milliseconds else "",
        f"{100 * fault.rate:g} % of the calls" if fault.rate else "",
        f"{fault.remaining} more" if fault.remaining else "",
        " ".join(part for part in (fault.method, fault.path) if part),
    ]
    details = ", ".join(part for part in parts if part)
    return f"{said} ({details})" if details else said
