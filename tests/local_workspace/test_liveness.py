"""Replicas that hang: found by their liveness probe, killed and started again; those that work are left alone."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from local_workspace.scoring.interface import Liveness
from tests.local_workspace.scoring_workbench import Workbench, eventually

pytestmark = pytest.mark.slow
PROBE = Liveness(initial_delay_seconds=30, period_seconds=1, timeout_seconds=1, failure_threshold=2)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workbench]:
    """One replica on a cluster, probed every second, dead after two failures; 1 s for a call."""
    bench = Workbench(tmp_path_factory.mktemp("liveness"))
    try:
        heard = bench.deploy("probed", compute_type="AKS", liveness=PROBE, access={"scoring_timeout_ms": 4000})
        assert heard.end == ("Succeeded", None), heard.lines
        yield bench
    finally:
        bench.close()
    # An exception in one of the front end's callbacks would stand here.
    assert (bench.folder / "data" / "scoring" / "front_end.log").read_text() == ""


def worker(bench: Workbench) -> int:
    """The process that answers."""
    found = eventually(lambda: bench.call("probed").status == 200 and bench.call("probed").json()["pid"], within=30)
    return int(found)


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def test_a_call_that_takes_longer_than_the_probes_patience_is_not_a_replica_that_hangs(bench: Workbench) -> None:
    before = worker(bench)

    assert bench.call("probed", {"sleep": 3}).status == 200
    assert worker(bench) == before


def test_an_idle_worker_that_does_not_answer_is_restarted_with_its_replica(bench: Workbench) -> None:
    before = worker(bench)
    master = parent_of(before)
    stopped = time.monotonic()

    os.kill(before, signal.SIGSTOP)

    eventually(lambda: not Path(f"/proc/{master}").exists(), within=20)
    # Two failures, a second apart, the first one up to a second after the worker stopped.
    assert time.monotonic() - stopped > 1.5
    assert parent_of(worker(bench)) != master


def test_a_call_that_does_not_end_after_its_timeout_costs_the_replica(bench: Workbench) -> None:
    master = parent_of(worker(bench))

    assert bench.call("probed", {"deaf": 60}).status == 504
    assert Path(f"/proc/{master}").exists()

    eventually(lambda: not Path(f"/proc/{master}").exists(), within=20)
    assert parent_of(worker(bench)) != master
