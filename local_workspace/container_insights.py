"""Container Insights of the local clusters: the front end's log of a cluster whose switch is on, in ContainerLogV2.

Every second the access lines that wait are fetched and written; every ten seconds each service has one line about its
replicas. A line is one JSON document, as a log that is meant for machines has it. What the container of a scoring
script logs stays with the replica (`get_logs`): only the front end is collected here.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from local_workspace.every_second import EverySecond
from local_workspace.identity import Identity
from local_workspace.scoring.front_end.access_log import AccessLine
from local_workspace.scoring.interface import Scoring
from local_workspace.state import State

log = logging.getLogger(__name__)

SCALE_SECONDS = 10.0
LINES_AT_ONCE = 200
"""Turning so many lines into one message keeps the front end from its callers for well under a millisecond."""
LARGEST_BATCH = 2_000
LARGEST_BACKLOG = 200_000
"""Rows that may wait for telemetry to come back; beyond that the oldest go."""
SCORING_PATH = "/score"


@dataclass(frozen=True, kw_only=True)
class Watched:
    """A service on a cluster whose containers' logs are collected."""

    service: str
    compute: str
    cluster_id: str
    scaler: Mapping[str, Any]
    replicas: int


@dataclass(frozen=True, kw_only=True)
class Served:
    """What a service's counters were at some time."""

    at: float
    busy_seconds: float


class ContainerInsights:
    """The agent on every cluster's nodes, in one thread."""

    def __init__(
        self,
        state: State,
        scoring: Scoring,
        *,
        identity: Identity,
        write: Callable[[Sequence[Mapping[str, Any]]], bool],
    ) -> None:
        """`write` hands rows to telemetry and says whether they are kept there."""
        self._state = state
        self._scoring = scoring
        self._identity = identity
        self._write = write
        self._watched: dict[str, Watched] = {}
        self._told: set[str] = set()
        self._arrived: Sequence[Any] = ()
        self._lost = 0
        self._served: dict[str, Served] = {}
        self._rows: list[dict[str, Any]] = []
        self._next_scale = 0.0
        self._every_second = EverySecond(self._look, name="container-insights", at_end=self._look)

    def start(self) -> None:
        """Begin to collect."""
        self._every_second.start()

    def close(self) -> None:
        """Write what waits, then collect no more."""
        self._every_second.close()

    def _look(self) -> None:
        lines = self._fetch()
        # Looked up after the lines were fetched: whoever has one is there by now, or was a moment ago.
        now = {watched.service: watched for watched in watched_services(self._state)}
        others = {row["name"] for row in self._state.rows("SELECT name FROM services")} - now.keys()
        if others != self._told:
            self._scoring.set_unlogged(others)
            self._told = others
        known = self._watched | now
        self._watched = now
        self._rows += [self._row(known[name], access_document(name, line)) for name, line in lines if name in known]
        if now and time.monotonic() >= self._next_scale:
            self._next_scale = time.monotonic() + SCALE_SECONDS
            for watched in now.values():
                self._add_scale_line(watched)
        self._send()

    def _fetch(self) -> list[tuple[str, AccessLine]]:
        """Every line that waits, with its service."""
        lines: list[tuple[str, AccessLine]] = []
        left = 1
        while left:
            taken = self._scoring.take_log(most=LINES_AT_ONCE, arrived=self._arrived)
            if taken is None:
                break
            self._arrived = taken["mark"]
            if taken["lost"] > self._lost:
                log.error("%s lines of the front end's log were lost: they waited too long", taken["lost"] - self._lost)
            self._lost = taken["lost"]
            lines += [(service, AccessLine(*line)) for service, line in taken["lines"]]
            left = taken["left"]
        return lines

    def _add_scale_line(self, watched: Watched) -> None:
        counters = self._scoring.counters(watched.service)
        if counters is None:
            return
        now = Served(at=time.monotonic(), busy_seconds=counters["busy_seconds"])
        before = self._served.get(watched.service)
        self._served[watched.service] = now
        busy = float(counters["in_flight"])
        if before is not None:
            busy = max(now.busy_seconds - before.busy_seconds, 0.0) / max(now.at - before.at, 0.001)
        status = self._scoring.status(watched.service)
        document = {
            "kind": "scale",
            "time": datetime.now(UTC).isoformat(),
            "level": "WARNING" if status.lack else "INFO",
            "service": watched.service,
            "replicas": status.available,
            "desired": status.desired,
            "busy": round(busy, 3),
            "waiting": counters["waiting"],
            "max_replicas": watched.scaler["maxReplicas"] if watched.scaler["autoscaleEnabled"] else watched.replicas,
            "target_utilization": watched.scaler["targetUtilization"],
            "reason": status.lack,
        }
        self._rows.append(self._row(watched, document))

    def _send(self) -> None:
        while self._rows:
            if not self._write(self._rows[:LARGEST_BATCH]):
                break
            del self._rows[:LARGEST_BATCH]
        if len(self._rows) > LARGEST_BACKLOG:
            log.error("%s rows of containers' logs were dropped: telemetry is away", len(self._rows) - LARGEST_BACKLOG)
            del self._rows[:-LARGEST_BACKLOG]

    def _row(self, watched: Watched, document: Mapping[str, Any]) -> dict[str, Any]:
        pod = "azureml-fe-0"
        return {
            "TimeGenerated": document["time"],
            "Computer": f"aks-agentpool-{watched.compute}-0",
            "ContainerId": hashlib.sha256(f"{watched.cluster_id}/{pod}".encode()).hexdigest(),
            "ContainerName": "azureml-fe",
            "PodName": pod,
            "PodNamespace": "default",
            "LogSource": "stdout",
            "LogMessage": document,
            "SourceSystem": "Containers",
            "TenantId": self._identity.logs_workspace_id,
            "_ResourceId": watched.cluster_id.lower(),
            "_SubscriptionId": self._identity.subscription_id,
        }


def watched_services(state: State) -> list[Watched]:
    """The services whose front end's log is collected now."""
    rows = state.rows(
        "SELECT services.name, services.document, computes.name AS compute,"
        " json_extract(computes.document, '$.properties.resourceId') AS cluster FROM services"
        " JOIN computes ON lower(computes.name) = lower(json_extract(services.document, '$.computeName'))"
        " JOIN container_insights ON container_insights.compute = computes.name"
        " WHERE services.compute_type = 'AKS'"
    )
    found = []
    for row in rows:
        document = json.loads(row["document"])
        found.append(
            Watched(
                service=row["name"],
                compute=row["compute"],
                cluster_id=row["cluster"],
                scaler=document["autoScaler"],
                replicas=int(document.get("numReplicas") or 1),
            )
        )
    return found


def access_document(service: str, line: AccessLine) -> dict[str, Any]:
    """One call as the log has it; calls of other addresses than the scoring one are of a kind of their own."""
    return {
        "kind": "access" if line.path == SCORING_PATH else "other",
        "time": datetime.fromtimestamp(line.time, UTC).isoformat(),
        "level": "ERROR" if line.code >= 500 else "WARNING" if line.code >= 400 else "INFO",
        "service": service,
        "request_id": line.request_id,
        "client_request_id": line.client_request_id,
        "method": line.method,
        "path": line.path,
        "status": line.code,
        "duration_ms": round(line.milliseconds, 3),
        "run_ms": line.run_milliseconds,
        "reason": line.reason,
        # A replica's process has a number behind the name of its container.
        "replica": line.replica.rpartition(".")[0],
    }
