"""The whole loop with real inference servers of both generations: score, exporter, ingestion, KQL."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import requests
import uv

from tests.local_workspace.insights_process import IKEY, InsightsProcess
from tests.running_workspace import free_port

pytestmark = pytest.mark.slow

SERVERS = {
    # The older one's exporter still asks setuptools for its own version.
    "opencensus": ["azureml-inference-server-http==1.4.1", "setuptools<81"],
    "opentelemetry": ["azureml-inference-server-http==1.5.1"],
}
SCRIPT = """
import json, time

def init():
    pass

def run(data):
    order = json.loads(data)
    time.sleep(order.get("sleep", 0))
    if "raise" in order:
        raise ValueError(order["raise"])
    return order.get("answer", [1.5])
"""
ORDERS = (
    [("shop_p_1", {})] * 5
    + [("shop_s_2", {"sleep": 0.1})] * 3
    + [("", {"raise": "feature 7 is missing"})] * 2
    + [("", {"answer": {"error": "no such column"}})]
    + [("desk-probe-1", {})]
)


@pytest.fixture
def monitor(tmp_path: Path) -> Iterator[InsightsProcess]:
    process = InsightsProcess(tmp_path / "monitor")
    yield process
    process.stop()


def installed(folder: Path, requirements: list[str]) -> Path:
    program = uv.find_uv_bin()
    subprocess.run([program, "venv", "--quiet", "--python", "3.11", str(folder)], check=True)
    python = folder / "bin" / "python"
    subprocess.run([program, "pip", "install", "--quiet", "--python", str(python), *requirements], check=True)
    return python


@contextmanager
def serving(folder: Path, generation: str, monitor: InsightsProcess) -> Iterator[str]:
    """One real server with telemetry on, named after its generation."""
    python = installed(folder / "environment", SERVERS[generation])
    (folder / "score.py").write_text(SCRIPT)
    port = free_port()
    environment = {
        "PATH": f"{python.parent}:/usr/bin:/bin",
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "AML_APP_ROOT": str(folder),
        "AZUREML_ENTRY_SCRIPT": "score.py",
        "AML_APP_INSIGHTS_ENABLED": "true",
        "AML_APP_INSIGHTS_KEY": IKEY,
        "APPLICATIONINSIGHTS_CONNECTION_STRING": f"InstrumentationKey={IKEY};IngestionEndpoint={monitor.url}",
        "APPLICATIONINSIGHTS_STATSBEAT_DISABLED_ALL": "true",
        "OTEL_BSP_SCHEDULE_DELAY": "200",
        "SERVICE_NAME": generation,
    }
    command = [str(python), "-m", "gunicorn", "-b", f"127.0.0.1:{port}", "-w", "1", "--no-control-socket"]
    with (folder / "server.log").open("wb") as log:
        server = subprocess.Popen(
            [*command, "azureml_inference_server_http.server.entry:app"],
            env=environment,
            cwd=folder,
            stdout=log,
            stderr=log,
        )
    try:
        wait_for(f"http://127.0.0.1:{port}/", server, folder / "server.log")
        yield f"http://127.0.0.1:{port}/score"
    finally:
        server.terminate()
        server.wait(20)


def wait_for(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert server.poll() is None, log.read_text()
        try:
            if requests.get(url, timeout=2).ok:
                return
        except (requests.ConnectionError, requests.Timeout):
            time.sleep(0.1)
    raise TimeoutError(log.read_text())


def test_what_real_servers_of_both_generations_send_is_read_alike(tmp_path: Path, monitor: InsightsProcess) -> None:
    with ExitStack() as running:
        for generation in SERVERS:
            (tmp_path / generation).mkdir()
            url = running.enter_context(serving(tmp_path / generation, generation, monitor))
            for client_request_id, order in ORDERS:
                requests.post(url, json=order, headers={"x-ms-client-request-id": client_request_id}, timeout=10)
            requests.get(url.replace("/score", "/swagger.json"), timeout=10)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and counted(monitor) != [len(ORDERS)] * len(SERVERS):
            time.sleep(0.2)

    assert counted(monitor) == [len(ORDERS)] * len(SERVERS)
    for generation in SERVERS:
        codes = monitor.rows(
            f"Requests | where Service == '{generation}' | summarize n=count(), soft=countif(IsSoftFailure), "
            "ours=countif(IsOurs), slow=countif(DurationMs between (100 .. 1000)) by ContainerCode "
            "| order by ContainerCode asc"
        )
        assert codes == [(200, 10, 1, 1, 3), (500, 2, 0, 0, 0)]
    causes = monitor.rows("AppExceptions | summarize count() by InnermostType, InnermostMessage")
    assert causes == [("ValueError", "feature 7 is missing", 4)]


def counted(monitor: InsightsProcess) -> list[int]:
    rows = monitor.rows("Requests | summarize n=count() by Service | order by Service asc")
    exceptions = monitor.rows("AppExceptions | count")[0][0]
    return [row[1] for row in rows] if exceptions == 4 else []
