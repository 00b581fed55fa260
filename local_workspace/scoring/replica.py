"""One replica: a gunicorn that is started, watched, started again with a growing pause, and ended."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from .container_logs import cause_of_crash
from .front_end_link import FrontEndLink
from .interface import Liveness
from .launcher import Launcher
from .memory import end_what_is_too_much

START_SCRIPT = Path(__file__).parent / "replica_side" / "start_replica.py"
FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 30.0
STEADY_SECONDS = 60.0
"""A replica that lived this long starts over with the shortest pause."""
END_SECONDS = 5.0
"""How long a replica may take to end when asked, its telemetry flushed; then it is killed."""
UNREADY_END_SECONDS = 1.0
CAPACITY_POLL_SECONDS = 0.5

ReplicaState = Literal["new", "unschedulable", "starting", "ready", "crashed", "ended"]


@dataclass(frozen=True, kw_only=True)
class ReplicaPlan:
    """How to start one replica."""

    service: str
    hostname: str
    python: Path
    entry_script: Path
    cwd: Path
    environment: Mapping[str, str]
    log: Path
    folder: Path
    """Private: home, temporary files, the start file."""
    socket_folder: Path
    """Short, since the path of a Unix socket may have 107 characters."""
    fault_file: Path
    workers: int
    liveness: Liveness | None
    """None = nobody probes it."""


class Replica:
    """One replica of one version; its state changes under the lock of `changed`."""

    def __init__(
        self,
        plan: ReplicaPlan,
        *,
        launcher: Launcher,
        link: FrontEndLink,
        changed: threading.Condition,
        claim: Callable[[], str],
        release: Callable[[], None],
        started: Callable[[], None],
        say: Callable[[str], None],
    ) -> None:
        """`started` is called after each start, once the front end knows the new process; `say` tells people.

        `claim` gives this replica a place, or says what is missing; `release` gives the place back.
        """
        self.state: ReplicaState = "new"
        self.failed_starts = 0
        self.ever_ready = False
        self.cause = ""
        self.lack = ""
        """What is missing while this replica finds no room."""
        self.name = ""
        """Of the process that runs now, as the front end knows it."""
        self.started_at = 0.0
        self.plan = plan
        self._launcher = launcher
        self._link = link
        self._changed = changed
        self._claim = claim
        self._release = release
        self._started = started
        self._say = say
        self._ending = threading.Event()
        self._drained = threading.Event()
        self._killed_by_us = False
        self._answered_once = False
        self._silent_since = 0.0
        self._starts = 0
        self._socket_name = secrets.token_hex(6)
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._run, name=f"replica-{plan.hostname}", daemon=True)

    def start(self) -> None:
        """Start it, and keep it running."""
        self._thread.start()

    def announce(self) -> None:
        """Tell the front end about the running process."""
        if self._process is not None and self.name:
            self._link.send(
                {
                    "do": "replica",
                    "service": self.plan.service,
                    "name": self.name,
                    "socket": str(self._socket),
                    "connections": self.plan.workers,
                    "liveness": self._probe(),
                }
            )

    def heard_ready(self, ready: int, *, of: int) -> None:
        """The front end counts how many of its workers have answered."""
        with self._changed:
            if self.state not in ("starting", "ready"):
                return
            if self.state == "ready" and ready != of:
                self._silent_since = time.monotonic()
            self.state = "ready" if ready == of else "starting"
            first = self.state == "ready" and not self._answered_once
            if self.state == "ready":
                self._answered_once = self.ever_ready = True
                self.failed_starts = 0
            self._changed.notify_all()
        if first:
            # Not under the lock: who listens may hold locks of its own.
            self._say(f"Replica {self.plan.hostname} answers.")

    def is_past_liveness(self, liveness: Liveness) -> bool:
        """Whether its probe has failed for as long as is allowed; called with the lock held."""
        patience = liveness.failure_threshold * liveness.period_seconds
        if not self._answered_once:
            patience += liveness.initial_delay_seconds
        return self.state == "starting" and time.monotonic() - self._silent_since > patience

    def heard_drained(self) -> None:
        """The front end has nothing under way on it any more."""
        self._drained.set()

    def kill_worker(self, pid: int) -> None:
        """End a worker that does not end its call; gunicorn starts another one."""
        process = self._process
        if process is None or process.poll() is not None:
            return
        if sys.platform != "linux":
            process.kill()
        elif _parent_of(pid) == process.pid:
            os.kill(pid, signal.SIGKILL)

    def keep_to_memory(self, limit_gb: float) -> float:
        """Kill what holds more than this replica may; how many GB it held, 0 = all is well."""
        process = self._process
        if process is None or process.poll() is not None or not limit_gb:
            return 0.0
        return end_what_is_too_much(process.pid, limit_gb=limit_gb)

    def restart(self) -> None:
        """End the process because it failed its liveness probe; it is started again."""
        self._killed_by_us = True
        if self._process is not None:
            _end_group(self._process, wait_seconds=0)

    def stop(self, *, drain_seconds: float = 0) -> None:
        """End it for good, after what it runs has ended or the time is over."""
        self._ending.set()
        if drain_seconds and self.state == "ready":
            self._drained.wait(drain_seconds)
        process = self._process
        if process is not None:
            # One that never served has no telemetry to send off, and may sit in init() deaf to signals.
            _end_group(process, wait_seconds=END_SECONDS if self.ever_ready else UNREADY_END_SECONDS)
        self._thread.join(END_SECONDS)

    def _probe(self) -> dict[str, float] | None:
        """The probe as the front end wants it."""
        probe = self.plan.liveness
        if probe is None:
            return None
        return {"period": probe.period_seconds, "timeout": probe.timeout_seconds, "failures": probe.failure_threshold}

    def _run(self) -> None:
        try:
            self._live()
        finally:
            self._release()
            self._set("ended")

    def _live(self) -> None:
        pause = FIRST_PAUSE_SECONDS
        while not self._ending.is_set():
            self.lack = self._claim()
            if self.lack:
                if self.state != "unschedulable":
                    self._say(f"There is no room for replica {self.plan.hostname}: {self.lack}")
                self._set("unschedulable")
                self._ending.wait(CAPACITY_POLL_SECONDS)
                continue
            offset = self.plan.log.stat().st_size if self.plan.log.exists() else 0
            process = self._launch()
            code = process.wait()
            # What the user's script started itself goes with it.
            _end_group(process, wait_seconds=0)
            self._link.send({"do": "remove_replica", "service": self.plan.service, "name": self.name})
            if self._ending.is_set():
                break
            if time.monotonic() - self.started_at > STEADY_SECONDS:
                pause = FIRST_PAUSE_SECONDS
            with self._changed:
                if self._killed_by_us:
                    self._killed_by_us = False
                else:
                    self.failed_starts += 1
                    self.cause = cause_of_crash(self.plan.log, since=offset)
            why = f": {self.cause}" if self.cause else "."
            self._say(f"Replica {self.plan.hostname} ended with code {code}, start {self._starts}{why}")
            self._set("crashed")
            self._ending.wait(pause)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)

    def _launch(self) -> subprocess.Popen[bytes]:
        plan = self.plan
        self._starts += 1
        self._socket = plan.socket_folder / f"{self._socket_name}.{self._starts}"
        home, temporary = plan.folder / "home", plan.folder / "tmp"
        for folder in (home, temporary):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        start_file = plan.folder / "replica.json"
        start_file.write_text(
            json.dumps(
                {
                    "parent": os.getpid(),
                    "parent_pipe": self._launcher.parent_pipe,
                    "socket": str(self._socket),
                    "entry_script": str(plan.entry_script),
                    "fault_file": str(plan.fault_file),
                }
            )
        )
        self._process = self._launcher.launch(
            [str(plan.python), str(START_SCRIPT), str(start_file)],
            environment=plan.environment,
            cwd=plan.cwd,
            log=plan.log,
        )
        self.started_at = time.monotonic()
        with self._changed:
            self._answered_once, self._silent_since = False, self.started_at
            self.name = f"{plan.hostname}.{self._starts}"
            self.state = "starting"
            self._changed.notify_all()
        self.announce()
        self._started()
        if self._ending.is_set():
            # Asked to end between two starts: nobody else will end this one.
            _end_group(self._process, wait_seconds=0)
        return self._process

    def _set(self, state: ReplicaState) -> None:
        with self._changed:
            if self.state != state:
                self.state = state
                self._changed.notify_all()


def _end_group(process: subprocess.Popen[bytes], *, wait_seconds: float) -> None:
    """End a process that we started and everything in its session."""
    if wait_seconds and process.poll() is None:
        process.terminate()
        try:
            process.wait(wait_seconds)
        except subprocess.TimeoutExpired:
            # It was asked; now it is told, below.
            wait_seconds = 0
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        # Nothing of it is left.
        return


def _parent_of(pid: int) -> int:
    """The parent of a process on Linux; 0 when it has ended."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    # The second field is the command's name and may hold spaces.
    return int(text.rpartition(")")[2].split()[1])
