"""MLflow's and BentoML's servers of an equal function, each in a venv of its own that goes when it was measured."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from uv import find_uv_bin

from local_workspace.scoring.launcher import plain_environment

MLFLOW_MODEL = """
import sys
import mlflow.pyfunc


class Sum(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        return [float(sum(row)) for row in model_input]


mlflow.pyfunc.save_model(sys.argv[1], python_model=Sum(), pip_requirements=[])
"""
BENTO_SERVICE = """
import bentoml


@bentoml.service(workers=1)
class Sum:
    @bentoml.api(route="/score")
    def score(self, data: list[float]) -> float:
        return sum(data)
"""


@dataclass(frozen=True, kw_only=True)
class Other:
    """Another server that runs now."""

    name: str
    url: str
    body: str


def other_servers(folder: Path) -> Iterator[Other]:
    """Each that can be installed, started while it is being measured."""
    for name, start in (("BentoML", _bentoml), ("MLflow", _mlflow)):
        with tempfile.TemporaryDirectory(prefix=f"bench-{name.lower()}-") as venv:
            try:
                python = _install(Path(venv), name.lower())
            except subprocess.CalledProcessError as error:
                print(f"{name} could not be installed and is not measured: {error.stderr[-300:]}", file=sys.stderr)
                continue
            with start(python, folder) as other:
                yield other


@contextmanager
def _bentoml(python: Path, folder: Path) -> Iterator[Other]:
    (folder / "bench_service.py").write_text(BENTO_SERVICE)
    port = free_port()
    command = [str(python.parent / "bentoml"), "serve", "bench_service:Sum", "--port", str(port), "--host", "127.0.0.1"]
    with _server(command, python, folder, ready=f"http://127.0.0.1:{port}/readyz"):
        yield Other(name="BentoML", url=f"http://127.0.0.1:{port}/score", body='{"data": [1, 2, 3, 4]}')


@contextmanager
def _mlflow(python: Path, folder: Path) -> Iterator[Other]:
    model = folder / "mlflow-model"
    environment = plain_environment(home=folder, temporary=folder, first_on_path=python.parent)
    subprocess.run([str(python), "-c", MLFLOW_MODEL, str(model)], check=True, cwd=folder, env=environment)
    port = free_port()
    command = [str(python.parent / "mlflow"), "models", "serve", "-m", str(model), "-p", str(port), "-w", "1"]
    with _server([*command, "--env-manager", "local"], python, folder, ready=f"http://127.0.0.1:{port}/ping"):
        yield Other(name="MLflow", url=f"http://127.0.0.1:{port}/invocations", body='{"inputs": [[1, 2, 3, 4]]}')


@contextmanager
def _server(command: list[str], python: Path, folder: Path, *, ready: str) -> Iterator[None]:
    environment = plain_environment(home=folder, temporary=folder, first_on_path=python.parent)
    environment |= {"BENTOML_DO_NOT_TRACK": "True", "MLFLOW_DISABLE_TELEMETRY": "true"}
    with (folder / "other.log").open("ab") as log:
        process = subprocess.Popen(command, env=environment, cwd=folder, stdout=log, stderr=log, start_new_session=True)
    try:
        await_answer(ready)
        yield
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)


def _install(venv: Path, package: str) -> Path:
    uv, python = find_uv_bin(), venv / "bin" / "python"
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, str(venv)], check=True, capture_output=True)
    subprocess.run(
        [uv, "pip", "install", "--quiet", "--python", str(python), package], check=True, capture_output=True, text=True
    )
    return python


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def await_answer(url: str, *, within: float = 120) -> None:
    """Wait until a server answers anything at all."""
    deadline = time.monotonic() + within
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except urllib.error.HTTPError:
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
