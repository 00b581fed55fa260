"""A local Azure Monitor of its own for a test: started, asked and ended as the control plane does it."""

from __future__ import annotations

import json
import secrets
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import requests
from azure.core.credentials import AccessToken
from azure.core.pipeline import PipelineRequest
from azure.core.pipeline.policies import SansIOHTTPPolicy
from azure.monitor.query import LogsQueryClient

from tests.running_workspace import free_port

ROOT = Path(__file__).resolve().parents[2]
RECORDED = Path(__file__).parent / "telemetry"
IKEY = "11111111-2222-4333-8444-555555555555"
COMPONENT = "/subscriptions/1/resourceGroups/rg/providers/microsoft.insights/components/desk"


def recorded(generation: str, *, age: timedelta = timedelta(minutes=10)) -> list[dict[str, Any]]:
    """What a real inference server of that generation sent (`opencensus` or `opentelemetry`), as if sent now."""
    items: list[dict[str, Any]] = json.loads((RECORDED / f"{generation}.json").read_text())
    first = min(datetime.fromisoformat(item["time"]) for item in items)
    shift = datetime.now(UTC) - age - first
    for item in items:
        item["time"] = (datetime.fromisoformat(item["time"]) + shift).isoformat().replace("+00:00", "Z")
    return items


def scoring_call(
    *,
    at: datetime,
    service: str = "wine-prod",
    code: int = 200,
    milliseconds: int = 12,
    client_request_id: str = "",
    response: str = "[1.5]",
    request_id: str = "",
) -> dict[str, Any]:
    """One request's envelope in the shape of the newer generation."""
    seconds, rest = divmod(milliseconds, 1000)
    duration = f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}.{rest:03d}"
    return {
        "ver": 1,
        "name": "Microsoft.ApplicationInsights.Request",
        "time": at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "sampleRate": 100.0,
        "iKey": IKEY,
        "tags": {"ai.cloud.role": service, "ai.cloud.roleInstance": "host", "ai.operation.id": uuid.uuid4().hex},
        "data": {
            "baseType": "RequestData",
            "baseData": {
                "ver": 2,
                "id": uuid.uuid4().hex[:16],
                "name": "/score",
                "duration": "0.00:00:00.000",
                "success": True,
                "responseCode": "0",
                "properties": {
                    "Container Id": f"{service}-0",
                    "Request Id": request_id or str(uuid.uuid4()),
                    "Client Request Id": client_request_id,
                    "Response Value": response,
                    "name": "/score",
                    "url": "http://127.0.0.1:5001/score",
                    "duration": duration,
                    "resultCode": str(code),
                    "success": str(code < 400),
                    "http_method": "POST",
                    "Service Name": service,
                },
                "measurements": {},
            },
        },
    }


class LocalToken(SansIOHTTPPolicy):  # type: ignore[type-arg]
    """Sends one token over plain HTTP, which azure-core's own policy refuses to do."""

    def __init__(self, token: str) -> None:
        self.token = token

    def on_request(self, request: PipelineRequest) -> None:  # type: ignore[type-arg]
        request.http_request.headers["Authorization"] = f"Bearer {self.token}"


class Unused:
    """A credential that must never be asked."""

    def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        raise AssertionError(f"asked for {scopes} {options}")


class InsightsProcess:
    """The program, its folder and its tokens."""

    def __init__(self, folder: Path, **config: Any) -> None:
        """Write the configuration and start."""
        self.folder = folder
        self.token = secrets.token_urlsafe(24)
        self.read_token = secrets.token_urlsafe(24)
        self.admin_token = secrets.token_urlsafe(24)
        self.workspace_id = str(uuid.uuid4())
        self.config_file = folder / "insights.json"
        self.config: dict[str, Any] = {
            "tokens": [self.token, self.read_token],
            "admin_token": self.admin_token,
            "workspace_id": self.workspace_id,
            "instrumentation_keys": [IKEY],
            **config,
        }
        folder.mkdir(parents=True, exist_ok=True)
        self.write_config()
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.start()

    def write_config(self) -> None:
        """Write what the control plane would write."""
        self.config_file.write_text(json.dumps(self.config))
        self.config_file.chmod(0o600)

    def command(self, *, port: int) -> list[str]:
        """The command line."""
        command = [sys.executable, "-m", "local_workspace.insights", "--data", str(self.folder)]
        return [*command, "--port", str(port), "--config", str(self.config_file)]

    def start(self) -> None:
        """Start and wait until it answers."""
        self.log = (self.folder / "insights.log").open("ab")
        self.process = subprocess.Popen(self.command(port=self.port), cwd=ROOT, stdout=self.log, stderr=self.log)
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise RuntimeError((self.folder / "insights.log").read_text())
            try:
                if requests.get(f"{self.url}/health", timeout=2).ok:
                    return
            except (requests.ConnectionError, requests.Timeout):
                time.sleep(0.05)
        raise TimeoutError("The local Azure Monitor did not answer within 30 s.")

    def kill(self) -> None:
        """End it as a power cut would."""
        self.process.kill()
        self.process.wait(10)
        self.log.close()

    def stop(self) -> int:
        """End it as a supervisor would; returns its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(20)
        self.log.close()
        return code

    def track(self, items: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """Send telemetry and return the verdict."""
        answer = requests.post(f"{self.url}/v2.1/track", json=list(items), timeout=30)
        verdict: dict[str, Any] = answer.json()
        return verdict

    def client(self, *, token: str | None = None) -> LogsQueryClient:
        """The real client, unmodified but for how it authenticates over plain HTTP."""
        policy = LocalToken(token or self.read_token)
        return LogsQueryClient(Unused(), endpoint=self.url, authentication_policy=policy, retry_total=0)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Ask over the real client."""
        result = self.client().query_workspace(self.workspace_id, query, timespan=None)
        return [tuple(row) for row in result.tables[0].rows]  # type: ignore[union-attr]
