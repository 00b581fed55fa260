"""The autoscaler's arithmetic, without a service."""

from __future__ import annotations

from typing import Any

import pytest

from local_workspace.autoscaler import QUIET_SECONDS, Demand, wanted, within_room
from local_workspace.rollouts import replicas_of
from local_workspace.scoring.interface import DeploymentStatus

SCALER = {"minReplicas": 1, "maxReplicas": 10, "targetUtilization": 70}


@pytest.mark.parametrize(
    ("busy", "concurrency", "replicas"),
    [(0.0, 1, 1), (0.7, 1, 1), (0.71, 1, 2), (1.4, 1, 2), (6.0, 1, 9), (100.0, 1, 10), (6.0, 3, 3)],
)
def test_replicas_follow_from_requests_at_a_time(busy: float, concurrency: int, replicas: int) -> None:
    assert wanted(busy, scaler=SCALER, concurrency=concurrency) == replicas


def test_requests_at_a_time_are_those_served_and_those_waiting() -> None:
    demand = Demand(busy_seconds=10.0, at=100.0)

    assert demand.busy({"busy_seconds": 14.0, "waiting": 3}, now=102.0) == 5.0
    assert demand.busy({"busy_seconds": 14.0, "waiting": 0}, now=104.0) == 0.0


def test_replicas_are_taken_away_after_a_quiet_minute_only() -> None:
    demand = Demand(busy_seconds=0.0, at=0.0)

    assert demand.decide(4, now=0.0) == 4
    assert demand.decide(1, now=QUIET_SECONDS - 1) == 4
    assert demand.decide(1, now=QUIET_SECONDS + 1) == 1


def test_without_room_one_replica_waits_and_no_more_are_asked_for() -> None:
    held = DeploymentStatus(desired=8, updated=3, available=3, pending=5)

    assert within_room(8, status=held, least=1) == 4
    assert within_room(2, status=held, least=1) == 2
    assert within_room(8, status=held, least=6) == 6
    assert within_room(8, status=DeploymentStatus(desired=8, updated=8, available=8), least=1) == 8


def test_new_limits_keep_the_replicas_that_are_within_them() -> None:
    document: dict[str, Any] = {
        "computeType": "AKS",
        "autoScaler": SCALER | {"autoscaleEnabled": True},
        "numReplicas": None,
    }

    assert [replicas_of(document, present=present) for present in (0, 4, 12)] == [1, 4, 10]
    document["autoScaler"]["autoscaleEnabled"] = False
    assert replicas_of(document | {"numReplicas": 3}, present=7) == 3
