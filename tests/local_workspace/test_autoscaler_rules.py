"""The autoscaler's arithmetic, without a service."""

from __future__ import annotations

import pytest

from local_workspace.autoscaler import QUIET_SECONDS, Demand, wanted

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
