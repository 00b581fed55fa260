"""Scoring as the control plane sees it: `Runtime` satisfies `interface.Scoring`.

It owns the front end, the environments and every replica. All calls return at once; the work goes on in its threads, and
the control plane hears of it through the reporter of each rollout.
"""

from __future__ import annotations

import logging
import os
import shutil
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from . import run_folder
from .container_logs import ContainerLogs
from .deployment import Surroundings
from .environments import Environments
from .faults import Faults
from .front_end_link import FrontEndLink
from .interface import Access, DeploymentStatus, Reporter, Rollout
from .launcher import Launcher
from .room import Nodes, Room
from .running_service import RunningService

UPKEEP_SECONDS = 1.0
SLOW_CLIENT_SECONDS = 30.0
DEFAULT_ENVIRONMENTS_BYTES = 10 * 1024**3
log = logging.getLogger(__name__)


def _as_large_as_it_takes(_cluster: str) -> Nodes | None:
    """Every cluster has room."""
    return None


class Runtime:
    """Everything that runs."""

    def __init__(
        self,
        data: Path,
        *,
        telemetry_url: Callable[[], str],
        instrumentation_key: str,
        workspace_name: str,
        front_end_port: int,
        nodes: Callable[[str], Nodes | None] = _as_large_as_it_takes,
        environments_limit_bytes: int = DEFAULT_ENVIRONMENTS_BYTES,
        slow_client_seconds: float = SLOW_CLIENT_SECONDS,
    ) -> None:
        """Start the front end; port 0 takes a free one, which `front_end_url` names. `nodes` tells a cluster's size."""
        folder = data.resolve() / "scoring"
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._run_folder, self._run_lock = run_folder.open_fresh()
        self._services: dict[str, RunningService] = {}
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._unlogged: list[str] = []
        self._logs = ContainerLogs(folder / "logs")
        self._faults = Faults(self._run_folder)
        self._environments = Environments(data.resolve() / "environments", limit_bytes=environments_limit_bytes)
        self._link = FrontEndLink(
            folder,
            port=front_end_port,
            slow_seconds=slow_client_seconds,
            on_event=self._heard,
            on_restart=self._announce,
        )
        self._surroundings = Surroundings(
            launcher=Launcher(),
            link=self._link,
            logs=self._logs,
            faults=self._faults,
            room=Room(nodes),
            replicas_folder=folder / "replicas",
            socket_folder=self._run_folder,
            workspace_name=workspace_name,
            telemetry_url=telemetry_url,
            instrumentation_key=instrumentation_key,
        )
        self._upkeep_thread = threading.Thread(target=self._upkeep, name="scoring-upkeep", daemon=True)
        self._upkeep_thread.start()

    @property
    def front_end_url(self) -> str:
        """`http://127.0.0.1:PORT`, the same after a restart on the same port."""
        return self._link.url

    def roll_out(self, rollout: Rollout, reporter: Reporter) -> None:
        """Build, start and route this version; on AKS the version before serves until the new one is ready."""
        self._service(rollout.service).roll_out(rollout, reporter, is_operation=True)

    def restore(self, rollout: Rollout, reporter: Reporter) -> None:
        """Start a service that ran before; the reporter hears lines and states, no phases and no end."""
        self._service(rollout.service).roll_out(rollout, reporter, is_operation=False)

    def set_access(self, service: str, access: Access) -> None:
        """Change who may call and the two time limits, without a restart."""
        self._service(service).set_access(access)

    def set_replicas(self, service: str, replicas: int) -> None:
        """Change how many replicas run, without a restart of those that stay."""
        self._service(service).set_replicas(replicas)

    def remove(self, service: str) -> None:
        """Stop routing to the service and end its replicas."""
        with self._lock:
            running = self._services.pop(service, None)
            if running is not None:
                running.leave()
        if running is not None:
            threading.Thread(
                target=self._forget, args=(service, running), name=f"remove-{service}", daemon=True
            ).start()

    def logs(self, service: str, *, tail: int, init: bool) -> str:
        """The newest lines of the container's log, or of the init container's."""
        return self._logs.tail(service, lines=tail, init=init)

    def status(self, service: str) -> DeploymentStatus:
        """How many replicas shall run, run this version, and answer."""
        with self._lock:
            running = self._services.get(service)
        return running.status() if running is not None else DeploymentStatus(desired=0, updated=0, available=0)

    def set_fault(self, service: str, fault: Mapping[str, Any] | None) -> None:
        """Make a service misbehave on purpose (kinds: `faults.KINDS`), or stop it; raises ValueError."""
        self._faults.set(service, fault)

    def counters(self, service: str) -> dict[str, Any] | None:
        """Busy seconds, slots, waiting and codes since the front end started; None when it does not know it."""
        reply: dict[str, Any] | None = self._link.ask({"do": "counters", "service": service})
        return reply

    def access_log(self, service: str, *, after: int = 0, most: int = 1000) -> list[dict[str, Any]]:
        """The front end's access lines with a number above `after` (fields: `front_end.access_log.AccessLine`)."""
        reply = self._link.ask({"do": "access_log", "service": service, "after": after, "most": most})
        return list(reply or [])

    def set_unlogged(self, services: Collection[str]) -> None:
        """Keep every service's access lines until `take_log` fetches them, but for those of these services."""
        self._unlogged = sorted(services)
        self._link.send({"do": "log", "but": self._unlogged})

    def take_log(self, *, most: int, arrived: Sequence[Any]) -> dict[str, Any] | None:
        """The oldest access lines that did not arrive yet (`front_end.access_log.Outbox.take`); None = no answer."""
        reply: dict[str, Any] | None = self._link.ask({"do": "take_log", "most": most, "arrived": list(arrived)})
        return reply

    def close(self) -> None:
        """End every replica and the front end."""
        self._closing.set()
        with self._lock:
            services = list(self._services.values())
            self._services.clear()
        for service in services:
            service.leave()
        with ThreadPoolExecutor(max_workers=max(len(services), 1)) as pool:
            list(pool.map(lambda service: service.close(), services))
        self._link.close()
        self._upkeep_thread.join()
        shutil.rmtree(self._run_folder, ignore_errors=True)
        os.close(self._run_lock)

    def _service(self, name: str) -> RunningService:
        with self._lock:
            service = self._services.get(name)
            if service is None:
                service = RunningService(name, surroundings=self._surroundings, environments=self._environments)
                self._services[name] = service
            return service

    def _forget(self, name: str, running: RunningService) -> None:
        running.close()
        with self._lock:
            if name in self._services:
                # Made anew under the same name meanwhile: its logs and faults are not ours to remove.
                return
        self._faults.set(name, None)
        self._logs.forget(name)
        shutil.rmtree(self._surroundings.replicas_folder / name, ignore_errors=True)

    def _heard(self, event: dict[str, Any]) -> None:
        with self._lock:
            service = self._services.get(event.get("service", ""))
        if service is not None:
            service.heard(event)

    def _announce(self) -> None:
        self._link.send({"do": "log", "but": self._unlogged})
        with self._lock:
            services = list(self._services.values())
        for service in services:
            service.announce()

    def _upkeep(self) -> None:
        while not self._closing.wait(UPKEEP_SECONDS):
            with self._lock:
                services = list(self._services.values())
            try:
                for service in services:
                    service.upkeep()
                self._logs.trim()
            except Exception:
                # One bad second must not end the upkeep of all the services.
                log.exception("The upkeep of the scoring services failed once.")
