"""One service as it runs: which version serves, which one is on its way, and what the control plane hears of it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from . import failures, no_code, requirements
from .deployment import Deployment, Outcome, Surroundings
from .environments import Environment, Environments
from .interface import Access, DeploymentStatus, Failure, Reporter, Rollout, ServiceState
from .requirements import Unbuildable

log = logging.getLogger(__name__)

UNHEALTHY_AFTER_SECONDS = 5.0
"""No replica answers for this long: a worker that gunicorn replaces at once is not news."""
RETIRE_PATIENCE_SECONDS = 10.0
CLOSE_SECONDS = 30.0
SCHEDULING_SECONDS = 300.0
"""How long Azure looks for room before the operation fails."""


class RunningService:
    """One service; each rollout runs in a thread of its own and gives way to the next."""

    def __init__(self, name: str, *, surroundings: Surroundings, environments: Environments) -> None:
        """Nothing runs yet."""
        self.name = name
        self._around = surroundings
        self._environments = environments
        self._lock = threading.RLock()
        self._access: Access | None = None
        self._replicas = 1
        self._max_concurrent = 1
        self._current: Deployment | None = None
        self._pending: Deployment | None = None
        self._cancelled = threading.Event()
        self._reporter: Reporter | None = None
        self._state: tuple[ServiceState, Failure | None] | None = None
        self._silent_since: float | None = None
        self._rollout_thread: threading.Thread | None = None
        self._retiring: list[Deployment] = []

    # What the control plane asks

    def roll_out(self, rollout: Rollout, reporter: Reporter, *, is_operation: bool) -> None:
        """Begin a rollout; one that still tries gives way."""
        with self._lock:
            before = self._rollout_thread
            self._cancelled.set()
            self._cancelled = cancelled = threading.Event()
            self._access, self._replicas = rollout.access, rollout.replicas
            self._rollout_thread = threading.Thread(
                target=self._run,
                args=(rollout, _Told(reporter, is_operation=is_operation), cancelled, before),
                name=f"rollout-{self.name}",
                daemon=True,
            )
            self._rollout_thread.start()

    def set_access(self, access: Access) -> None:
        """Change who may call, and the limits."""
        with self._lock:
            self._access = access
            self._configure()

    def set_replicas(self, count: int) -> None:
        """Change how many replicas run."""
        with self._lock:
            self._replicas = count
            deployments = [each for each in (self._pending, self._current) if each is not None]
        for deployment in deployments:
            deployment.scale(count)

    def status(self) -> DeploymentStatus:
        """How many replicas shall run, run the newest version, and answer."""
        with self._lock:
            current, pending, desired = self._current, self._pending, self._replicas
        newest = pending or current
        available = (current.available() if current else 0) + (pending.available() if pending else 0)
        waiting, lack = (newest.pending(), newest.lack()) if newest else (0, "")
        error = failures.NO_CAPACITY if waiting else None
        if error is None and newest is not None and newest.available() < desired:
            error = newest.cause() or None
        return DeploymentStatus(
            desired=desired,
            updated=newest.updated() if newest else 0,
            available=available,
            error=error,
            pending=waiting,
            lack=lack,
        )

    def leave(self) -> None:
        """Stop being routed to, at once: a service of the same name may be made right after."""
        with self._lock:
            self._cancelled.set()
            self._reporter = None
            for deployment in (self._pending, self._current):
                if deployment is not None:
                    deployment.serving = False
            self._around.link.send({"do": "remove_service", "service": self.name})

    def close(self) -> None:
        """End everything, after `leave`."""
        with self._lock:
            deployments = [each for each in (self._pending, self._current) if each is not None]
            self._pending = self._current = None
            deployments.extend(self._retiring)
            thread = self._rollout_thread
        for deployment in deployments:
            deployment.stop(drain=False)
        if thread is not None:
            thread.join(CLOSE_SECONDS)

    # What the front end says

    def announce(self) -> None:
        """Tell a new front end everything about this service."""
        with self._lock:
            self._configure()
            deployments = [each for each in (self._pending, self._current) if each is not None]
        for deployment in deployments:
            deployment.announce()

    def heard(self, event: Mapping[str, object]) -> None:
        """Something happened to one of the replicas."""
        with self._lock:
            deployments = [each for each in (self._pending, self._current) if each is not None]
        deployments.extend(self._retiring)
        for deployment in deployments:
            replica = deployment.find(str(event["replica"]))
            if replica is None:
                continue
            if event["event"] == "ready":
                replica.heard_ready(int(str(event["ready"])), of=int(str(event["of"])))
            elif event["event"] == "drained":
                replica.heard_drained()
            elif event["event"] == "stuck" and replica.plan.liveness is not None:
                replica.restart()
                self._say(f"Liveness probe failed: replica {replica.plan.hostname} is restarted.")
            elif event["event"] == "stuck":
                replica.kill_worker(int(str(event["pid"])))

    def upkeep(self) -> None:
        """Once a second: liveness, and whether the service is still healthy."""
        with self._lock:
            current, pending, reporter = self._current, self._pending, self._reporter
        for deployment in (pending, current):
            if deployment is not None:
                for hostname in deployment.check_liveness():
                    self._say(f"Liveness probe failed: replica {hostname} is restarted.")
                for sentence in deployment.check_memory():
                    self._say(sentence)
        if current is None or pending is not None or reporter is None or not current.serving:
            self._silent_since = None
            return
        if current.available() or current.desired == 0:
            self._silent_since = None
            self._tell_state("Healthy")
            return
        now = time.monotonic()
        self._silent_since = self._silent_since or now
        if now - self._silent_since > UNHEALTHY_AFTER_SECONDS:
            if current.pending():
                self._tell_state(
                    "Unschedulable", failures.unschedulable(current.rollout.compute_type, lack=current.lack())
                )
            else:
                self._tell_state("Unhealthy", failures.unhealthy(cause=current.cause()))

    def _say(self, sentence: str) -> None:
        """Tell the operation's log, while there is one, and the workspace's."""
        with self._lock:
            reporter = self._reporter
        if reporter is not None:
            reporter.line(sentence)
        log.warning("Service %s: %s", self.name, sentence)

    # A rollout

    def _run(self, rollout: Rollout, told: _Told, cancelled: threading.Event, before: threading.Thread | None) -> None:
        """One rollout from building to serving."""
        if before is not None:
            # The one before has been told to give way; it must not touch the service any more.
            before.join()
        if cancelled.is_set():
            return
        with self._lock:
            self._reporter, self._state = told, None
            abandoned, self._pending = self._pending, None
        if abandoned is not None:
            abandoned.stop(drain=False)
        self._tell_state("Transitioning")
        try:
            self._roll_out(rollout, told, cancelled)
        except Exception as error:
            if not cancelled.is_set():
                failure = Failure(
                    code="InternalServerError",
                    status_code=500,
                    message=f"The local workspace could not run this deployment: {type(error).__name__}: {error}",
                )
                self._tell_state("Failed", failure)
                told.ended("Failed", failure)
            raise

    def _roll_out(self, rollout: Rollout, told: _Told, cancelled: threading.Event) -> None:
        prepared = self._prepare(rollout, told, cancelled)
        if prepared is None:
            return
        environment, entry_script = prepared
        told.phase("DeployService", "Running")
        if rollout.front_end_problem:
            environment.let_go()
            self._fail(told, failures.front_end_crashed(reason=rollout.front_end_problem))
            return
        if rollout.compute_type == "ACI" and self._current is not None:
            # A container group is replaced, not rolled: on Azure nothing answers in between either.
            told.line("Stopping the running container: an ACI service is down while it is replaced.")
            with self._lock:
                old, self._current = self._current, None
            self._retire(old)
        self._around.faults.begin_rollout(self.name, deploy_timeout_seconds=rollout.deploy_timeout_seconds)
        deployment = Deployment(
            rollout, environment=environment, entry_script=entry_script, surroundings=self._around, say=told.line
        )
        with self._lock:
            if cancelled.is_set():
                environment.let_go()
                return
            self._pending = deployment
            self._max_concurrent = rollout.max_concurrent_requests
            self._configure()
            # With nothing else to serve, each replica serves as soon as it is ready.
            deployment.serving = self._current is None
            count = self._replicas
        self._write_init_log(rollout)
        told.line(f"Starting {count} {'replica' if count == 1 else 'replicas'} of revision {rollout.revision}.")
        deployment.scale(count)
        if self._replicas != count:
            # Asked for between the two lines above.
            deployment.scale(self._replicas)
        self._follow(deployment, told, cancelled)

    def _prepare(self, rollout: Rollout, told: _Told, cancelled: threading.Event) -> tuple[Environment, str] | None:
        """The environment and the entry script; None when they cannot be had."""
        told.phase("BuildEnvironment", "Running")
        try:
            if rollout.entry_script:
                entry_script = rollout.entry_script
                needed = requirements.from_document(rollout.environment)
            else:
                needed = requirements.no_code(rollout.models)
                entry_script = no_code.write_entry_script(rollout.folder / "code", rollout.models[0])
            environment = self._environments.obtain(needed, line=told.line, cancelled=cancelled)
        except Unbuildable as error:
            if not cancelled.is_set():
                failure = failures.build_failed(error.sentence, package=error.package)
                told.line(f"ERROR: {error.sentence}")
                told.phase("BuildEnvironment", "Failed")
                self._tell_state("Failed", failure)
                told.ended("Failed", failure)
            return None
        told.phase("BuildEnvironment", "Succeeded")
        return environment, entry_script

    def _follow(self, deployment: Deployment, told: _Told, cancelled: threading.Event) -> None:
        """Until the deployment serves, fails or gives way; its operation may end before that."""
        rollout = deployment.rollout
        started = time.monotonic()
        deadline: float | None = started + rollout.deploy_timeout_seconds
        looking_for_room = started + min(SCHEDULING_SECONDS, rollout.deploy_timeout_seconds)
        outcome: Outcome = deployment.wait(deadline=looking_for_room, cancelled=cancelled)
        if outcome == "late":
            outcome = deployment.wait(deadline=deadline, cancelled=cancelled)
        if outcome == "unschedulable":
            failure = failures.unschedulable(rollout.compute_type, lack=deployment.lack())
            told.line(f"ERROR: {failure.message}; {failure.details[0][1]}")
            told.phase("DeployService", "Failed")
            self._tell_state("Unschedulable", failure)
            told.ended("Failed", failure)
        elif outcome == "late":
            failure = failures.timed_out(seconds=rollout.deploy_timeout_seconds)
            told.line(f"The replicas are not ready after {rollout.deploy_timeout_seconds:.0f} s; still trying.")
            told.phase("DeployService", "Failed")
            self._tell_state("Unhealthy", failure)
            told.ended("TimedOut", failure)
        if outcome in ("unschedulable", "late"):
            outcome = deployment.wait(deadline=None, cancelled=cancelled)
        if outcome == "ready":
            self._take_over(deployment, told, cancelled)
        elif outcome == "crashed":
            self._give_up(deployment, told)

    def _take_over(self, deployment: Deployment, told: _Told, cancelled: threading.Event) -> None:
        with self._lock:
            if cancelled.is_set():
                # Whoever cancelled ends it: it is still the pending one.
                return
            old, self._current, self._pending = self._current, deployment, None
            if old is not None:
                old.serving = False
            deployment.serving = True
            deployment.route()
        told.line("All replicas are ready and serve.")
        told.phase("DeployService", "Succeeded")
        self._tell_state("Healthy")
        if old is not None:
            retiring = threading.Thread(target=self._retire, args=(old,), name=f"retire-{self.name}", daemon=True)
            retiring.start()
            # Whoever hears of the end may remove the old version's files: let calls under way finish, if they are short.
            retiring.join(RETIRE_PATIENCE_SECONDS)
        told.ended("Succeeded")

    def _give_up(self, deployment: Deployment, told: _Told) -> None:
        failure = failures.crashed(deployment.rollout.compute_type, cause=deployment.cause())
        with self._lock:
            self._pending = None
        deployment.stop(drain=False)
        self._fail(told, failure)

    def _fail(self, told: _Told, failure: Failure) -> None:
        """End a rollout for good."""
        told.line(f"ERROR: {failure.message}")
        with self._lock:
            serves = self._current is not None
        if serves:
            told.line("The version before goes on serving.")
        told.phase("DeployService", "Failed")
        self._tell_state("Failed", failure)
        told.ended("Failed", failure)
        with self._lock:
            # Failed is final: it stays until the next rollout, though an older version may serve.
            self._reporter = None

    def _retire(self, deployment: Deployment | None) -> None:
        """End a version after what it runs."""
        if deployment is None:
            return
        self._retiring.append(deployment)
        deployment.serving = False
        if deployment.rollout.compute_type == "ACI":
            self._around.link.send({"do": "serve", "service": self.name, "names": []})
        deployment.stop(drain=True)
        self._retiring.remove(deployment)

    def _configure(self) -> None:
        if self._access is None:
            return
        wish = {"do": "service", "name": self.name, "access": asdict(self._access)}
        self._around.link.send({**wish, "max_concurrent": self._max_concurrent})

    def _tell_state(self, state: ServiceState, failure: Failure | None = None) -> None:
        """Tell the control plane, unless it knows."""
        with self._lock:
            if (state, failure) == self._state or self._reporter is None:
                return
            self._state = state, failure
            reporter = self._reporter
        reporter.service_state(state, failure)

    def _write_init_log(self, rollout: Rollout) -> None:
        """What the init container did before the first replica: models and code are in place."""

        def write(text: str) -> None:
            self._around.logs.write_init(self.name, rollout.revision, text)

        write(f"Preparing {self.name}, revision {rollout.revision}")
        for model in rollout.models:
            write(f"Model {model.get('name')}:{model.get('version')} is in azureml-models")
        write(f"AZUREML_MODEL_DIR is {rollout.model_dir}: {_megabytes(rollout.model_dir):,.1f} MB")
        write(f"Code is in {rollout.folder / 'code'}: {_megabytes(rollout.folder / 'code'):,.1f} MB")
        link = rollout.folder / "code" / "azureml-models"
        models = rollout.folder / "azureml-models"
        if models.is_dir() and not link.exists():
            # `Model.get_model_path` looks beside the code, as in Azure's container.
            link.symlink_to(models)


class _Told:
    """A reporter that hears of an operation only if there is one, and of its end only once."""

    def __init__(self, reporter: Reporter, *, is_operation: bool) -> None:
        self._reporter = reporter
        self._is_operation = is_operation
        self._ended = False
        self.service_state = reporter.service_state

    def line(self, text: str) -> None:
        # A service that crashes for days must not fill the log of the operation that started it.
        if not self._ended:
            self._reporter.line(text)

    def phase(self, phase: str, state: str) -> None:
        if self._is_operation and not self._ended:
            self._reporter.phase(phase, state)  # type: ignore[arg-type]

    def ended(self, state: str, failure: Failure | None = None) -> None:
        if self._is_operation and not self._ended:
            self._ended = True
            self._reporter.ended(state, failure)  # type: ignore[arg-type]


def _megabytes(folder: Path) -> float:
    files = [folder] if folder.is_file() else [file for file in folder.rglob("*") if file.is_file()]
    return sum(file.stat().st_size for file in files) / 1e6
