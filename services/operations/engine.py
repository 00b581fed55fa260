"""The engine: DBOS runs an operation's steps in order, each at least once, across kill -9 and restarts.

One workflow serves every kind: it walks the kind's steps and hands each a `Work`. A step that raised `Unavailable` is
tried again after a look, with growing pauses; any other error of ours ends the operation with its sentence; anything
else is a bug, ends it too, and its traceback goes to the log alone.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from dbos import DBOS, DBOSConfig, DBOSPortableJSONSerializer

from services import disk
from services.access import require
from services.errors import DeskError, Unavailable
from services.operations.abandoned import stop_abandoned
from services.operations.journal import Journal, asker
from services.operations.leases import Leases
from services.operations.records import VERSION, Operation, Step
from services.scrubbing import scrub
from services.storage.database import Database

QUEUE = "operations"
APPLICATION = "desk"
POLL_SECONDS = 0.2
WORKERS = 12
PAUSES_SECONDS = (1.0, 2.0, 4.0, 8.0, 15.0)
GIVE_UP_AFTER_ATTEMPTS = 40
LEASE_POLL_SECONDS = 0.5
LEDGER_PAUSE_SECONDS = 5.0

T = TypeVar("T")

log = logging.getLogger(__name__)


class Stopped(DeskError):
    """A person has to do something first; the operation goes on from this step afterwards."""

    kind = "stopped"


@dataclass(frozen=True)
class Duties:
    """What steps work with: made once by the worker, handed to every step."""

    journal: Journal
    leases: Leases
    stopping: threading.Event
    tools: dict[str, Any] = field(default_factory=dict)
    """The gateway to Azure ML and whatever else a kind's steps ask for, by name."""


@dataclass(frozen=True)
class Work:
    """One step's view of its operation."""

    operation: Operation
    step: Step
    duties: Duties

    @property
    def arguments(self) -> dict[str, Any]:
        """What the operation was asked to do."""
        return self.operation.arguments

    def result(self, step: str) -> Any:
        """What an earlier step recorded."""
        return self.operation.result(step)

    def tool(self, name: str) -> Any:
        """The gateway or store of that name."""
        return self.duties.tools[name]

    def note(self, detail: str) -> None:
        """Say on screen what this step does just now."""
        self.duties.journal.note(self.operation.id, self.step.position, detail)

    def lines(self, source: str, texts: list[str]) -> None:
        """Append to the operation's log."""
        self.duties.journal.lines(self.operation.id, source, texts)

    def about_to(self, intent: dict[str, Any]) -> None:
        """Remember, before acting, that this step is about to: a run after a crash then knows to look longer."""
        self.duties.journal.intend(self.operation.id, self.step.position, intent)

    def intended(self) -> dict[str, Any]:
        """What an earlier run of this step was about to do; empty on the first."""
        return dict(self.step.result or {})

    def pause(self, seconds: float) -> None:
        """Wait, or stop at once when the worker is told to end: the step runs again after the restart."""
        if self.duties.stopping.wait(seconds):
            raise WorkerStopping

    def elsewhere(self, **tools: Any) -> Work:
        """The same work with other tools, such as the gateway to another workspace."""
        return replace(self, duties=replace(self.duties, tools={**self.duties.tools, **tools}))

    @contextmanager
    def turn(self, service: str, *, keep: bool = False) -> Iterator[None]:
        """Hold the service's lease while submitting a change; with `keep` also afterwards, for the steps that follow."""
        journal, leases = self.duties.journal, self.duties.leases
        told: str | None = None
        while (holder := leases.take(service, self.operation.id)) is not None:
            if holder != told:
                other = journal.read(holder)
                journal.waits_for(self.operation.id, f"behind “{other.title}” by {other.person_name}")
                told = holder
            self.pause(LEASE_POLL_SECONDS)
        if told:
            journal.waits_for(self.operation.id, None)
        kept = False
        try:
            yield
            kept = keep
        finally:
            if not kept:
                leases.give_back(service, self.operation.id)


class WorkerStopping(BaseException):
    """The worker ends: leave this step as it is. No Exception, so that no step takes it for an error of Azure."""


@dataclass(frozen=True, kw_only=True)
class StepOfKind:
    """A step as its kind lists it."""

    name: str
    label: str
    run: Callable[[Work], Any]


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of operation: who may start it and what it does."""

    name: str
    command: str
    subject_kind: str
    steps: tuple[StepOfKind, ...]
    receipt: Callable[[Operation], dict[str, Any]]


class Engine:
    """Runs operations until it is closed."""

    def __init__(
        self,
        database: Database,
        *,
        kinds: dict[str, Kind],
        journal: Journal,
        leases: Leases,
        tools: dict[str, Any],
        after: Callable[[Operation], None],
        before: Callable[[Operation], None],
        worker_id: str,
    ) -> None:
        """`after` is called before an operation is said to have ended, so that the lists show what it did.

        `before` is called once, when nothing has been changed yet: what is about to go can still be kept.
        """
        self._kinds = kinds
        self._stopping = threading.Event()
        self._after = after
        self._before = before
        self._duties = Duties(journal=journal, leases=leases, stopping=self._stopping, tools=tools)
        self._database = database
        config: DBOSConfig = {
            "name": APPLICATION,
            "system_database_engine": database.engine_for_dbos(),
            "system_database_url": database.url.render_as_string(hide_password=False),
            "application_version": VERSION,
            "executor_id": worker_id,
            "serializer": DBOSPortableJSONSerializer(),
            "max_executor_threads": WORKERS * 4,
            "log_level": "WARNING",
        }
        self._dbos = DBOS(config=config)
        self._register()

    def launch(self) -> None:
        """Begin: unfinished work of this worker is taken up again."""
        DBOS.launch()
        DBOS.register_queue(
            QUEUE, worker_concurrency=WORKERS, polling_interval_sec=POLL_SECONDS, on_conflict="always_update"
        )

    def stop_abandoned(self, *, workspace: str) -> int:
        """Leave to a person what nothing works on any more; return how many there were."""
        return stop_abandoned(self._database, self._duties.journal, workspace=workspace)

    def close(self) -> None:
        """Let steps stop where they are; they run again after the next launch."""
        self._stopping.set()
        DBOS.destroy(workflow_completion_timeout_sec=0)

    def _register(self) -> None:
        @DBOS.workflow(name="operation")
        def operation(operation_id: str, leg: int) -> str:
            return self._walk(operation_id, leg)

    def _walk(self, operation_id: str, leg: int) -> str:
        found = self._patiently(self._duties.journal.read, operation_id)
        for step in found.steps:
            outcome = DBOS.run_step({"name": step.name}, self._patiently, self._run, operation_id, step.position, leg)
            if outcome != "done":
                return str(outcome)
        DBOS.run_step({"name": "end"}, self._patiently, self._finish, operation_id)
        return "succeeded"

    def _patiently(self, call: Callable[..., T], *arguments: Any) -> T:
        """Call until the ledger takes it: on a full disk, say, nothing can be written down, not even a failure."""
        while True:
            try:
                return call(*arguments)
            except Unavailable as error:
                log.warning("Operation %s waits for the ledger: %s", arguments[0], error.sentence)
                if self._stopping.wait(LEDGER_PAUSE_SECONDS):
                    raise WorkerStopping from None

    def _finish(self, operation_id: str) -> str:
        found = self._duties.journal.read(operation_id)
        self._refresh(found)
        self._duties.journal.end(found, "succeeded", receipt=self._kinds[found.kind].receipt(found))
        return "succeeded"

    def _run(self, operation_id: str, position: int, leg: int) -> str:
        """Run one step until it is done or the operation has ended; return its state, never an exception."""
        journal = self._duties.journal
        attempt = 0
        while True:
            found = journal.read(operation_id)
            step = found.steps[position]
            if found.leg != leg or not found.is_open:
                # A crash fell between giving up and saying so to DBOS: going on from here is a person's decision.
                return found.state
            if step.state == "done":
                return "done"
            journal.begin(operation_id)
            if step.position == 0 and step.attempts == 0 and attempt == 0:
                self._prepare(found)
            journal.step(operation_id, step, "running")
            try:
                result = self._attempt(found, step)
            except Unavailable as error:
                attempt += 1
                if attempt < GIVE_UP_AFTER_ATTEMPTS:
                    self._wait_to_retry(operation_id, position, attempt, error)
                    continue
                return self._give_up(found, step, error)
            except DeskError as error:
                return self._give_up(found, step, error)
            except Exception as error:
                log.exception("Step %s of operation %s failed in a way nobody foresaw", step.name, operation_id)
                reference = f"{type(error).__name__} in step {step.name} of operation {operation_id}"
                return self._give_up(
                    found,
                    step,
                    DeskError(
                        f"The desk itself failed here ({reference}); the worker's log has the details. Look there, then go on from here."
                    ),
                )
            journal.step(operation_id, step, "done", result=result)
            return "done"

    def _attempt(self, found: Operation, step: Step) -> Any:
        kind = self._kinds[found.kind]
        # The worker checks again: what the desk wrote into the queue is a request, not a permission.
        require(asker(found), kind.command)
        with disk.explained():
            return kind.steps[step.position].run(Work(found, step, self._duties))

    def _wait_to_retry(self, operation_id: str, position: int, attempt: int, error: Unavailable) -> None:
        pause = getattr(error, "retry_after", None) or PAUSES_SECONDS[min(attempt, len(PAUSES_SECONDS)) - 1]
        self._duties.journal.note(
            operation_id, position, f"{error.sentence} Trying again in {pause:.0f} s (attempt {attempt + 1})."
        )
        if self._stopping.wait(pause):
            raise WorkerStopping

    def _prepare(self, found: Operation) -> None:
        try:
            self._before(found)
        except DeskError as error:
            # What could not be kept must not keep anybody from repairing what is broken.
            log.warning("Before “%s” not all could be kept: %s", found.title, error.sentence)

    def _refresh(self, found: Operation) -> None:
        try:
            self._after(found)
        except DeskError as error:
            # The upkeep reads it soon anyway, and says itself when Azure does not answer.
            log.warning("After “%s” the lists could not be read anew: %s", found.title, error.sentence)

    def _give_up(self, found: Operation, step: Step, error: DeskError) -> str:
        journal = self._duties.journal
        self._refresh(found)
        detail = error.sentence if not error.detail else f"{error.sentence}\n{error.detail}"
        if isinstance(error, Stopped):
            journal.step(found.id, step, "waiting", detail=error.sentence)
            journal.end(found, "stopped", error=error.sentence, error_kind=error.kind)
            return "stopped"
        journal.step(found.id, step, "failed", detail=scrub(detail))
        journal.end(found, "failed", error=error.sentence, error_kind=error.kind)
        return "failed"
