"""The worker: `python -m services.worker`. One lock, the operations engine, the upkeep loops.

A second worker with the same id is refused: it would take up the first one's running work and do it twice.
"""

from __future__ import annotations

import fcntl
import logging
import os
import signal
import sys
import threading
from pathlib import Path
from typing import IO

from services import bootstrap, disk, scratch
from services.azureml.preload import load_sdk
from services.errors import DeskError
from services.health import BEAT_SECONDS
from services.scrubbing import RedactingFilter
from services.settings import Settings, read_settings
from services.storage.database import private_umask
from services.upkeep import Loop, Upkeep

SERVICES_EVERY = 15.0
SERVICES_WHILE_RUNNING_EVERY = 5.0
MODELS_EVERY = 60.0
SWEEP_EVERY = 600.0
SUMMARIES_EVERY = 60.0
SUMMARIES_WHILE_FAILING_EVERY = 10.0
PROBES_EVERY = 1.0
ARRIVALS_EVERY = 10.0
ALERTS_EVERY = 15.0
ABANDONED_EVERY = 15.0
ANCHOR_EVERY = 300.0
REHEARSAL_EVERY = 60.0
CLEAN_UP_EVERY = 600.0
LOG_SNAPSHOTS_EVERY = 5.0
FAILURES_EVERY = 60.0
WAIT_FOR_WORKSPACE_SECONDS = 1.0

log = logging.getLogger("worker")


def main() -> int:
    """Run until SIGTERM or SIGINT."""
    private_umask()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s", stream=sys.stderr)
    for handler in logging.getLogger().handlers:
        handler.addFilter(RedactingFilter())
    logging.getLogger("httpx2").setLevel(logging.WARNING)
    logging.getLogger("azure").setLevel(logging.WARNING)
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    try:
        settings = read_settings()
        with disk.explained(places=True):
            lock = hold_lock(settings)
            # Only under the lock is all that lies there left over from a worker that was killed.
            own = settings.scratch / settings.worker_id
            scratch.sweep(own)
            scratch.settle(own)
    except DeskError as error:
        log.error(error.sentence)
        return 1
    try:
        work(settings, stopping)
    except DeskError as error:
        log.error(error.sentence)
        return 1
    finally:
        lock.close()
    # Steps in flight stay where they are and run again after the next start: nothing here is worth waiting for.
    logging.shutdown()
    os._exit(0)


def work(settings: Settings, stopping: threading.Event) -> None:
    """Open everything, run the loops, close everything."""
    wait_for_workspace(settings, stopping)
    if stopping.is_set():
        return
    made = bootstrap.worker(settings)
    load_sdk()
    made.engine.launch()
    upkeep = Upkeep(loops(made))
    upkeep.start()
    log.info("The worker %s is ready.", settings.worker_id)
    print("The worker is ready.", flush=True)
    stopping.wait()
    log.info("The worker stops; what runs goes on after the next start.")
    made.engine.close()
    made.rehearsal.close()


def loops(made: bootstrap.Worker) -> list[Loop]:
    """The upkeep and how often it is due."""

    def services_every() -> float:
        return SERVICES_WHILE_RUNNING_EVERY if made.operations.running() else SERVICES_EVERY

    def summaries_every() -> float:
        return SUMMARIES_WHILE_FAILING_EVERY if made.summaries.is_failing else SUMMARIES_EVERY

    def anchor() -> None:
        verdict = made.audit.verify()
        if verdict.is_whole:
            made.audit.anchor()
        else:
            log.error("The audit log is not whole: %s", verdict.sentence)

    def abandoned() -> None:
        made.engine.stop_abandoned(workspace=made.workspace)

    def clean_up() -> None:
        made.sealed.discard_expired()
        made.files.clean_up()
        made.probes.clean_up()
        scratch.sweep(made.settings.scratch / scratch.DESK, older_than=scratch.UNSWEPT_FOR)

    return [
        Loop(name="heartbeat", every=lambda: BEAT_SECONDS, work=lambda: made.health.beat(made.settings.worker_id)),
        Loop(name="services", every=services_every, work=made.inventory.refresh_services),
        Loop(name="models", every=lambda: MODELS_EVERY, work=made.inventory.refresh_models),
        Loop(name="model sweep", every=lambda: SWEEP_EVERY, work=made.inventory.sweep_models),
        Loop(name="model sizes", every=lambda: MODELS_EVERY, work=made.inventory.measure_models),
        Loop(name="environments", every=lambda: MODELS_EVERY, work=made.inventory.refresh_environments),
        Loop(name="computes", every=lambda: MODELS_EVERY, work=made.inventory.refresh_computes),
        Loop(name="rehearsal", every=lambda: REHEARSAL_EVERY, work=made.rehearsal.stop_if_idle),
        Loop(name="bundles", every=lambda: SERVICES_EVERY, work=made.reading_back.start_due),
        Loop(name="summaries", every=summaries_every, work=made.summaries.refresh),
        Loop(name="probes", every=lambda: PROBES_EVERY, work=made.probe_rounds.send_due),
        Loop(name="probes in telemetry", every=lambda: ARRIVALS_EVERY, work=made.probe_rounds.look),
        Loop(name="alerts", every=lambda: ALERTS_EVERY, work=made.alert_rounds.turn),
        Loop(name="log snapshots", every=lambda: LOG_SNAPSHOTS_EVERY, work=made.log_snapshots.keep_up),
        Loop(name="failure groups", every=lambda: FAILURES_EVERY, work=made.failure_groups.refresh),
        Loop(name="abandoned work", every=lambda: ABANDONED_EVERY, work=abandoned),
        Loop(name="anchor", every=lambda: ANCHOR_EVERY, work=anchor),
        Loop(name="clean-up", every=lambda: CLEAN_UP_EVERY, work=clean_up),
    ]


def wait_for_workspace(settings: Settings, stopping: threading.Event) -> None:
    """The local workspace writes its connection file when it is ready: wait for it, saying so once."""
    if not settings.is_local:
        return
    said = False
    while not settings.connection.exists() and not stopping.is_set():
        if not said:
            log.info("Waiting for the local workspace to write %s.", settings.connection.name)
            said = True
        stopping.wait(WAIT_FOR_WORKSPACE_SECONDS)


def hold_lock(settings: Settings) -> IO[str]:
    """Take the lock of this worker's id for as long as the process lives."""
    settings.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    path: Path = settings.data / f"{settings.worker_id}.lock"
    lock = path.open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise DeskError(
            f"A worker named {settings.worker_id} runs already on {settings.data}: stop it, or set another WORKER_ID."
        ) from None
    return lock


if __name__ == "__main__":
    sys.exit(main())
