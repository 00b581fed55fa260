"""What a replica is made of: its surroundings, its end with the workspace, models without code, faults on purpose."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import joblib
import pytest
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

from local_workspace.scoring.runtime import Runtime
from tests.local_workspace.scoring_workbench import (
    IKEY,
    PRIMARY,
    SECONDARY,
    TOKEN_SECRET,
    Heard,
    Workbench,
    eventually,
)

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[2]
CANARY = "canary-of-the-desk-5f2e"
KEPT_ALIVE = """
import pathlib, sys, time
from tests.local_workspace.scoring_workbench import Workbench

bench = Workbench(pathlib.Path(sys.argv[1]))
heard = bench.deploy("orphan", compute_type="AKS", replicas=2)
assert heard.end == ("Succeeded", None), heard.lines
print(bench.runtime.front_end_url, flush=True)
time.sleep(600)
"""


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workbench]:
    """A runtime whose own environment is full of canaries, as a desk's may be."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("AZURE_CLIENT_SECRET", "DESK_AZURE_CLIENT_SECRET", "DESK_KEYS", "ALL_PROXY", "PYTHONPATH"):
            patch.setenv(name, CANARY)
        bench = Workbench(tmp_path_factory.mktemp("replicas"))
        yield bench
        bench.close()


def processes_with(text: str) -> list[int]:
    """Processes whose command line or environment holds this text."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if text.encode() in (folder / "cmdline").read_bytes() + (folder / "environ").read_bytes():
                found.append(int(folder.name))
    return [pid for pid in found if pid != os.getpid()]


def test_a_script_that_returns_its_environment_shows_none_of_ours(bench: Workbench) -> None:
    variables = {"environmentVariables": {"MINE": "yes", "NUMBER": 3}}
    environment = {"python": {"condaDependencies": {"dependencies": [{"pip": ["azureml-defaults", "scikit-learn"]}]}}}
    bench.deploy("mirror", environment={**environment, **variables})

    seen = bench.call("mirror", {"environment": 1}).json()

    text = json.dumps(seen)
    for secret in (CANARY, PRIMARY, SECONDARY, TOKEN_SECRET):
        assert secret not in text
    assert {"MINE": "yes", "NUMBER": "3", "SERVICE_NAME": "mirror", "WORKSPACE_NAME": "bench"}.items() <= seen.items()
    assert seen["AZUREML_ENTRY_SCRIPT"].endswith("source/score.py")
    assert Path(seen["AZUREML_MODEL_DIR"]).is_dir()
    assert seen["HOME"].startswith(str(bench.folder))
    assert not {"ALL_PROXY", "PYTHONPATH", "LOCAL_WORKSPACE_ENVIRONMENTS"} & set(seen)
    assert not any("replica_side" in entry for entry in seen["path"])
    assert seen["AML_APP_INSIGHTS_ENABLED"] == "false"
    assert IKEY not in text
    for pid in processes_with(str(bench.folder)):
        assert CANARY.encode() not in Path(f"/proc/{pid}/environ").read_bytes()
    bench.runtime.remove("mirror")


def test_killing_the_workspace_leaves_no_process(tmp_path: Path) -> None:
    program = subprocess.Popen(
        [sys.executable, "-c", KEPT_ALIVE, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    try:
        assert program.stdout is not None
        assert program.stdout.readline().startswith("http://127.0.0.1:")
        # The front end, two masters, two workers.
        assert len(processes_with(str(tmp_path / "data"))) >= 5
    finally:
        os.kill(program.pid, signal.SIGKILL)
        program.wait()
        assert program.stdout is not None
        program.stdout.close()
    eventually(lambda: not processes_with(str(tmp_path)), within=10)


def test_a_front_end_that_dies_is_replaced_on_its_port(bench: Workbench) -> None:
    heard = bench.deploy("survivor")
    pid = bench.call("survivor").json()["pid"]
    (front_end,) = [
        each
        for each in processes_with(str(bench.folder / "data"))
        if b"scoring.front_end" in Path(f"/proc/{each}/cmdline").read_bytes()
    ]

    os.kill(front_end, signal.SIGKILL)

    def answers() -> bool:
        with contextlib.suppress(OSError):
            return bench.call("survivor").status == 200
        return False

    eventually(answers)
    assert bench.call("survivor").json()["pid"] == pid
    assert heard.state == "Healthy"
    bench.runtime.remove("survivor")


def test_a_scikit_learn_model_needs_no_code(bench: Workbench) -> None:
    rows, labels = load_iris(return_X_y=True)
    version = __import__("sklearn").__version__
    model = {"name": "iris", "version": "1", "framework": "ScikitLearn", "frameworkVersion": version}
    rollout = bench.rollout("codeless", "", models=(model,))
    joblib.dump(LogisticRegression(max_iter=500).fit(rows, labels), rollout.model_dir / "iris.pkl")
    heard = Heard()
    bench.runtime.roll_out(rollout, heard)
    assert heard.over.wait(240)
    assert heard.end == ("Succeeded", None), heard.lines

    answer = bench.call("codeless", {"data": rows[[0, 60, 120]].tolist(), "method": "predict"})

    assert answer.json() == {"predict": [0, 1, 2]}
    assert (
        len(bench.call("codeless", {"data": rows[:1].tolist(), "method": "predict_proba"}).json()["predict_proba"]) == 1
    )
    assert bench.call("codeless", {"data": [[1]], "method": "fit"}).status == 502
    assert any("not compared with Azure's" in line for line in heard.lines)
    bench.runtime.remove("codeless")


def test_an_onnx_model_needs_no_code(bench: Workbench, tmp_path: Path) -> None:
    model = {"name": "iris", "version": "1", "framework": "Onnx", "frameworkVersion": "1.3"}
    rollout = bench.rollout("onnx", "", models=(model,))
    (rollout.model_dir / "placeholder").touch()
    heard = Heard()
    bench.runtime.roll_out(rollout, heard)
    assert heard.over.wait(240)
    # Without an .onnx file it says so …
    assert "There is no file ending in .onnx" in bench.runtime.logs("onnx", tail=200, init=False)
    # … and with the one that onnxruntime itself ships, it serves.
    key = next(match.group(1) for line in heard.lines if (match := re.match(r"Environment (\w+) ", line)))
    shipped = next((Path(os.environ["LOCAL_WORKSPACE_ENVIRONMENTS"]) / key).rglob("logreg_iris.onnx"))
    rollout = bench.rollout("onnx", "", models=(model,))
    shutil.copy(shipped, rollout.model_dir)
    heard = Heard()
    bench.runtime.roll_out(rollout, heard)
    assert heard.over.wait(240)
    assert heard.end == ("Succeeded", None), heard.lines

    answer = bench.call("onnx", {"data": {"float_input": [[5.1, 3.5], [6.2, 2.9], [1.0, 9.0]]}})

    assert len(answer.json()["label"]) == 3
    assert all(0 <= value <= 1 for value in answer.json()["probabilities"][0].values())
    assert bench.call("onnx", {"data": {}}).status == 502
    bench.runtime.remove("onnx")


def test_faults_on_purpose_have_real_effects_and_end(bench: Workbench) -> None:
    bench.deploy("faulty", access={"scoring_timeout_ms": 1000})

    def strike(**fault: Any) -> Any:
        bench.runtime.set_fault("faulty", fault)
        return bench.call("faulty")

    assert 0.4 < strike(kind="slow", milliseconds=400).seconds < 0.9
    failed = strike(kind="error500")
    assert (failed.status, failed.headers["x-ms-run-function-failed"]) == (502, "True")
    assert "FaultOnPurpose" in bench.runtime.logs("faulty", tail=100, init=False)
    soft = strike(kind="soft-failure")
    assert (soft.status, "error" in soft.json()) == (200, True)
    assert strike(kind="hang").status == 504
    bench.runtime.set_fault("faulty", None)
    eventually(lambda: bench.call("faulty").status == 200)
    crashed = strike(kind="crash")
    assert (crashed.status, crashed.headers.get("x-ms-run-function-failed")) == (502, None)
    bench.runtime.set_fault("faulty", None)
    eventually(lambda: bench.call("faulty").status == 200)
    bench.runtime.set_fault("faulty", {"kind": "soft-failure", "seconds": 0.5})
    eventually(lambda: "error" not in bench.call("faulty").json())
    with pytest.raises(ValueError, match="no fault of kind"):
        bench.runtime.set_fault("faulty", {"kind": "earthquake"})
    bench.runtime.remove("faulty")


def test_without_room_a_service_is_unschedulable_until_there_is(bench: Workbench) -> None:
    bench.runtime.set_fault("homeless", {"kind": "out-of-capacity"})

    heard = bench.deploy("homeless", compute_type="AKS", deploy_timeout_seconds=1.0)

    assert heard.end is not None
    assert heard.end[0] == "Failed"
    assert heard.state == "Unschedulable"
    assert "Couldn't Schedule" in str(bench.runtime.status("homeless").error)
    bench.runtime.set_fault("homeless", None)
    eventually(lambda: heard.state == "Healthy")
    assert bench.call("homeless").status == 200
    bench.runtime.remove("homeless")


def test_a_rollout_told_to_be_late_times_out_and_is_healthy_later(bench: Workbench) -> None:
    bench.runtime.set_fault("tardy", {"kind": "timed-out-then-healthy", "late_seconds": 1})

    heard = bench.deploy("tardy", deploy_timeout_seconds=1.5)

    assert heard.end is not None
    assert heard.end[0] == "TimedOut"
    assert heard.state == "Unhealthy"
    eventually(lambda: heard.state == "Healthy")
    bench.runtime.remove("tardy")


def test_with_application_insights_on_the_server_sends_what_it_saw(tmp_path: Path) -> None:
    received: list[dict[str, Any]] = []

    class Ingestion(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            items = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            received.extend(items)
            answer = json.dumps({"itemsReceived": len(items), "itemsAccepted": len(items), "errors": []}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_arguments: Any) -> None:
            """Nothing to say."""

    ingestion = ThreadingHTTPServer(("127.0.0.1", 0), Ingestion)
    threading.Thread(target=ingestion.serve_forever, daemon=True).start()
    bench = Workbench(tmp_path)
    try:
        bench.runtime.close()
        bench.runtime = Runtime(
            tmp_path / "data",
            telemetry_url=lambda: f"http://127.0.0.1:{ingestion.server_port}/",
            instrumentation_key=IKEY,
            workspace_name="bench",
            front_end_port=0,
        )
        bench.deploy("seen", app_insights_enabled=True)
        bench.call("seen", headers={"x-request-id": "asked-once"})
        bench.runtime.set_fault("seen", {"kind": "slow", "milliseconds": 300})
        bench.call("seen", headers={"x-request-id": "asked-slowly"})

        def properties(request_id: str) -> dict[str, Any]:
            for item in received:
                found: dict[str, Any] = item["data"]["baseData"].get("properties") or {}
                if item["data"]["baseType"] == "RequestData" and found.get("Request Id") == request_id:
                    return found
            return {}

        quick = eventually(lambda: properties("asked-once"))
        slow = eventually(lambda: properties("asked-slowly"))
        assert (quick["resultCode"], quick["Service Name"], quick["Workspace Name"]) == ("200", "seen", "bench")
        assert slow["duration"] >= "00:00:00.300"
        assert {item["iKey"] for item in received} == {IKEY}
    finally:
        bench.close()
        ingestion.shutdown()
        ingestion.server_close()
