"""Failures made for real, with Microsoft's server and real processes, are named right by the desk's classifier."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from local_workspace.scoring.interface import Failure
from services.azureml.types import Problem, Service
from services.classifier import Evidence, Seen, Text, classify, texts_of
from services.monitoring.code_map import DIED, RAN_OUT, failure_of
from tests.local_workspace.scoring_workbench import ENVIRONMENT, OBEDIENT, Answer, Heard, Workbench, eventually

pytestmark = pytest.mark.slow

NOTHING_ELSE = "def run(raw_data):\n    return 1\n"
IMPORT_ERROR = f"import sklearnn.linear_model\n\n\ndef init():\n    pass\n\n\n{NOTHING_ELSE}"
INIT_RAISES = f'def init():\n    raise KeyError("no model here")\n\n\n{NOTHING_ELSE}'
NO_MODEL = (
    'import os\n\n\ndef init():\n    open(os.path.join(os.environ["AZUREML_MODEL_DIR"], "gone.pkl"))\n\n\n'
    f"{NOTHING_ELSE}"
)
INIT_HANGS = f"import time\n\n\ndef init():\n    time.sleep(600)\n\n\n{NOTHING_ELSE}"


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workbench]:
    """One runtime for all of them."""
    made = Workbench(tmp_path_factory.mktemp("causes"))
    yield made
    made.close()


def evidence(bench: Workbench, name: str, heard: Heard, answers: Iterable[Answer] = (), **known: Any) -> Evidence:
    """What the desk would have: Azure's error, the container's log, and the codes that callers saw."""
    _, failure = heard.end or ("", None)
    azure = texts_of(Service(name=name, compute_type="ACI", error=_problem(failure))) if failure else ()
    log = bench.runtime.logs(name, tail=500, init=False)
    counted = Counter((answer.status, _failure(answer)) for answer in answers if answer.status >= 400)
    return Evidence(
        service=name,
        compute_type=known.pop("compute_type", "ACI"),
        state=heard.state,
        texts=(*azure, Text(source="container", text=log, where="The container's log says")),
        seen=tuple(Seen(code=code, n=n, source="front end", failure=word) for (code, word), n in counted.items()),
        **known,
    )


def names(found: Evidence) -> list[str]:
    return [cause.id for cause in classify(found)]


@pytest.mark.parametrize(
    ("name", "script", "cause"),
    [
        ("no-package", IMPORT_ERROR, "missing-package"),
        ("init-raises", INIT_RAISES, "init-raised"),
        ("no-model", NO_MODEL, "model-path"),
    ],
)
def test_a_container_that_does_not_start_says_why(bench: Workbench, name: str, script: str, cause: str) -> None:
    heard = bench.deploy(name, script)

    assert heard.state == "Failed"
    assert names(evidence(bench, name, heard)) == [cause]
    bench.runtime.remove(name)


def test_an_environment_that_cannot_be_built(bench: Workbench) -> None:
    heard = bench.deploy(
        "unbuilt", environment={"python": {"condaDependencies": {"dependencies": [{"pip": ["a b c"]}]}}}
    )

    assert heard.state == "Failed"
    assert names(evidence(bench, "unbuilt", heard)) == ["build-failed"]
    bench.runtime.remove("unbuilt")


def test_no_room_for_a_replica(bench: Workbench) -> None:
    bench.runtime.set_fault("homeless", {"kind": "out-of-capacity"})
    heard = bench.deploy("homeless", compute_type="AKS", deploy_timeout_seconds=3.0)

    assert heard.state == "Unschedulable"
    assert names(evidence(bench, "homeless", heard, compute_type="AKS")) == ["no-room"]
    bench.runtime.set_fault("homeless", None)
    bench.runtime.remove("homeless")


def test_an_operation_that_ran_out_of_time(bench: Workbench) -> None:
    heard = bench.deploy("tardy", INIT_HANGS, deploy_timeout_seconds=3.0)

    assert heard.end is not None
    assert heard.end[0] == "TimedOut"
    assert names(evidence(bench, "tardy", heard)) == ["timed-out"]
    bench.runtime.remove("tardy")


def test_what_callers_get_of_a_service_that_runs(bench: Workbench) -> None:
    heard = bench.deploy("busy", access={"scoring_timeout_ms": 700, "max_queue_wait_ms": 100})
    assert heard.state == "Healthy"

    def seen(*answers: Answer, **known: Any) -> list[str]:
        found = evidence(bench, "busy", heard, answers, compute_type="AKS", **known)
        # Each kind by what its callers saw alone: the log holds what the ones before it left.
        return names(replace(found, texts=()))

    assert seen(*[bench.call("busy", key="wrong") for _ in range(5)]) == ["key-refused"]
    assert seen(bench.call("busy", headers={"Content-Length": str(101 * 1024 * 1024)}, body=b"")) == ["too-large"]
    assert seen(bench.call("busy", {"sleep": 2})) == ["scoring-timeout"]
    eventually(lambda: bench.call("busy").status == 200)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: bench.call("busy", {"sleep": 0.4}), range(8)))
    assert seen(*answers) == ["queue-full"]
    eventually(lambda: bench.call("busy").status == 200)
    assert seen(bench.call("busy", {"raise": "feature 7 missing"})) == ["run-raised"]
    # The log says the same by itself, where nobody counts calls.
    log = evidence(bench, "busy", heard)
    assert "run-raised" in names(log)
    bench.runtime.remove("busy")


def test_a_script_that_the_container_itself_ends(bench: Workbench) -> None:
    heard = bench.deploy("capped", environment=_with("SCORING_TIMEOUT_MS", "300"))

    answer = bench.call("capped", {"sleep": 2})

    assert b"Scoring timeout after 300 ms" in answer.body
    found = evidence(bench, "capped", heard, [answer], variables={"SCORING_TIMEOUT_MS": "300"})
    (cause,) = classify(found)
    assert cause.id == "container-timeout"
    assert cause.action is not None
    assert cause.action.variables == {"SCORING_TIMEOUT_MS": "600"}
    bench.runtime.remove("capped")


def test_workers_that_are_killed(bench: Workbench) -> None:
    heard = bench.deploy("doomed")
    bench.runtime.set_fault("doomed", {"kind": "crash"})

    answers = [bench.call("doomed")]
    eventually(lambda: "was sent SIGKILL" in bench.runtime.logs("doomed", tail=100, init=False))

    assert answers[0].status == 502
    assert names(evidence(bench, "doomed", heard, answers)) == ["out-of-memory"]
    bench.runtime.set_fault("doomed", None)
    bench.runtime.remove("doomed")


def test_a_call_that_takes_longer_than_the_server_allows(bench: Workbench) -> None:
    heard = bench.deploy("endless", OBEDIENT, environment=_with("WORKER_TIMEOUT", "2"))
    answers: list[Answer] = []
    calling = threading.Thread(target=lambda: answers.append(bench.call("endless", {"deaf": 20}, timeout=60)))
    calling.start()

    eventually(lambda: "WORKER TIMEOUT" in bench.runtime.logs("endless", tail=100, init=False), within=30)
    calling.join(60)

    (cause,) = classify(evidence(bench, "endless", heard, answers, variables={"WORKER_TIMEOUT": "2"}))
    assert cause.id == "worker-timeout"
    assert cause.action is not None
    assert cause.action.variables == {"WORKER_TIMEOUT": "4"}
    bench.runtime.remove("endless")


def _problem(failure: Failure) -> Problem:
    return Problem(
        code=failure.code, message=failure.message, status_code=failure.status_code, details=tuple(failure.details)
    )


def _failure(answer: Answer) -> str:
    """The charts' word for an answer, as the front end's log has it."""
    if b"Scoring timeout after" in answer.body:
        return RAN_OUT
    failed = answer.headers.get("x-ms-run-function-failed", "").lower() == "true"
    return DIED if answer.status == 502 and not failed else failure_of(answer.status, run_failed=failed)


def _with(name: str, value: str) -> Mapping[str, Any]:
    return {**ENVIRONMENT, "environmentVariables": {name: value}}
