"""How versions of a service begin, give way to each other, fail and end: against real processes."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from local_workspace.scoring.interface import Failure, Liveness
from tests.local_workspace.scoring_workbench import OBEDIENT, Heard, Workbench, eventually

pytestmark = pytest.mark.slow
VERSION_TWO = 'def init():\n    pass\n\n\ndef run(raw_data):\n    return "two"\n'
IMPORT_ERROR = "import nosuchmodule\n\n\ndef init():\n    pass\n\n\ndef run(raw_data):\n    return 1\n"
INIT_RAISES = 'def init():\n    raise KeyError("no model here")\n\n\ndef run(raw_data):\n    return 1\n'
INIT_HANGS = "import time\n\n\ndef init():\n    time.sleep(600)\n\n\ndef run(raw_data):\n    return 1\n"
INIT_WAITS = (
    "import os, time\n\n\ndef init():\n    while not os.path.exists({path!r}):\n        time.sleep(0.05)\n\n\n"
    "def run(raw_data):\n    return 1\n"
)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workbench]:
    bench = Workbench(tmp_path_factory.mktemp("rollouts"))
    yield bench
    bench.close()
    # An exception in one of the front end's callbacks would stand here.
    assert (bench.folder / "data" / "scoring" / "front_end.log").read_text() == ""


def failure_of(heard: Heard) -> Failure:
    assert heard.end is not None
    assert heard.end[1] is not None
    return heard.end[1]


def test_a_rollout_goes_through_both_phases_and_ends_healthy(bench: Workbench) -> None:
    heard = bench.deploy("phases")

    assert heard.phases == [
        ("BuildEnvironment", "Running"),
        ("BuildEnvironment", "Succeeded"),
        ("DeployService", "Running"),
        ("DeployService", "Succeeded"),
    ]
    assert [state for state, _ in heard.states] == ["Transitioning", "Healthy"]
    assert sum(" answers." in line for line in heard.lines) == 1
    assert "Invoking user's init function" in bench.runtime.logs("phases", tail=100, init=False)
    assert "AZUREML_MODEL_DIR is" in bench.runtime.logs("phases", tail=100, init=True)
    assert len(bench.runtime.logs("phases", tail=3, init=False).splitlines()) == 3
    bench.runtime.remove("phases")
    eventually(lambda: bench.call("phases").status == 404)


@pytest.mark.parametrize(
    ("compute_type", "code"), [("ACI", "AciDeploymentFailed"), ("AKS", "KubernetesDeploymentFailed")]
)
def test_an_import_error_ends_as_a_crash_loop(bench: Workbench, compute_type: str, code: str) -> None:
    name = f"import-{compute_type.lower()}"
    heard = bench.deploy(name, IMPORT_ERROR, compute_type=compute_type)

    failure = failure_of(heard)
    assert heard.end == ("Failed", failure)
    assert heard.state == "Failed"
    assert (failure.code, failure.status_code) == (code, 400)
    ((reason, why),) = failure.details
    assert reason == "CrashLoopBackOff"
    assert sum("ended with code 3" in line for line in heard.lines) == 2
    assert "Error in entry script, ModuleNotFoundError: No module named 'nosuchmodule'" in why
    assert "ModuleNotFoundError: No module named 'nosuchmodule'" in bench.runtime.logs(name, tail=500, init=False)
    bench.runtime.remove(name)


def test_an_init_that_raises_ends_as_a_crash_loop(bench: Workbench) -> None:
    heard = bench.deploy("raises", INIT_RAISES)

    assert "KeyError: 'no model here'" in failure_of(heard).message
    assert "User's init function failed" in bench.runtime.logs("raises", tail=500, init=False)
    assert ("DeployService", "Failed") in heard.phases
    bench.runtime.remove("raises")


def test_an_environment_without_the_server_ends_as_a_crash_loop_that_says_so(bench: Workbench) -> None:
    without = {"python": {"condaDependencies": {"dependencies": [{"pip": ["six"]}]}}}

    heard = bench.deploy("serverless", environment=without)

    assert failure_of(heard).code == "AciDeploymentFailed"
    assert "Add azureml-defaults" in bench.runtime.logs("serverless", tail=50, init=False)
    bench.runtime.remove("serverless")


def test_an_environment_that_cannot_be_built_fails_by_name(bench: Workbench) -> None:
    wrong = {"python": {"condaDependencies": {"dependencies": ["cudatoolkit=11.3", {"pip": ["azureml-defaults"]}]}}}

    heard = bench.deploy("unbuilt", environment=wrong)

    failure = failure_of(heard)
    assert heard.phases == [("BuildEnvironment", "Running"), ("BuildEnvironment", "Failed")]
    assert (failure.code, failure.details[0][0]) == ("EnvironmentBuildFailed", "cudatoolkit")
    assert heard.state == "Failed"


def test_a_late_start_times_the_operation_out_and_is_healthy_later(bench: Workbench, tmp_path: Path) -> None:
    door = tmp_path / "door"
    heard = bench.deploy("late", INIT_WAITS.format(path=str(door)), deploy_timeout_seconds=2.0)

    failure = failure_of(heard)
    assert heard.end == ("TimedOut", failure)
    assert (failure.code, failure.status_code) == ("DeploymentTimedOut", 504)
    assert heard.state == "Unhealthy"

    door.touch()
    eventually(lambda: heard.state == "Healthy")
    assert bench.call("late").status == 200
    bench.runtime.remove("late")


def test_on_aks_the_liveness_probe_restarts_an_init_that_hangs(bench: Workbench) -> None:
    heard = Heard()
    # Time enough for the server to come to `init()` on a busy machine, twice.
    impatient = Liveness(initial_delay_seconds=3, period_seconds=1, failure_threshold=1)
    rollout = bench.rollout("hangs", INIT_HANGS, compute_type="AKS", liveness=impatient, deploy_timeout_seconds=12.0)
    bench.runtime.roll_out(rollout, heard)

    assert heard.over.wait(30)
    assert heard.end is not None
    assert heard.end[0] == "TimedOut"
    assert any("Liveness probe failed" in line for line in heard.lines)
    assert bench.runtime.logs("hangs", tail=500, init=False).count("Invoking user's init function") >= 2
    bench.runtime.remove("hangs")


def test_on_aks_an_update_loses_no_request_and_keeps_the_old_version_when_it_fails(bench: Workbench) -> None:
    bench.deploy("rolling", compute_type="AKS", access={"max_queue_wait_ms": 5000})
    codes: set[int] = set()
    stop = threading.Event()

    def send() -> None:
        while not stop.is_set():
            codes.add(bench.call("rolling").status)

    clients = [threading.Thread(target=send) for _ in range(2)]
    for client in clients:
        client.start()
    try:
        failed = bench.deploy("rolling", IMPORT_ERROR, compute_type="AKS", access={"max_queue_wait_ms": 5000})
        assert failed.end is not None
        assert failed.end[0] == "Failed"
        assert bench.call("rolling").json()["pid"]
        updated = bench.deploy("rolling", VERSION_TWO, compute_type="AKS", access={"max_queue_wait_ms": 5000})
        assert updated.end == ("Succeeded", None)
        assert bench.call("rolling").json() == "two"
    finally:
        stop.set()
        for client in clients:
            client.join()
    assert codes == {200}
    bench.runtime.remove("rolling")


def test_an_aci_update_takes_the_container_down_first(bench: Workbench, tmp_path: Path) -> None:
    door = tmp_path / "door"
    bench.deploy("container")
    heard = Heard()
    bench.runtime.roll_out(bench.rollout("container", INIT_WAITS.format(path=str(door))), heard)

    eventually(lambda: bench.call("container").status == 503)
    door.touch()
    assert heard.over.wait(20)
    assert bench.call("container").json() == 1
    bench.runtime.remove("container")


def test_a_newer_rollout_takes_the_place_of_one_that_still_tries(bench: Workbench) -> None:
    stuck = Heard()
    bench.runtime.roll_out(bench.rollout("replaced", INIT_HANGS), stuck)
    eventually(lambda: ("DeployService", "Running") in stuck.phases)

    heard = bench.deploy("replaced", VERSION_TWO)

    assert heard.end == ("Succeeded", None)
    assert bench.call("replaced").json() == "two"
    assert stuck.end is None
    bench.runtime.remove("replaced")


def test_replicas_are_added_and_taken_away_without_touching_the_others(bench: Workbench) -> None:
    bench.deploy("scaled", compute_type="AKS")
    first = bench.call("scaled").json()["pid"]

    bench.runtime.set_replicas("scaled", 2)
    eventually(lambda: bench.runtime.status("scaled").available == 2)
    with_sleep = threading.Thread(target=lambda: bench.call("scaled", {"sleep": 0.5}))
    with_sleep.start()
    eventually(lambda: (bench.runtime.counters("scaled") or {})["in_flight"] == 1)
    assert bench.call("scaled").status == 200
    with_sleep.join()

    bench.runtime.set_replicas("scaled", 1)
    eventually(lambda: (bench.runtime.counters("scaled") or {})["slots"] == 1)
    assert bench.call("scaled").json()["pid"] == first
    status = bench.runtime.status("scaled")
    assert (status.desired, status.updated, status.available, status.error) == (1, 1, 1, None)
    bench.runtime.remove("scaled")


def test_a_dying_worker_costs_only_the_request_it_had(bench: Workbench) -> None:
    bench.deploy("pair", compute_type="AKS", replicas=2, access={"max_queue_wait_ms": 20_000})
    with ThreadPoolExecutor(4) as pool:
        others = [pool.submit(bench.call, "pair", {"sleep": 0.02}) for _ in range(40)]
        lost = bench.call("pair", {"crash": 1})
        others += [pool.submit(bench.call, "pair", {"sleep": 0.02}) for _ in range(40)]
        codes = {each.result().status for each in others}

    assert lost.status == 502
    assert codes == {200}
    eventually(lambda: (bench.runtime.counters("pair") or {})["slots"] == 2)
    bench.runtime.remove("pair")


def test_a_container_with_two_workers_serves_two_requests_at_once(bench: Workbench) -> None:
    heard = bench.deploy(
        "workers",
        compute_type="AKS",
        max_concurrent_requests=2,
        environment={
            "environmentVariables": {"WORKER_COUNT": "2"},
            "python": {"condaDependencies": {"dependencies": [{"pip": ["azureml-defaults", "scikit-learn"]}]}},
        },
    )
    assert heard.end == ("Succeeded", None)
    busy = threading.Thread(target=lambda: bench.call("workers", {"sleep": 1.0}))
    busy.start()
    eventually(lambda: (bench.runtime.counters("workers") or {})["in_flight"] == 1)

    assert bench.call("workers").seconds < 0.5
    busy.join()
    bench.runtime.remove("workers")


def test_a_permit_without_a_free_worker_waits_in_the_containers_backlog(bench: Workbench) -> None:
    bench.deploy("backlog", compute_type="AKS", max_concurrent_requests=2)
    busy = threading.Thread(target=lambda: bench.call("backlog", {"sleep": 1.0}))
    busy.start()
    eventually(lambda: (bench.runtime.counters("backlog") or {})["in_flight"] == 1)

    waited = bench.call("backlog")

    # Longer than the queue allows (0.5 s): it was past the queue already.
    assert (waited.status, waited.seconds > 0.5) == (200, True)
    busy.join()
    bench.runtime.remove("backlog")


def test_a_service_whose_replica_cannot_start_again_turns_unhealthy_and_recovers(
    bench: Workbench, tmp_path: Path
) -> None:
    ban = tmp_path / "ban"
    script = OBEDIENT.replace('print("init of obedient ran")', f"assert not os.path.exists({str(ban)!r})")
    heard = bench.deploy("fragile", script)
    ban.touch()
    assert bench.call("fragile", {"crash": 1}).status == 502

    eventually(lambda: heard.state == "Unhealthy" and "AssertionError" in str(heard.states[-1][1]), within=40)

    ban.unlink()
    eventually(lambda: heard.state == "Healthy", within=40)
    assert bench.call("fragile").status == 200
    bench.runtime.remove("fragile")


def test_a_restored_service_serves_without_an_operation(tmp_path: Path) -> None:
    bench = Workbench(tmp_path)
    rollout = bench.rollout("restored", VERSION_TWO)
    first = Heard()
    bench.runtime.roll_out(rollout, first)
    assert first.over.wait(60)
    port = bench.runtime.front_end_url
    bench.close()

    again = Workbench(tmp_path)
    try:
        heard = Heard()
        again.runtime.restore(rollout, heard)
        eventually(lambda: heard.state == "Healthy")
        assert again.call("restored").json() == "two"
        assert (heard.phases, heard.end) == ([], None)
        assert again.runtime.logs("restored", tail=999, init=False).count("Booting worker") == 2
        assert port.startswith("http://127.0.0.1:")
    finally:
        started = time.monotonic()
        again.close()
    assert time.monotonic() - started < 10
