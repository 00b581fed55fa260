"""The front end against the bare inference server: the same script, the same environment, the same load.

Throughput is the median over interleaved rounds of the ratio to the mean of the two bare runs around each run of ours; the
bare server is gunicorn with Microsoft's application and as many workers as we have replicas, without an access log. With
`BENCH_OTHER_SERVERS=1` MLflow's and BentoML's servers of an equal function are measured too, in venvs of their own.
"""

from __future__ import annotations

import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.figures import Figure
from benchmarks.other_servers import Other, await_answer, free_port, other_servers
from local_workspace.scoring.interface import Access, Failure, Rollout
from local_workspace.scoring.launcher import plain_environment
from local_workspace.scoring.runtime import Runtime

ROUNDS = 5
SECONDS = 1.0
CLIENTS = (1, 4, 8)
LEAST_RATIO = 0.8
MOST_ADDED_MS = 0.3
BUSY_LOAD = 1.0
KEY = "key-of-the-benchmark"
SCRIPT = (
    "import json\n\n\ndef init():\n    pass\n\n\ndef run(raw_data):\n    return sum(json.loads(raw_data)['data'])\n"
)
BODY = '{"data": [1, 2, 3, 4]}'
ENVIRONMENT = {"python": {"condaDependencies": {"dependencies": [{"pip": ["azureml-defaults", "scikit-learn"]}]}}}
APPLICATION = "azureml_inference_server_http.server.entry:app"


@dataclass(frozen=True, kw_only=True)
class Run:
    """What wrk saw."""

    rate: float
    p50_ms: float


class Ended:
    """A reporter that waits for the end."""

    def __init__(self) -> None:
        self.over = threading.Event()
        self.state = ""
        self.lines: list[str] = []

    def phase(self, phase: str, state: str) -> None:
        """Not of interest."""

    def line(self, text: str) -> None:
        """Kept for when it fails."""
        self.lines.append(text)

    def service_state(self, state: str, failure: Failure | None = None) -> None:
        """Not of interest."""

    def ended(self, state: str, failure: Failure | None = None) -> None:
        """The operation is over."""
        self.state = state
        self.over.set()


def main() -> list[Figure]:
    """Measure at 1, 4 and 8 clients with one and with two replicas."""
    if shutil.which("wrk") is None:
        missing = "not measured: wrk is not installed (apt-get install wrk)"
        return [Figure(name="front end / bare server", figure=missing, budget=f"≥ {LEAST_RATIO}", met=False)]
    load = os.getloadavg()[0]
    if load > BUSY_LOAD:
        print(f"This machine is busy (load {load:.1f}): ratios taken now say little.", file=sys.stderr)
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, ExitStack() as stack:
        runtime = Runtime(
            Path(folder),
            telemetry_url=lambda: "",
            instrumentation_key="",
            workspace_name="bench",
            front_end_port=0,
        )
        stack.callback(runtime.close)
        for replicas in (1, 2):
            python = _deploy(runtime, Path(folder), replicas=replicas)
            url = f"{runtime.front_end_url}/api/v1/service/replicas-{replicas}/score"
            with _bare(python, Path(folder), workers=replicas) as bare:
                for clients in CLIENTS:
                    figures += _compare(Path(folder), url, bare, replicas=replicas, clients=clients)
            if replicas == 1 and os.environ.get("BENCH_OTHER_SERVERS"):
                figures += [_against(Path(folder), url, other) for other in other_servers(Path(folder))]
            runtime.remove(f"replicas-{replicas}")
    return figures


def _compare(folder: Path, ours: str, bare: str, *, replicas: int, clients: int) -> list[Figure]:
    ratios, added = [], []
    before = _wrk(folder, bare, clients=clients)
    for _ in range(ROUNDS):
        run = _wrk(folder, ours, clients=clients)
        after = _wrk(folder, bare, clients=clients)
        ratios.append(run.rate / ((before.rate + after.rate) / 2))
        added.append(run.p50_ms - (before.p50_ms + after.p50_ms) / 2)
        before = after
    ratio, more = statistics.median(ratios), statistics.median(added)
    where = (
        f"{replicas} {'replica' if replicas == 1 else 'replicas'}, {clients} {'client' if clients == 1 else 'clients'}"
    )
    figures = [
        Figure(
            name=f"front end throughput / bare server, {where}",
            figure=f"{ratio:.2f} ({min(ratios):.2f}–{max(ratios):.2f}; bare {before.rate:,.0f}/s)",
            budget=f"≥ {LEAST_RATIO}",
            met=ratio >= LEAST_RATIO,
        )
    ]
    if clients == 1:
        figures.append(
            Figure(
                name=f"front end added p50, {where}",
                figure=f"{more:+.2f} ms",
                budget=f"≤ {MOST_ADDED_MS} ms",
                met=more <= MOST_ADDED_MS,
            )
        )
    return figures


def _against(folder: Path, ours: str, other: Other) -> Figure:
    """Our throughput over another server's, at 4 clients."""
    ratios = []
    before = _wrk(folder, other.url, clients=4, body=other.body)
    for _ in range(ROUNDS):
        run = _wrk(folder, ours, clients=4)
        after = _wrk(folder, other.url, clients=4, body=other.body)
        ratios.append(run.rate / ((before.rate + after.rate) / 2))
        before = after
    ratio = statistics.median(ratios)
    return Figure(
        name=f"front end throughput / {other.name}, 1 replica, 4 clients",
        figure=f"{ratio:.1f} ({other.name} {before.rate:,.0f}/s)",
        budget="> 1",
        met=ratio > 1,
    )


def _deploy(runtime: Runtime, folder: Path, *, replicas: int) -> Path:
    """Deploy the script; returns the interpreter of its environment."""
    name = f"replicas-{replicas}"
    code = folder / name / "code" / "source"
    code.mkdir(parents=True)
    (code / "score.py").write_text(SCRIPT)
    ended = Ended()
    runtime.roll_out(
        Rollout(
            service=name,
            compute_type="AKS",
            revision="1",
            folder=folder / name,
            entry_script="source/score.py",
            model_dir=folder / name,
            models=(),
            environment=ENVIRONMENT,
            access=Access(
                auth_enabled=True, aad_auth_enabled=False, primary_key=KEY, secondary_key="", token_secret=""
            ),
            replicas=replicas,
        ),
        ended,
    )
    if not ended.over.wait(600) or ended.state != "Succeeded":
        raise RuntimeError("The benchmark's service did not start:\n" + "\n".join(ended.lines[-20:]))
    log = runtime.logs(name, tail=500, init=False)
    found = re.search(r"from (\S+)/lib/python", log)
    if found is None:
        raise RuntimeError(f"The log does not say where the environment is:\n{log}")
    return Path(found.group(1)) / "bin" / "python"


@contextmanager
def _bare(python: Path, folder: Path, *, workers: int) -> Iterator[str]:
    """Microsoft's server without a front end."""
    port = free_port()
    app = folder / f"replicas-{workers}" / "code"
    environment = plain_environment(home=folder, temporary=folder, first_on_path=python.parent)
    environment |= {
        "AML_APP_ROOT": str(app),
        "AZUREML_ENTRY_SCRIPT": "source/score.py",
        "AZUREML_MODEL_DIR": str(app),
        "AML_APP_INSIGHTS_ENABLED": "false",
        "OMP_NUM_THREADS": "1",
        "SCORING_TIMEOUT_MS": "60000",
    }
    command = [str(python), "-m", "gunicorn", "-b", f"127.0.0.1:{port}", "-w", str(workers), "--no-control-socket"]
    with (folder / "bare.log").open("ab") as log:
        process = subprocess.Popen(
            [*command, APPLICATION],
            env=environment,
            cwd=app,
            stdout=log,
            stderr=log,
            # In a session of its own, as replicas are: Linux shares the processor between sessions first.
            start_new_session=True,
        )
    try:
        await_answer(f"http://127.0.0.1:{port}/")
        yield f"http://127.0.0.1:{port}/score"
    finally:
        process.terminate()
        process.wait(30)


def _wrk(folder: Path, url: str, *, clients: int, body: str = BODY) -> Run:
    """One run of the load generator."""
    script = folder / "post.lua"
    script.write_text(
        f"wrk.method = 'POST'\nwrk.body = '{body}'\nwrk.headers['Content-Type'] = 'application/json'\n"
        f"wrk.headers['Authorization'] = 'Bearer {KEY}'\n"
    )
    command = ["wrk", "-t1", f"-c{clients}", f"-d{SECONDS:.0f}s", "--latency", "-s", str(script), url]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    if "Non-2xx" in text:
        raise RuntimeError(f"{url} did not answer every request with success:\n{text}")
    rate = re.search(r"^Requests/sec:\s+([\d.]+)", text, re.M)
    # "50%" also stands in the column of deviations: only the line that begins with it counts.
    p50 = re.search(r"^\s+50%\s+([\d.]+)(us|ms|s)", text, re.M)
    if rate is None or p50 is None:
        raise RuntimeError(f"wrk said something unexpected:\n{text}")
    return Run(
        rate=float(rate.group(1)), p50_ms=float(p50.group(1)) * {"us": 0.001, "ms": 1.0, "s": 1000.0}[p50.group(2)]
    )
