"""Replicas on a cluster that is too small: they wait, it is said why, and they start when there is room."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from local_workspace.scoring.room import Nodes
from tests.local_workspace.scoring_workbench import Heard, Workbench, eventually

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workbench]:
    """A cluster of one node with one core."""
    small = Nodes(cluster="small", count=1, cpu=1, memory_gb=14)
    bench = Workbench(tmp_path_factory.mktemp("room"), nodes=lambda _: small)
    yield bench
    bench.close()


def begin(bench: Workbench, service: str, *, cpu: float) -> Heard:
    heard = Heard()
    rollout = bench.rollout(service, compute_type="AKS", cluster="small", cpu=cpu, deploy_timeout_seconds=2.0)
    bench.runtime.roll_out(rollout, heard)
    assert heard.over.wait(60)
    return heard


def test_a_service_without_room_is_unschedulable_until_another_one_goes(bench: Workbench) -> None:
    first = bench.deploy("first", compute_type="AKS", cluster="small", cpu=0.6)
    assert first.end == ("Succeeded", None)

    second = begin(bench, "second", cpu=0.6)

    assert second.end is not None
    assert (second.end[0], second.state) == ("Failed", "Unschedulable")
    failure = second.end[1]
    assert failure is not None
    assert failure.message == (
        "Couldn't Schedule because the kubernetes cluster didn't have available resources after trying for 00:05:00"
    )
    ((code, why),) = failure.details
    assert (code, why.partition(".")[0]) == ("Unschedulable", "0/1 nodes are available: 1 Insufficient cpu")
    assert "Replicas hold 0.6 of 1 cores" in why
    status = bench.runtime.status("second")
    assert (status.available, status.pending, status.lack) == (0, 1, why)
    assert bench.call("first").status == 200

    bench.runtime.remove("first")

    eventually(lambda: second.state == "Healthy", within=30)
    assert bench.call("second").status == 200
    bench.runtime.remove("second")


def test_replicas_beyond_the_room_wait_while_the_others_serve(bench: Workbench) -> None:
    heard = bench.deploy("grown", compute_type="AKS", cluster="small", cpu=0.4)
    eventually(lambda: bench.call("grown").status == 200)

    bench.runtime.set_replicas("grown", 3)

    status = eventually(lambda: (found := bench.runtime.status("grown")).pending and found.available == 2 and found)
    assert (status.desired, status.pending) == (3, 1)
    assert "Insufficient cpu" in status.lack
    assert heard.state == "Healthy"
    bench.runtime.set_replicas("grown", 1)
    eventually(lambda: bench.runtime.status("grown").pending == 0)
    bench.runtime.set_replicas("grown", 2)
    eventually(lambda: bench.runtime.status("grown").available == 2)
    bench.runtime.remove("grown")
