"""Telemetry: taking it in against what this machine's replicas can send, and KQL against hand-written SQL.

Everything is real: two inference servers under load, the local Azure Monitor as a process, 10 million scoring calls over
30 days in its database, the query behind the latency chart as the desk sends it.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import secrets
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import uv

from benchmarks.figures import Figure
from local_workspace.insights import kql
from local_workspace.insights.store import Store
from services.azuremonitor import queries
from services.azuremonitor.client import LogAnalytics

ROOT = Path(__file__).resolve().parent.parent
SERVER = "azureml-inference-server-http==1.5.1"
IKEY = "11111111-2222-4333-8444-555555555555"
CALLS = 10_000_000
DAYS = 30
ROUNDS = 7
LOAD_SECONDS = 5
ENVELOPES_A_POST = 512

INGESTION_BUDGET = 5.0
KQL_BUDGET = 3.0
ONE_DAY_BUDGET = 0.1
CHART_BUDGET_SECONDS = 2.0
ALL_CHARTS_BUDGET_SECONDS = 6.0
EMPTY_LOG_BUDGET = 1.25
CHARTS = ("request_rate", "latency", "errors_by_code", "replicas", "latency_split", "latency_heat")

TRIVIAL_SCRIPT = "def init():\n    pass\n\ndef run(data):\n    return [1.5]\n"

# The same answer as the latency query, written by hand: integer bins, and one pass for the three percentiles.
HAND_WRITTEN = """
SELECT time_bucket(INTERVAL '{step}', "TimeGenerated") AS bin, "Service", sum("ItemCount") AS n,
       quantile_disc("DurationMs", [0.5, 0.95, 0.99]) AS percentiles
FROM "Requests"
WHERE "TimeGenerated" >= TIMESTAMP '{start}' AND "TimeGenerated" < TIMESTAMP '{end}' AND NOT "IsOurs"
GROUP BY bin, "Service" ORDER BY bin, "Service"
"""

_MAKE_CALLS = """
INSERT INTO "Requests"
SELECT TIMESTAMP '{start}' + to_microseconds((i * {apart})::BIGINT),
       'service-' || (hash(i) % 20), uuid()::VARCHAR, CASE WHEN i % 5 = 0 THEN 'shop_p_' || i ELSE '' END,
       'replica-' || (hash(i * 7) % 40), '/score',
       CASE hash(i * 3) % 100 WHEN 0 THEN 500 WHEN 1 THEN 503 ELSE 200 END,
       floor(20 - ln(random()) * 40), hash(i * 5) % 200 = 0, i % 60 = 0, 1
FROM range({calls}) AS numbers(i)
"""


def main() -> list[Figure]:
    """Measure and return the figures."""
    with tempfile.TemporaryDirectory(prefix="desk-telemetry-") as folder:
        return [*ingestion(Path(folder)), *charts(Path(folder))]


def ingestion(folder: Path) -> list[Figure]:
    """How much more the monitor takes in than every core's replica can send."""
    python = _environment(folder / "environment")
    with _monitor(folder / "ingestion") as monitor:
        produced = _produced(folder, python, monitor)
        taken = _taken(monitor)
    ratio = taken / produced
    return [
        Figure(
            "telemetry ingestion against what this machine's replicas send",
            f"{ratio:.1f} times ({taken:,.0f} against {produced:,.0f} envelopes/s)",
            f"at least {INGESTION_BUDGET:g} times",
            ratio >= INGESTION_BUDGET,
        )
    ]


def charts(folder: Path) -> list[Figure]:
    """The latency query on 10 million rows, against hand-written SQL, by range, and through the client."""
    data = folder / "charts"
    store = Store(data / "telemetry.duckdb")
    end = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    start = end - timedelta(days=DAYS)
    apart = DAYS * 86_400_000_000 // CALLS
    store.cursor().execute(_MAKE_CALLS.format(start=f"{start:%Y-%m-%d}", apart=apart, calls=CALLS))
    store.checkpoint()
    by_hand, through_kql, one_day = _interleaved(store, start, end)
    without_log, empty_log = _all_charts(store, start, end)
    store.close()

    with _monitor(data) as monitor:
        chart = _through_the_client(monitor, start, end)
    ratio, share = through_kql / by_hand, one_day / through_kql
    return [
        Figure(
            "latency query on 10 million rows, KQL against hand-written SQL",
            f"{ratio:.2f} times ({through_kql:.2f} s against {by_hand:.2f} s)",
            f"at most {KQL_BUDGET:g} times",
            ratio <= KQL_BUDGET,
        ),
        Figure(
            "the same for one day of the thirty",
            f"{share:.3f} of it ({one_day * 1000:.0f} ms)",
            f"at most {ONE_DAY_BUDGET:g} of it",
            share <= ONE_DAY_BUDGET,
        ),
        Figure(
            "the same through the Log Analytics client, 6-hour steps",
            f"{chart:.2f} s",
            f"at most {CHART_BUDGET_SECONDS:g} s",
            chart <= CHART_BUDGET_SECONDS,
        ),
        Figure(
            f"the queries of all {len(CHARTS)} charts, 30 days, one after the other",
            f"{without_log:.2f} s",
            f"at most {ALL_CHARTS_BUDGET_SECONDS:g} s",
            without_log <= ALL_CHARTS_BUDGET_SECONDS,
        ),
        Figure(
            "the same, looking for a front end's log that is empty",
            f"{empty_log / without_log:.2f} times ({empty_log:.2f} s)",
            f"at most {EMPTY_LOG_BUDGET:g} times",
            empty_log <= EMPTY_LOG_BUDGET * without_log,
        ),
    ]


def _interleaved(store: Store, start: datetime, end: datetime) -> tuple[float, float, float]:
    """Median seconds by hand, through KQL, and through KQL for one day; the answers are compared."""
    hand, translated, day = [], [], []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        sql = HAND_WRITTEN.format(step="1 hour", start=f"{start:%Y-%m-%d}", end=f"{end:%Y-%m-%d}")
        expected = store.cursor().execute(sql).fetchall()
        hand.append(time.perf_counter() - begun)
        seconds, rows = _ask(store, start, end)
        translated.append(seconds)
        day.append(_ask(store, end - timedelta(days=1), end)[0])
        assert [(*row[:3], list(row[3:])) for row in rows] == expected
    return statistics.median(hand), statistics.median(translated), statistics.median(day)


def _all_charts(store: Store, start: datetime, end: datetime) -> tuple[float, float]:
    """Median seconds of all charts without a front end's log, and with one that is on and empty, in turns."""
    seconds: dict[bool, list[float]] = {False: [], True: []}
    for _ in range(ROUNDS):
        for log in seconds:
            begun = time.perf_counter()
            for name in CHARTS:
                step = timedelta(hours=6)
                text = queries.render(name, source="local", services=(), start=start, end=end, step=step, front_end=log)
                kql.run(store, text, span=None, seconds=60)
            seconds[log].append(time.perf_counter() - begun)
    return statistics.median(seconds[False]), statistics.median(seconds[True])


def _ask(store: Store, start: datetime, end: datetime) -> tuple[float, list[tuple[Any, ...]]]:
    begun = time.perf_counter()
    text = queries.render("latency", source="local", services=(), start=start, end=end, step=timedelta(hours=1))
    kql.translate.cache_clear()  # the first run of a text translates it; that is part of what a person waits for
    answer = kql.run(store, text, span=None, seconds=60)
    return time.perf_counter() - begun, answer.rows


def _through_the_client(monitor: _Monitor, start: datetime, end: datetime) -> float:
    logs = LogAnalytics(monitor.url, lambda: monitor.token, monitor.workspace_id, source="local")
    try:
        begun = time.perf_counter()
        logs.ask("latency", start=start, end=end, step=timedelta(hours=6)).frame()
        return time.perf_counter() - begun
    finally:
        logs.close()


class _Monitor:
    """A local Azure Monitor's address and token."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.token = secrets.token_urlsafe()
        self.workspace_id = str(uuid.uuid4())


@contextmanager
def _monitor(data: Path) -> Iterator[_Monitor]:
    monitor = _Monitor(_free_port())
    data.mkdir(parents=True, exist_ok=True)
    config = data / "insights.json"
    config.touch(0o600)
    config.write_text(
        json.dumps(
            {
                "tokens": [monitor.token],
                "admin_token": secrets.token_urlsafe(),
                "workspace_id": monitor.workspace_id,
                "instrumentation_keys": [IKEY],
                "largest_bytes": 8 * 1024**3,
            }
        )
    )
    arguments = [f"--data={data}", f"--port={monitor.port}", f"--config={config}"]
    with _running([sys.executable, "-m", "local_workspace.insights", *arguments], dict(os.environ), ROOT):
        _wait(f"{monitor.url}/health")
        yield monitor


def _environment(folder: Path) -> Path:
    """A scoring environment with Microsoft's inference server."""
    program = uv.find_uv_bin()
    subprocess.run([program, "venv", "--quiet", "--python", "3.11", str(folder)], check=True)
    python = folder / "bin" / "python"
    subprocess.run([program, "pip", "install", "--quiet", "--python", str(python), SERVER], check=True)
    return python


def _produced(folder: Path, python: Path, monitor: _Monitor) -> float:
    """Requests a second that one replica a core answers, each one an envelope, with telemetry on."""
    code = folder / "code"
    code.mkdir()
    (code / "score.py").write_text(TRIVIAL_SCRIPT)
    ports = [_free_port() for _ in range(os.cpu_count() or 1)]
    with ExitStack() as replicas:
        for port in ports:
            replicas.enter_context(_replica(python, code, port, monitor))
        for port in ports:
            _wait(f"http://127.0.0.1:{port}/")
        return sum(_load(ports))


@contextmanager
def _replica(python: Path, code: Path, port: int, monitor: _Monitor) -> Iterator[None]:
    environment = {
        "PATH": f"{python.parent}:/usr/bin:/bin",
        "HOME": str(code),
        "AML_APP_ROOT": str(code),
        "AZUREML_ENTRY_SCRIPT": "score.py",
        "AML_APP_INSIGHTS_ENABLED": "true",
        "AML_APP_INSIGHTS_KEY": f"{IKEY};IngestionEndpoint={monitor.url}",
        "APPLICATIONINSIGHTS_STATSBEAT_DISABLED_ALL": "true",
        "APPLICATIONINSIGHTS_OPENTELEMETRY_RESOURCE_METRIC_DISABLED": "true",
        "OTEL_BSP_SCHEDULE_DELAY": "500",
        "SERVICE_NAME": "benchmark",
    }
    command = [str(python), "-m", "gunicorn", "-b", f"127.0.0.1:{port}", "-w", "1", "--no-control-socket"]
    with _running([*command, "azureml_inference_server_http.server.entry:app"], environment, code):
        yield


def _load(ports: list[int]) -> Iterator[float]:
    """Requests a second of each replica, all under load at once."""
    wrk = shutil.which("wrk")
    if not wrk:
        raise FileNotFoundError("wrk is missing: `make tools` installs it.")
    script = "wrk.method = 'POST'; wrk.body = '{}'; wrk.headers['Content-Type'] = 'application/json'"
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as lua:
        lua.write(script)
        lua.flush()
        loads = [
            subprocess.Popen(
                [wrk, "-t1", "-c1", f"-d{LOAD_SECONDS}s", "-s", lua.name, f"http://127.0.0.1:{port}/score"],
                stdout=subprocess.PIPE,
                text=True,
            )
            for port in ports
        ]
        for load in loads:
            printed, _ = load.communicate(timeout=LOAD_SECONDS + 30)
            rate = re.search(r"Requests/sec:\s+([\d.]+)", printed)
            if not rate:
                raise RuntimeError(f"wrk printed no rate: {printed}")
            yield float(rate[1])


def _taken(monitor: _Monitor) -> float:
    """Envelopes a second the monitor acknowledges, from as many connections as there are cores."""
    now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    body = json.dumps([_envelope(now) for _ in range(ENVELOPES_A_POST)]).encode()
    deadline = time.monotonic() + LOAD_SECONDS
    accepted: list[int] = []

    def send() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", monitor.port, timeout=30)
        while time.monotonic() < deadline:
            connection.request("POST", "/v2.1/track", body, {"Content-Type": "application/json"})
            accepted.append(json.loads(connection.getresponse().read())["itemsAccepted"])
        connection.close()

    senders = [threading.Thread(target=send) for _ in range(2 * (os.cpu_count() or 1))]
    begun = time.monotonic()
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    return sum(accepted) / (time.monotonic() - begun)


def _envelope(moment: str) -> dict[str, Any]:
    """A request as the inference server sends it."""
    properties = {
        "Container Id": "replica-0",
        "Request Id": str(uuid.uuid4()),
        "Client Request Id": f"shop_p_{uuid.uuid4().hex[:8]}",
        "Response Value": "[1.5]",
        "name": "/score",
        "url": "http://127.0.0.1:5001/score",
        "start_time": moment,
        "duration": "00:00:00.012",
        "resultCode": "200",
        "success": "True",
        "http_method": "POST",
        "Workspace Name": "local",
        "Service Name": "benchmark",
    }
    data = {
        "ver": 2,
        "id": uuid.uuid4().hex[:16],
        "name": "/score",
        "duration": "0.00:00:00.000",
        "success": True,
        "responseCode": "0",
        "properties": properties,
        "measurements": {},
    }
    return {
        "ver": 1,
        "name": "Microsoft.ApplicationInsights.Request",
        "time": moment,
        "sampleRate": 100.0,
        "iKey": IKEY,
        "tags": {
            "ai.device.id": "host",
            "ai.device.locale": "en_US",
            "ai.internal.sdkVersion": "ulm_py3.11.7:otel1.33.0:ext1.0.0b40",
            "ai.cloud.role": "benchmark",
            "ai.cloud.roleInstance": "host",
            "ai.operation.id": uuid.uuid4().hex,
            "ai.operation.name": "/score",
        },
        "data": {"baseType": "RequestData", "baseData": data},
    }


@contextmanager
def _running(command: list[str], environment: dict[str, str], cwd: Path) -> Iterator[None]:
    process = subprocess.Popen(command, env=environment, cwd=cwd, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(url: str, *, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except OSError:
            time.sleep(0.1)
    raise TimeoutError(f"{url} did not answer within {seconds:g} s")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


if __name__ == "__main__":
    for line in main():
        print(f"{'ok  ' if line.met else 'MISS'}  {line.name}: {line.figure} (budget: {line.budget})")
