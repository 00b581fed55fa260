"""Rehearse and reproduce: a bundle runs on a local workspace first, also when the desk is connected to Azure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from services.access import Person
from services.audit import Audit
from services.bundles import BESIDE_THE_POINT
from services.deployments import Deployments
from services.errors import Conflict, Invalid
from services.live import Live
from services.operations.desk import Operations
from services.operations.records import Operation
from services.operations.rehearse import INPUT, answer_of
from services.personal_data import mask, mask_text
from services.planning.problems import refuse
from services.planning.wanted import CodeRef, Wanted, digest
from services.sealed import Sealed

KIND = "service.rehearse"
SUBJECT_KIND = "rehearsal"
NEEDED = frozenset({"service", "model_ids", "code", "environment"})
"""The fields a rehearsal depends on: the cluster, the scaling and the access are not rehearsed."""
LARGEST_BODY = 5 * 1024 * 1024
NOT_REHEARSED = (
    "Not rehearsed: the cluster and its capacity, scaling, time limits, TLS, Azure's own images and network. "
    "The code runs on the machine of the desk's worker, as its user."
)


@dataclass(frozen=True, kw_only=True)
class Rehearsed:
    """What came of a rehearsal, while it runs and after."""

    operation: Operation
    wanted: Wanted
    reproduces: bool
    status: int | None
    works: bool | None
    """None before it was asked anything."""
    words: str
    way: str
    """What had to be deployed: everything, the code, or nothing."""
    milliseconds: float | None
    model_milliseconds: float | None
    request: str
    answer: str
    is_sample: bool

    @property
    def is_unasked(self) -> bool:
        """Whether it was only asked with an empty request, for want of a sample, and refused that."""
        return self.works is False and not self.is_sample and not self.reproduces

    @property
    def verdict(self) -> str:
        """In one sentence, once it has ended."""
        if self.operation.is_open:
            return "It is being rehearsed."
        if self.works is None:
            return "It does not start like this." if self.operation.state == "failed" else "It was not asked anything."
        if self.works:
            return "It starts and answers."
        if self.is_unasked:
            return "It starts; whether it answers is not known."
        if self.reproduces:
            return (
                "It fails with this request."
                if (self.status or 0) >= 500
                else "It answered differently from a success."
            )
        return "It starts, and fails when it is asked."


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a person's own request was answered, and the end of what was printed."""

    text: str
    log: str


class Rehearsals:
    """Start, read."""

    def __init__(
        self, operations: Operations, deployments: Deployments, sealed: Sealed, live: Live, audit: Audit
    ) -> None:
        self._operations = operations
        self._deployments = deployments
        self._sealed = sealed
        self._live = live
        self._audit = audit

    def rehearse(
        self, person: Person, wanted: Wanted, *, operation_id: str | None = None, follows: str | None = None
    ) -> str:
        """Run what is wanted on the rehearsal workspace; the operation's id."""
        refuse([problem for problem in self._deployments.check(wanted) if problem.field in NEEDED])
        return self._start(
            person, wanted, title=f"Rehearse {wanted.service}", operation_id=operation_id, follows=follows
        )

    def reload(self, person: Person, operation_id: str, code: CodeRef, *, new_operation_id: str | None = None) -> str:
        """Rehearse the same with other code: only the code is deployed again."""
        before = self._operations.get(operation_id)
        wanted = replace(Wanted.from_json(before.arguments["wanted"]), code=code)
        return self.rehearse(person, wanted, operation_id=new_operation_id, follows=operation_id)

    def ask(self, person: Person, operation_id: str, body: str, *, new_operation_id: str | None = None) -> str:
        """Send a request of one's own to what was rehearsed; nothing is deployed while it runs there still."""
        _check_body(body)
        before = self._operations.get(operation_id)
        wanted = Wanted.from_json(before.arguments["wanted"])
        return self._start(
            person,
            wanted,
            title=f"Ask the rehearsed {wanted.service}",
            operation_id=new_operation_id,
            follows=operation_id,
            secrets={INPUT: body},
        )

    def reproduce(self, person: Person, service: str, body: str, *, operation_id: str | None = None) -> str:
        """Send a request to exactly what runs as this service, on the rehearsal workspace; the operation's id."""
        _check_body(body)
        return self._start(
            person,
            self._running(service),
            title=f"Reproduce a request of {service}",
            operation_id=operation_id,
            secrets={INPUT: body},
        )

    def get(self, operation_id: str) -> Rehearsed:
        """What came of a rehearsal."""
        operation = self._operations.get(operation_id)
        said: dict[str, Any] = operation.result("ask") or {}
        return Rehearsed(
            operation=operation,
            wanted=Wanted.from_json(operation.arguments["wanted"]),
            reproduces=bool(operation.arguments.get("reproduces")),
            status=said.get("status"),
            works=said.get("works"),
            words=str(said.get("words") or ""),
            way=str((operation.result("submit") or {}).get("way") or ""),
            milliseconds=said.get("milliseconds"),
            model_milliseconds=said.get("model_milliseconds"),
            request=str(said.get("request") or ""),
            answer=str(said.get("answer") or ""),
            is_sample=bool(said.get("is_sample", True)),
        )

    def answer(self, person: Person, operation_id: str) -> Answer | None:
        """What a reproduced request was answered, its values masked, while it is kept sealed; None afterwards."""
        self._operations.check(person, KIND, SUBJECT_KIND, self._operations.get(operation_id).subject)
        found = self._sealed_answer(operation_id)
        if found is None:
            return None
        return Answer(text=mask(found.text), log="\n".join(mask_text(line) for line in found.log.splitlines()))

    def unmask(self, person: Person, operation_id: str) -> str:
        """Show the answer's values for a minute: recorded first; a handle to give to `unmasked`."""
        subject = self._operations.get(operation_id).subject
        self._operations.check(person, "values.unmask", SUBJECT_KIND, subject)
        self._audit.record_alone(person, "values.unmask", SUBJECT_KIND, subject, operation=operation_id)
        return self._live.show(self._sealed_answer(operation_id) or Answer(text="", log=""))

    def unmasked(self, handle: str) -> Answer | None:
        """What a handle stands for; None when its minute is over."""
        shown = self._live.shown(handle)
        return shown.value if shown else None

    def latest(self, wanted: Wanted) -> Rehearsed | None:
        """The newest rehearsal of exactly this, or None."""
        key = _key(wanted)
        for operation in self._operations.page(kind=KIND, subject=wanted.service, subject_kind=SUBJECT_KIND, limit=10):
            if not operation.arguments.get("reproduces") and operation.arguments.get("key") == key:
                return self.get(operation.id)
        return None

    def _sealed_answer(self, operation_id: str) -> Answer | None:
        try:
            kept = self._sealed.open(answer_of(operation_id))
        except Conflict:
            return None
        return Answer(text=str(kept["answer"]), log=str(kept.get("log", "")))

    def _running(self, service: str) -> Wanted:
        """Exactly what runs now, with its code from here where it is here."""
        wanted = self._deployments.wanted_now(service)
        bundle = self._deployments.bundle_running(service)
        if bundle is not None and bundle.has_its_code and not bundle.hides_secrets:
            wanted = replace(wanted, code=bundle.wanted.code)
            kept, named = bundle.wanted.environment, wanted.environment
            if kept and kept.document is not None and named and kept.name == named.name:
                return replace(wanted, environment=kept)
        return wanted

    def _start(
        self,
        person: Person,
        wanted: Wanted,
        *,
        title: str,
        operation_id: str | None,
        follows: str | None = None,
        secrets: dict[str, str] | None = None,
    ) -> str:
        if wanted.code:
            wanted = replace(wanted, code=self._deployments.resolved(wanted.code))
        key = _key(wanted)
        # Keys and certificates have no part in it: callers there get a key of its own.
        wanted = replace(wanted, configuration={k: v for k, v in wanted.asked.items() if k not in wanted.sealed})
        return self._operations.start(
            person,
            KIND,
            wanted.service,
            {"wanted": wanted.to_json(), "key": key, "reproduces": bool(secrets)},
            title=title,
            operation_id=operation_id,
            follows=follows,
            secrets=secrets,
        )


def _check_body(body: str) -> None:
    if not body.strip():
        raise Invalid("There is no request to send: paste its body.", field="body")
    if len(body.encode()) > LARGEST_BODY:
        raise Invalid("The body is larger than 5 MB: rehearse with a smaller one of the same form.", field="body")


def _key(wanted: Wanted) -> str:
    """What two equal rehearsals have in common."""
    parts = wanted.to_json()
    asked = {name: wanted.asked.get(name) for name in ("cpu_cores", "memory_gb")}
    left_out = {"configuration", "compute", "target", "anonymous_confirmed", *BESIDE_THE_POINT}
    return digest({name: value for name, value in parts.items() if name not in left_out} | asked)
