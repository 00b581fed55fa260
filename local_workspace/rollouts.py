"""From a service as it was asked for to a version that runs: prepare its folder, hand it to scoring, note how it goes."""

from __future__ import annotations

import json
import logging
import shutil
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal

from local_workspace.blobs import Blobs
from local_workspace.revision_folder import SourceInvalid, prepare
from local_workspace.scoring.interface import Access, Failure, Liveness, Phase, Rollout, Scoring, ServiceState
from local_workspace.sealing import Seal
from local_workspace.state import State, dumps, now

log = logging.getLogger(__name__)

MAXIMUM_REPLICAS = 10
FRONT_END_PROBLEM = "frontEndProblem"
"""In the document of a revision: why the container in front of the service cannot start."""
EndState = Literal["Succeeded", "Failed", "TimedOut"]


class Rollouts:
    """Prepares and starts versions of services in threads of its own."""

    def __init__(
        self,
        folder: Path,
        *,
        state: State,
        blobs: Blobs,
        seal: Seal,
        scoring: Scoring,
        deploy_timeout: float,
    ) -> None:
        self._folder = folder
        self._state = state
        self._blobs = blobs
        self._seal = seal
        self._scoring = scoring
        self._deploy_timeout = deploy_timeout
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="rollout")
        self._files = threading.Lock()
        self._settings = threading.Lock()
        self.closing = threading.Event()

    def add_revision(self, document: dict[str, Any]) -> str:
        """Keep one version of a service as it shall run; call it inside the transaction that changes the service."""
        revision = uuid.uuid4().hex[:12]
        with self._state.transaction() as work:
            work.execute(
                "INSERT INTO revisions (revision, service, document) VALUES (?, ?, ?)",
                (revision, document["name"], dumps(document)),
            )
        return revision

    def start(self, service: str, *, revision: str, operation_id: str) -> None:
        """Roll a version out, on an operation; returns at once."""
        self._threads.submit(self._roll_out, service, revision, operation_id)

    def restore_all(self) -> None:
        """Start again what ran before the workspace was stopped, and go on with operations that were running."""
        for row in self._state.rows("SELECT * FROM services ORDER BY updated DESC"):
            operation = self._state.row("SELECT state FROM operations WHERE id = ?", (row["operation_id"],))
            if operation is not None and operation["state"] == "Running":
                self.start(row["name"], revision=row["revision"], operation_id=row["operation_id"])
            elif row["state"] != "Failed":
                with self._state.transaction() as work:
                    work.execute("UPDATE services SET state = 'Transitioning' WHERE name = ?", (row["name"],))
                self._threads.submit(self._restore, row["name"], row["revision"], row["id"], quiet=False)
            elif row["compute_type"] == "AKS" and row["serving_revision"] not in (None, row["revision"]):
                # The last update failed, which is final; the version before it went on serving and does so again.
                self._threads.submit(self._restore, row["name"], row["serving_revision"], row["id"], quiet=True)

    def set_access(self, service: str) -> None:
        """Tell the front end who may call a service now, and how long calls may take."""
        # Read and told in one go, so that of two changes at once the later one is told last.
        with self._settings:
            row = self._service(service)
            if row is not None:
                document = json.loads(row["document"])
                self._scoring.set_access(service, access_of(document, self._seal.open(row["secrets"])))

    def set_replicas(self, service: str) -> None:
        """Change how many replicas of a service run."""
        with self._settings:
            row = self._service(service)
            if row is not None:
                present = self._scoring.status(service).desired
                self._scoring.set_replicas(service, replicas_of(json.loads(row["document"]), present=present))

    def remove(self, service: str) -> None:
        """Stop a service and let go of its files; call it inside the transaction that deletes the service.

        A service created under the same name right afterwards must not be the one that is stopped.
        """
        self._scoring.remove(service)
        self._threads.submit(self._forget, service)

    def close(self) -> None:
        """Start nothing more, and note nothing more: what stops with the workspace has not failed."""
        self.closing.set()
        self._threads.shutdown(wait=True, cancel_futures=True)

    def _roll_out(self, service: str, revision: str, operation_id: str) -> None:
        row = self._service(service)
        if row is None or row["revision"] != revision:
            return
        report = Report(self, self._state, service=service, service_id=row["id"], revision=revision)
        report.operation_id = operation_id
        try:
            rollout = self._rollout(row, revision)
        except SourceInvalid as error:
            report.fail("SourceInvalid", str(error))
            return
        except Exception:
            log.exception("The version %s of service %s could not be prepared", revision, service)
            report.fail("InternalServerError", "The workspace could not prepare the files of this version.")
            return
        self._scoring.roll_out(rollout, report)

    def _restore(self, service: str, revision: str, service_id: str, *, quiet: bool) -> None:
        row = self._service(service)
        if row is None or row["id"] != service_id:
            return
        report = Report(self, self._state, service=service, service_id=service_id, revision=revision, quiet=quiet)
        try:
            self._scoring.restore(self._rollout(row, revision), report)
        except Exception:
            log.exception("Service %s could not be started again", service)
            report.fail("InternalServerError", "The workspace could not start this service again.")
            return
        still = self._service(service)
        if still is None or still["id"] != service_id:
            # Deleted while it was being prepared.
            self._scoring.remove(service)

    def _rollout(self, row: Any, revision: str) -> Rollout:
        """The version as scoring wants it: its settings from the revision, who may call from the service of now."""
        kept = self._state.row("SELECT document FROM revisions WHERE revision = ?", (revision,))
        if kept is None:
            raise LookupError(f"There is no revision {revision}.")
        document = json.loads(kept["document"])
        with self._files:
            prepared = prepare(self._folder / row["name"] / revision, document, state=self._state, blobs=self._blobs)
        resources = document["containerResourceRequirements"]
        probe = document.get("livenessProbeRequirements")
        now_asked = json.loads(row["document"])
        is_newest = row["revision"] == revision
        return Rollout(
            service=row["name"],
            compute_type=document["computeType"],
            revision=revision,
            folder=prepared.folder,
            entry_script=prepared.entry_script,
            model_dir=prepared.model_dir,
            models=prepared.models,
            environment=prepared.environment,
            access=access_of(now_asked if is_newest else document, self._seal.open(row["secrets"])),
            replicas=replicas_of(now_asked if is_newest else document),
            cpu=float(resources["cpu"]),
            memory_gb=float(resources["memoryInGB"]),
            max_concurrent_requests=int(document.get("maxConcurrentRequestsPerContainer") or 1),
            app_insights_enabled=bool(document["appInsightsEnabled"]),
            gpu=int(resources.get("gpu") or 0),
            memory_limit_gb=float(resources.get("memoryInGBLimit") or resources["memoryInGB"]),
            front_end_problem=document.get(FRONT_END_PROBLEM) or "",
            cluster=document.get("computeName") or "",
            liveness=_liveness(probe) if probe else Liveness(),
            deploy_timeout_seconds=self._deploy_timeout,
        )

    def _service(self, name: str) -> Any:
        return self._state.row("SELECT * FROM services WHERE name = ?", (name,))

    def superseded(self, service: str) -> None:
        """Let go of the files of versions that neither serve nor are being rolled out."""
        self._threads.submit(self._forget, service)

    def _forget(self, service: str) -> None:
        with self._files:
            self._forget_files(service)

    def _forget_files(self, service: str) -> None:
        row = self._service(service)
        kept = {row["revision"], row["serving_revision"]} if row else set()
        folder = self._folder / service
        for old in [old for old in folder.glob("*") if old.name not in kept]:
            shutil.rmtree(old, ignore_errors=True)
        if row is None:
            shutil.rmtree(folder, ignore_errors=True)
        with self._state.transaction() as work:
            for found in work.execute("SELECT revision FROM revisions WHERE service = ?", (service,)).fetchall():
                if found["revision"] not in kept:
                    work.execute("DELETE FROM revisions WHERE revision = ?", (found["revision"],))


class Report:
    """Notes what scoring says about one version: on its operation, and on the service while it is the newest."""

    def __init__(
        self, rollouts: Rollouts, state: State, *, service: str, service_id: str, revision: str, quiet: bool = False
    ) -> None:
        self._rollouts = rollouts
        self._state = state
        self._service = service
        self._service_id = service_id
        self._revision = revision
        self._quiet = quiet
        self.operation_id: str | None = None

    def phase(self, phase: Phase, state: Literal["Running", "Succeeded", "Failed"]) -> None:
        """The operation's `operationDetails` changed."""
        if self._rollouts.closing.is_set():
            return
        with self._state.transaction() as work:
            work.execute(
                "UPDATE operations SET phase = ?, phase_state = ? WHERE id = ?", (phase, state, self.operation_id)
            )

    def line(self, text: str) -> None:
        """One line for the operation's log."""
        if self.operation_id is None or self._rollouts.closing.is_set():
            return
        with self._state.transaction() as work:
            work.execute(
                "INSERT INTO operation_lines (operation_id, at, text) VALUES (?, ?, ?)",
                (self.operation_id, now(), text),
            )

    def service_state(self, state: ServiceState, failure: Failure | None = None) -> None:
        """The service's own state changed; also after the operation ended."""
        if self._quiet or self._rollouts.closing.is_set():
            return
        with self._state.transaction() as work:
            # A version that was healthy once is the one to go back to when a later one fails.
            work.execute(
                "UPDATE services SET state = ?1, error = ?2, updated = ?3,"
                " serving_revision = CASE WHEN ?1 = 'Healthy' THEN revision ELSE serving_revision END"
                " WHERE name = ?4 AND id = ?5 AND revision = ?6",
                (state, _error(failure), now(), self._service, self._service_id, self._revision),
            )

    def ended(self, state: EndState, failure: Failure | None = None) -> None:
        """The operation is over, once."""
        if self._rollouts.closing.is_set():
            return
        with self._state.transaction() as work:
            work.execute(
                "UPDATE operations SET state = ?, error = ?, ended = ? WHERE id = ? AND state = 'Running'",
                (state, _error(failure), now(), self.operation_id),
            )
        if state == "Succeeded":
            self._rollouts.superseded(self._service)

    def fail(self, code: str, message: str) -> None:
        """End as failed, for a reason found before anything was started."""
        failure = Failure(code=code, status_code=400, message=message, details=((code, message),))
        self.line(message)
        self.phase("BuildEnvironment", "Failed")
        self.service_state("Failed", failure)
        self.ended("Failed", failure)


def access_of(document: dict[str, Any], secrets: dict[str, Any]) -> Access:
    """Who may call a service, and how long a call may take."""
    return Access(
        auth_enabled=bool(document["authEnabled"]),
        aad_auth_enabled=bool(document.get("aadAuthEnabled")),
        primary_key=secrets["primary"],
        secondary_key=secrets["secondary"],
        token_secret=secrets["token_secret"],
        max_queue_wait_ms=int(document.get("maxQueueWaitMs") or 500),
        scoring_timeout_ms=int(document.get("scoringTimeoutMs") or 60_000),
    )


def replicas_of(document: dict[str, Any], *, present: int = 0) -> int:
    """How many replicas a service runs: a fixed number, or those it has (at first one) within the autoscaler's limits."""
    if document["computeType"] == "ACI":
        return 1
    scaler, asked = document["autoScaler"], int(document.get("numReplicas") or 1)
    if not scaler["autoscaleEnabled"]:
        return asked
    return int(min(max(present or asked, scaler["minReplicas"]), scaler["maxReplicas"]))


def _liveness(probe: dict[str, Any]) -> Liveness:
    return Liveness(
        initial_delay_seconds=probe["initialDelaySeconds"],
        period_seconds=probe["periodSeconds"],
        timeout_seconds=probe["timeoutSeconds"],
        success_threshold=probe["successThreshold"],
        failure_threshold=probe["failureThreshold"],
    )


def _error(failure: Failure | None) -> str | None:
    if failure is None:
        return None
    return dumps(
        {
            "code": failure.code,
            "statusCode": failure.status_code,
            "message": failure.message,
            "details": [{"code": code, "message": message} for code, message in failure.details],
        }
    )
