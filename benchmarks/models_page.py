"""The models page at 10,000 versions: the sweep that reads them, and one page of the list against the SDK and MLflow.

The versions are registered in a real local workspace over its wire protocol. The page is `Registry.page`: all its
filters, every way to sort. Against it stand the SDK's own `Model.list` of the same versions, which reads all of them
(Azure cannot sort by name and has no search), and MLflow's server, asked for a page of as many versions.
"""

from __future__ import annotations

import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import requests

from benchmarks.desk_server import environment_of, running_workspace
from benchmarks.figures import Figure
from benchmarks.filled import model_version, settings_of
from benchmarks.mlflow_registry import mlflow_pages
from services import bootstrap
from services.registry import PAGE
from services.settings import ROOT, Settings
from services.storage.upgrade import upgrade

VERSIONS = 10_000
THREADS = 24
ROUNDS = 5
PAGES_A_ROUND = 20
LEAST_TIMES_FASTER = 20.0
LARGEST_SHARE_OF_MLFLOW = 0.2
SWEEP_BUDGET_SECONDS = 60.0

# Lists as a person with the SDK would; in a process of its own, as the SDK keeps connections and settings for itself.
LIST_WITH_SDK = """
import json, os, sys, time
from tests.running_workspace import connect
from azureml.core import Model
workspace = connect(json.load(open(sys.argv[1])))
Model.list(workspace, name="model-0000")
print("ready", flush=True)
for _ in sys.stdin:
    begun = time.perf_counter()
    found = Model.list(workspace)
    found = sorted((m for m in found if "data of week" in (m.description or "")), key=lambda m: (m.name, -m.version))
    print(json.dumps({"seconds": time.perf_counter() - begun, "versions": len(found)}), flush=True)
"""


def main() -> list[Figure]:
    """Register, sweep, list."""
    with tempfile.TemporaryDirectory(prefix="bench-models-") as folder, ExitStack() as stack:
        settings, environment = settings_of(Path(folder)), environment_of(Path(folder))
        settings.data.mkdir(mode=0o700, parents=True)
        upgrade(settings)
        stack.enter_context(running_workspace(settings, environment))
        registering = _timed(lambda: register(settings))
        worker = bootstrap.worker(settings)
        first = _timed(worker.inventory.sweep_models)
        again = _timed(worker.inventory.sweep_models)
        newest = _timed(worker.inventory.refresh_models)
        print(f"registered in {registering:.0f} s, swept in {first:.1f} s", file=sys.stderr)
        desk = bootstrap.desk(settings)
        stack.callback(desk.close)
        pages, with_sdk = _against_the_sdk(settings, environment, lambda asked: desk.registry.page(**asked))
        mlflow = mlflow_pages(Path(folder), versions=VERSIONS, page=PAGE, rounds=ROUNDS * PAGES_A_ROUND)
        ours, theirs = statistics.median(pages), statistics.median(with_sdk)
        return [
            Figure(
                name=f"model sweep of the worker, {VERSIONS:,} versions",
                figure=f"{first:.1f} s first, {again:.1f} s again; newest only {newest:.2f} s",
                budget=f"≤ {SWEEP_BUDGET_SECONDS:.0f} s",
                met=max(first, again) <= SWEEP_BUDGET_SECONDS,
            ),
            Figure(
                name=f"list + filter + sort of one page of {VERSIONS:,} versions, against Model.list",
                figure=f"{theirs / ours:,.0f} times faster ({1000 * ours:.1f} ms, p95 {1000 * _p95(pages):.1f}; "
                f"Model.list {theirs:.2f} s)",
                budget=f"≥ {LEAST_TIMES_FASTER:.0f} times",
                met=theirs / ours >= LEAST_TIMES_FASTER,
            ),
            _against_mlflow(ours, mlflow),
        ]


def register(settings: Settings, *, versions: int = VERSIONS) -> None:
    """Register versions over the wire protocol, each of an asset."""
    known = json.loads(settings.connection.read_text())
    base = (
        f"{known['url']}/modelmanagement/v1.0/subscriptions/{known['subscription_id']}/resourceGroups/"
        f"{known['resource_group']}/providers/Microsoft.MachineLearningServices/workspaces/{known['workspace_name']}"
    )
    mine, now = threading.local(), datetime.now(UTC)

    def post(path: str, body: dict[str, Any]) -> dict[str, Any]:
        if not hasattr(mine, "session"):
            mine.session = requests.Session()
            mine.session.trust_env = False
            mine.session.headers["Authorization"] = f"Bearer {known['token']}"
        answer = mine.session.post(f"{base}{path}", json=body, timeout=120)
        answer.raise_for_status()
        document: dict[str, Any] = answer.json()
        return document

    asset = post("/assets", {"name": "model", "artifacts": [{"prefix": "LocalUpload/bench/model.pkl"}]})["id"]

    def one(number: int) -> None:
        model = model_version(number, now)
        body = {
            "name": model.name,
            "url": f"aml://asset/{asset}",
            "mimeType": "application/json",
            "framework": model.framework,
            "frameworkVersion": model.framework_version,
            "description": model.description,
            "kvTags": model.tags,
            "properties": model.properties,
            "runId": model.run_id,
        }
        post("/models", body)

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(one, range(versions)))


def _against_the_sdk(
    settings: Settings, environment: dict[str, str], page: Callable[[dict[str, Any]], Any]
) -> tuple[list[float], list[float]]:
    """Seconds of our pages and of the SDK's lists, in turn."""
    ours, theirs = [], []
    command = [sys.executable, "-W", "ignore", "-c", LIST_WITH_SDK, str(settings.connection)]
    home = settings.data / "sdk-home"
    home.mkdir()
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment | {"HOME": str(home), "REQUESTS_CA_BUNDLE": _ca_bundle(settings)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as sdk:
        assert sdk.stdin is not None
        assert sdk.stdout is not None
        _line_of(sdk.stdout, "ready")
        for asked in _questions(ROUNDS):
            ours += [_timed(lambda asked=one: page(asked)) for one in asked]  # type: ignore[misc]
            sdk.stdin.write("\n")
            sdk.stdin.flush()
            said = json.loads(_line_of(sdk.stdout, "{"))
            assert said["versions"] == VERSIONS, said
            theirs.append(said["seconds"])
        sdk.stdin.close()
    return ours, theirs


def _questions(rounds: int) -> list[list[dict[str, Any]]]:
    """Pages as people ask for them: every sort and every filter occurs."""
    chosen = random.Random(7)
    sorts = ("newest", "oldest", "name", "version", "framework", "size", "created by")
    filters: tuple[dict[str, Any], ...] = (
        {"search": "data of week"},
        {"search": "data of week", "tag": "stage=dev"},
        {"framework": "Onnx", "search": "week"},
        {"latest_only": True},
        {"deployed": "no"},
    )
    return [
        [
            {"sort": sorts[number % len(sorts)], "offset": chosen.randrange(0, 150, 50), "limit": PAGE}
            | filters[number % len(filters)]
            for number in range(PAGES_A_ROUND)
        ]
        for _ in range(rounds)
    ]


def _against_mlflow(ours: float, pages: Sequence[float] | str) -> Figure:
    name = f"the same page against MLflow's server at {VERSIONS:,} versions"
    budget = f"≤ {LARGEST_SHARE_OF_MLFLOW} of it"
    if isinstance(pages, str):
        return Figure(name=name, figure=f"not measured: {pages}", budget=budget, met=False)
    theirs = statistics.median(pages)
    return Figure(
        name=name,
        figure=f"{ours / theirs:.2f} of it ({1000 * ours:.1f} ms against {1000 * theirs:.1f} ms)",
        budget=budget,
        met=ours / theirs <= LARGEST_SHARE_OF_MLFLOW,
    )


def _ca_bundle(settings: Settings) -> str:
    bundle = json.loads(settings.connection.read_text())["ca_bundle"]
    return str(bundle or os.environ.get("REQUESTS_CA_BUNDLE", ""))


def _line_of(stream: Any, beginning: str) -> str:
    """The next line that begins so: the SDK prints things of its own."""
    for line in stream:
        if line.startswith(beginning):
            return str(line)
    raise RuntimeError("The SDK's process ended before it answered.")


def _timed(run: Callable[[], Any]) -> float:
    begun = time.perf_counter()
    run()
    return time.perf_counter() - begun


def _p95(seconds: Sequence[float]) -> float:
    return statistics.quantiles(seconds, n=20, method="inclusive")[-1]
