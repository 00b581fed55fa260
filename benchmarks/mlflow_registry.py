"""MLflow's server with as many registered versions, in a venv of its own that goes when it was measured."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from uv import find_uv_bin

from benchmarks.other_servers import free_port
from local_workspace.scoring.launcher import plain_environment

READY_SECONDS = 120.0

# Its own store writes them: over HTTP it would take minutes. An index for nothing, a page for what a person sees.
FILL = """
import sys
from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore
from mlflow.store.model_registry.dbmodels.models import SqlModelVersion, SqlModelVersionTag, SqlRegisteredModel
from mlflow.utils.time import get_current_time_millis

url, versions, each = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
store, now = SqlAlchemyStore(url), get_current_time_millis()
with store.ManagedSessionMaker() as session:
    for number in range(versions // each):
        session.add(SqlRegisteredModel(name=f"model-{number:04}", creation_time=now, last_updated_time=now))
    session.flush()
    for number in range(versions):
        name, version = f"model-{number // each:04}", each - number % each
        session.add(
            SqlModelVersion(
                name=name, version=version, creation_time=now - number, last_updated_time=now - number,
                description=f"Trained on the data of week {number % 53}", source=f"file:///models/{number}",
                run_id=f"{number:032x}", current_stage="None", status="READY",
            )
        )
        for key, value in (("stage", ("dev", "test", "prod")[number % 3]), ("application", f"{number % 100:03}")):
            session.add(SqlModelVersionTag(name=name, version=version, key=key, value=value))
"""


def mlflow_pages(folder: Path, *, versions: int, page: int, rounds: int) -> list[float] | str:
    """Seconds of one page of versions each time, or why it was not measured."""
    with tempfile.TemporaryDirectory(prefix="bench-mlflow-") as venv:
        try:
            python = _install(Path(venv))
        except subprocess.CalledProcessError as error:
            return f"MLflow could not be installed: {(error.stderr or '').strip()[-200:]}"
        return _measure(python, folder / "mlflow", versions=versions, page=page, rounds=rounds)


def _measure(python: Path, folder: Path, *, versions: int, page: int, rounds: int) -> list[float]:
    folder.mkdir()
    environment = plain_environment(home=folder, temporary=folder, first_on_path=python.parent)
    environment |= {"MLFLOW_DISABLE_TELEMETRY": "true"}
    store = f"sqlite:///{folder / 'mlflow.db'}"
    subprocess.run(
        [str(python), "-c", FILL, store, str(versions), "50"], env=environment, cwd=folder, check=True, timeout=300
    )
    port = free_port()
    command = [str(python.parent / "mlflow"), "server", "--backend-store-uri", store, "--port", str(port)]
    with (folder / "server.log").open("ab") as log:
        process = subprocess.Popen(
            [*command, "--workers", "1"], env=environment, cwd=folder, stdout=log, stderr=log, start_new_session=True
        )
    try:
        _await(f"http://127.0.0.1:{port}/health", folder / "server.log")
        ask = f"http://127.0.0.1:{port}/api/2.0/mlflow/model-versions/search?max_results={page}&order_by=name%20ASC"
        _ask(ask, least=page)
        seconds = []
        for _ in range(rounds):
            begun = time.perf_counter()
            _ask(ask, least=page)
            seconds.append(time.perf_counter() - begun)
        return seconds
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)


def _ask(url: str, *, least: int) -> None:
    with urllib.request.urlopen(url, timeout=60) as answer:
        found = json.load(answer)
    if len(found.get("model_versions", ())) != least:
        raise RuntimeError(f"MLflow answered with {len(found.get('model_versions', ()))} versions, not {least}.")


def _await(url: str, log: Path) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            if time.monotonic() > deadline:
                raise RuntimeError(f"MLflow did not start:\n{log.read_text()[-2000:]}") from None
            time.sleep(0.2)


def _install(venv: Path) -> Path:
    print("Installing MLflow in a venv of its own …", file=sys.stderr)
    uv, python = find_uv_bin(), venv / "bin" / "python"
    for command in (
        [uv, "venv", "-q", "-p", sys.executable, str(venv)],
        [uv, "pip", "install", "-q", "-p", str(python), "mlflow"],
    ):
        subprocess.run(command, check=True, capture_output=True, text=True)
    return python
