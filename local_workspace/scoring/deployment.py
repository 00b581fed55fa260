"""One version of a service as it runs: its replicas, and whether together they are what was asked for."""

from __future__ import annotations

import hashlib
import secrets
import shutil
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from .container_logs import ContainerLogs
from .environments import Environment
from .failures import NO_NODES
from .faults import Faults
from .front_end_link import FrontEndLink
from .interface import Rollout
from .launcher import Launcher
from .replica import Replica, ReplicaPlan
from .replica_environment import replica_environment, workers_of
from .room import Need, Room

CRASHES_UNTIL_FAILED = 2
"""A replica that ended this often without ever having answered is not started again."""
DRAIN_MARGIN_SECONDS = 2.0

Outcome = Literal["ready", "crashed", "late", "unschedulable", "cancelled"]


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What every deployment of a workspace shares."""

    launcher: Launcher
    link: FrontEndLink
    logs: ContainerLogs
    faults: Faults
    room: Room
    replicas_folder: Path
    socket_folder: Path
    workspace_name: str
    telemetry_url: Callable[[], str]
    instrumentation_key: str


class Deployment:
    """The replicas of one rollout."""

    def __init__(
        self,
        rollout: Rollout,
        *,
        environment: Environment,
        entry_script: str,
        surroundings: Surroundings,
        say: Callable[[str], None],
    ) -> None:
        """Nothing is started yet; `say` hears in words what happens to replicas."""
        self.rollout = rollout
        self.serving = False
        self.desired = 0
        self.stopped = False
        self.changed = threading.Condition()
        self._environment = environment
        self._entry_script = entry_script
        self._around = surroundings
        self._say = say
        self._replicas: list[Replica] = []
        self._leaving: list[Replica] = []
        self._log_folder = surroundings.logs.open_revision(rollout.service, rollout.revision)
        self._pods = hashlib.sha256(rollout.revision.encode()).hexdigest()[:8]
        self._folders_used = 0

    def scale(self, count: int) -> None:
        """Run this many replicas; those that stay are not touched, the newest go first."""
        with self.changed:
            self.desired = count
            added = [self._new_replica() for _ in range(count - len(self._replicas))]
            self._replicas.extend(added)
            surplus = self._replicas[count:]
            del self._replicas[count:]
            self._leaving.extend(surplus)
            self.changed.notify_all()
        for replica in added:
            replica.start()
        if surplus:
            self.route()
            threading.Thread(target=self._stop_all, args=(surplus, True), name="scale-down", daemon=True).start()

    def route(self) -> None:
        """Tell the front end which processes serve."""
        if self.serving:
            with self.changed:
                names = [replica.name for replica in self._replicas if replica.name]
            self._around.link.send({"do": "serve", "service": self.rollout.service, "names": names})

    def announce(self) -> None:
        """Tell a new front end everything."""
        with self.changed:
            replicas = list(self._replicas)
        for replica in replicas:
            replica.announce()
        self.route()

    def wait(self, *, deadline: float | None, cancelled: threading.Event) -> Outcome:
        """Until all replicas are ready, none can be, or the time is over."""
        with self.changed:
            while True:
                outcome = self._outcome()
                if outcome in ("ready", "crashed"):
                    return outcome
                if cancelled.is_set() or self.stopped:
                    return "cancelled"
                left = None if deadline is None else deadline - time.monotonic()
                if left is not None and left <= 0:
                    return outcome
                self.changed.wait(1.0 if left is None else min(left, 1.0))

    def available(self) -> int:
        """How many replicas answer."""
        with self.changed:
            return sum(replica.state == "ready" for replica in self._replicas)

    def updated(self) -> int:
        """How many replicas run this version."""
        with self.changed:
            return sum(replica.state in ("starting", "ready") for replica in self._replicas)

    def pending(self) -> int:
        """How many replicas find no room."""
        with self.changed:
            return sum(replica.state == "unschedulable" for replica in self._replicas)

    def lack(self) -> str:
        """Why there is no room for a replica; empty when every one has its place."""
        with self.changed:
            return next((replica.lack for replica in self._replicas if replica.state == "unschedulable"), "")

    def cause(self) -> str:
        """Why a replica crashed last, in the user's own error's words."""
        with self.changed:
            return next((replica.cause for replica in self._replicas if replica.cause), "")

    def find(self, name: str) -> Replica | None:
        """The replica whose running process the front end calls so."""
        with self.changed:
            return next((replica for replica in self._replicas + self._leaving if replica.name == name), None)

    def check_liveness(self) -> list[str]:
        """On AKS, restart replicas that are not ready past their probe's patience; says which."""
        if self.rollout.compute_type != "AKS":
            return []
        with self.changed:
            late = [replica for replica in self._replicas if replica.is_past_liveness(self.rollout.liveness)]
        for replica in late:
            replica.restart()
        return [replica.plan.hostname for replica in late]

    def check_memory(self) -> list[str]:
        """Kill what holds more memory than its replica may; says which did."""
        with self.changed:
            replicas = list(self._replicas)
        limit = self.rollout.memory_limit_gb
        held = [(replica.plan.hostname, replica.keep_to_memory(limit)) for replica in replicas]
        return [f"Replica {name} held {size:.2f} of {limit:g} GB: a worker was ended." for name, size in held if size]

    def stop(self, *, drain: bool) -> None:
        """End every replica; the environment may then be cleared away. A second call without drain ends the wait."""
        with self.changed:
            if self.stopped:
                if not drain:
                    for replica in self._leaving:
                        replica.heard_drained()
                return
            self.stopped = True
            self.serving = False
            replicas, self._replicas = self._replicas, []
            self._leaving.extend(replicas)
            self.changed.notify_all()
        self._stop_all(replicas, drain)
        self._environment.let_go()

    def _stop_all(self, replicas: list[Replica], drain: bool) -> None:
        seconds = self.rollout.access.scoring_timeout_ms / 1000 + DRAIN_MARGIN_SECONDS if drain else 0.0
        with ThreadPoolExecutor(max_workers=max(len(replicas), 1)) as pool:
            list(pool.map(lambda replica: replica.stop(drain_seconds=seconds), replicas))
        with self.changed:
            self._leaving = [replica for replica in self._leaving if replica not in replicas]
        if drain:
            # They will not come back; those of a workspace that is stopped do, with what telemetry they kept.
            for replica in replicas:
                shutil.rmtree(replica.plan.folder, ignore_errors=True)

    def _outcome(self) -> Outcome:
        if len(self._replicas) == self.desired and all(replica.state == "ready" for replica in self._replicas):
            return "ready"
        if any(not each.ever_ready and each.failed_starts >= CRASHES_UNTIL_FAILED for each in self._replicas):
            return "crashed"
        return "unschedulable" if any(each.state == "unschedulable" for each in self._replicas) else "late"

    def _claim(self, hostname: str) -> str:
        """A place for a replica; what is missing when there is none."""
        rollout = self.rollout
        if self._around.faults.no_capacity(rollout.service):
            return NO_NODES
        need = Need(cpu=rollout.cpu, memory_gb=rollout.memory_gb, gpus=rollout.gpu)
        return self._around.room.claim(rollout.cluster, hostname, need)

    def _new_replica(self) -> Replica:
        rollout, around = self.rollout, self._around
        self._folders_used += 1
        hostname = f"{rollout.service}-{self._pods}-{secrets.token_hex(3)[:5]}"
        folder = around.replicas_folder / rollout.service / f"{rollout.revision}-{self._folders_used}"
        plan = ReplicaPlan(
            service=rollout.service,
            hostname=hostname,
            python=self._environment.python,
            entry_script=rollout.folder / "code" / self._entry_script,
            cwd=rollout.folder / "code",
            environment=replica_environment(
                rollout,
                entry_script=self._entry_script,
                hostname=hostname,
                python=self._environment.python,
                home=folder / "home",
                temporary=folder / "tmp",
                workspace_name=around.workspace_name,
                telemetry_url=around.telemetry_url() if rollout.app_insights_enabled else "",
                instrumentation_key=around.instrumentation_key,
            ),
            log=self._log_folder / f"replica-{self._folders_used}.log",
            folder=folder,
            socket_folder=around.socket_folder,
            fault_file=around.faults.file(rollout.service),
            workers=workers_of(rollout),
            liveness=rollout.liveness if rollout.compute_type == "AKS" else None,
        )
        return Replica(
            plan,
            launcher=around.launcher,
            link=around.link,
            changed=self.changed,
            claim=lambda: self._claim(hostname),
            release=lambda: around.room.release(rollout.cluster, hostname),
            started=self.route,
            say=self._say,
        )
