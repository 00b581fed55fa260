"""Lines of a front end's log, as the agent of Container Insights sends them to a local Azure Monitor."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import requests

from tests.local_workspace.insights_process import InsightsProcess


def access(
    service: str,
    *,
    at: datetime,
    status: int = 200,
    request_id: str = "",
    client_request_id: str = "",
    milliseconds: float = 20.0,
    run_milliseconds: float | None = None,
    reason: str = "",
) -> dict[str, Any]:
    """One call."""
    return {
        "kind": "access",
        "time": _text(at),
        "service": service,
        "request_id": request_id,
        "client_request_id": client_request_id,
        "status": status,
        "duration_ms": milliseconds,
        "run_ms": run_milliseconds,
        "reason": reason,
        "replica": f"{service}-0",
    }


def scale(
    service: str, *, at: datetime, replicas: int = 2, busy: float = 1.0, waiting: int = 0, most: int = 10
) -> dict[str, Any]:
    """How many replicas there are, and how many are busy."""
    return {
        "kind": "scale",
        "time": _text(at),
        "service": service,
        "replicas": replicas,
        "desired": replicas,
        "busy": busy,
        "waiting": waiting,
        "max_replicas": most,
        "target_utilization": 70,
    }


def write_log(process: InsightsProcess, lines: Sequence[dict[str, Any]]) -> None:
    """Have them in ContainerLogV2, each as the document it is, between two lines of other containers."""
    rows = [_row(line, container="azureml-fe", at=line["time"]) for line in lines]
    others = [_row(text, container="model", at=lines[0]["time"]) for text in ("no JSON", {"kind": "access"})]
    answer = requests.post(
        f"{process.url}/admin/container-logs",
        json=[*rows, *others],
        headers={"Authorization": f"Bearer {process.admin_token}"},
        timeout=30,
    )
    answer.raise_for_status()


def _row(message: Any, *, container: str, at: str) -> dict[str, Any]:
    return {
        "TimeGenerated": at,
        "ContainerName": container,
        "PodName": f"{container}-0",
        "PodNamespace": "default",
        "LogSource": "stdout",
        "LogMessage": message,
    }


def _text(at: datetime) -> str:
    return at.astimezone(UTC).isoformat()
