"""Azure's autoscaler for services on AKS: more replicas within a second, fewer after a quiet minute.

It looks as often as a service's `refreshPeriodInSeconds` says. Where its cluster has no room for what a service wants,
one replica waits for some and no more are asked for.
"""

from __future__ import annotations

import json
import logging
import math
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from local_workspace.every_second import TICK_SECONDS, EverySecond
from local_workspace.scoring.interface import DeploymentStatus, Scoring
from local_workspace.state import State

log = logging.getLogger(__name__)

QUIET_SECONDS = 60.0
"""Replicas are taken away only when none of the last seconds wanted them."""


def wanted(busy: float, *, scaler: Mapping[str, Any], concurrency: int) -> int:
    """How many replicas serve so many requests at a time at the target utilisation, within the limits."""
    needed = math.ceil(busy / concurrency / (scaler["targetUtilization"] / 100))
    return int(min(max(needed, scaler["minReplicas"]), scaler["maxReplicas"]))


def within_room(wish: int, *, status: DeploymentStatus, least: int) -> int:
    """Of the replicas wished for those that have room, and one that waits for it; never fewer than the least."""
    if not status.pending:
        return wish
    return min(wish, max(status.desired - status.pending + 1, least))


@dataclass
class Demand:
    """What one service wanted lately."""

    busy_seconds: float
    at: float
    wishes: deque[tuple[float, int]] = field(default_factory=deque)
    held_back: bool = False
    """Whether it wants more than its cluster has room for, which is said once."""

    def busy(self, counters: Mapping[str, Any], *, now: float) -> float:
        """Requests at a time since the last look, those waiting included."""
        passed = max(now - self.at, 0.001)
        served = max(counters["busy_seconds"] - self.busy_seconds, 0.0) / passed
        self.busy_seconds, self.at = counters["busy_seconds"], now
        return float(served + counters["waiting"])

    def decide(self, wish: int, *, now: float) -> int:
        """The most that was wished for since the quiet period began."""
        self.wishes.append((now, wish))
        while self.wishes[0][0] < now - QUIET_SECONDS:
            self.wishes.popleft()
        return max(number for _, number in self.wishes)


class Autoscaler:
    """Looks at every autoscaled service once a second."""

    def __init__(self, state: State, scoring: Scoring) -> None:
        self._state = state
        self._scoring = scoring
        self._demands: dict[str, Demand] = {}
        self._every_second = EverySecond(self._look, name="autoscaler")

    def start(self) -> None:
        """Begin to look."""
        self._every_second.start()

    def close(self) -> None:
        """Look no more."""
        self._every_second.close()

    def _look(self) -> None:
        rows = self._state.rows(
            "SELECT id, name, document FROM services WHERE compute_type = 'AKS' AND state = 'Healthy'"
            " AND json_extract(document, '$.autoScaler.autoscaleEnabled')"
        )
        self._demands = {key: demand for key, demand in self._demands.items() if key in {row["id"] for row in rows}}
        for row in rows:
            try:
                self._scale(row["id"], row["name"], json.loads(row["document"]))
            except Exception:
                # One service that cannot be scaled must not keep the others from it.
                log.exception("Service %s could not be scaled", row["name"])

    def _scale(self, key: str, name: str, document: Mapping[str, Any]) -> None:
        scaler, now = document["autoScaler"], time.monotonic()
        demand = self._demands.get(key)
        if demand is not None and now - demand.at < scaler["refreshPeriodInSeconds"] - TICK_SECONDS / 2:
            return
        counters = self._scoring.counters(name)
        if counters is None:
            return
        if demand is None:
            demand = self._demands[key] = Demand(busy_seconds=counters["busy_seconds"], at=now)
        concurrency = int(document["maxConcurrentRequestsPerContainer"])
        wish = wanted(demand.busy(counters, now=now), scaler=scaler, concurrency=concurrency)
        least, most = int(scaler["minReplicas"]), int(scaler["maxReplicas"])
        # The limits may have changed since the older wishes.
        decided = min(max(demand.decide(wish, now=now), least), most)
        status = self._scoring.status(name)
        replicas = within_room(decided, status=status, least=least)
        if replicas < decided and not demand.held_back:
            log.warning("Service %s wants %s replicas and has room for fewer: %s", name, decided, status.lack)
        demand.held_back = replicas < decided
        if replicas != status.desired:
            log.info("Service %s is scaled from %s to %s replicas", name, status.desired, replicas)
            self._scoring.set_replicas(name, replicas)
