"""The environment variables of a replica: an allow-list of ours, the user's, and those Azure ML sets, in that order."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

from .front_end.services import REPLICA_GRACE_MS
from .interface import Rollout
from .launcher import plain_environment

# The span exporter flushes this often; logs and exceptions have a fixed 5 s of their own.
SPAN_FLUSH_MS = 500


def workers_of(rollout: Rollout) -> int:
    """How many processes of one replica serve requests (`WORKER_COUNT`)."""
    wanted = _users(rollout).get("WORKER_COUNT", "1")
    return max(int(wanted), 1) if wanted.isdigit() else 1


def replica_environment(
    rollout: Rollout,
    *,
    entry_script: str,
    hostname: str,
    python: Path,
    home: Path,
    temporary: Path,
    workspace_name: str,
    telemetry_url: str,
    instrumentation_key: str,
) -> dict[str, str]:
    """Everything one replica sees."""
    environment = plain_environment(home=home, temporary=temporary, first_on_path=python.parent)
    environment["PYTHONUNBUFFERED"] = "1"
    environment["PYTHONNOUSERSITE"] = "1"
    # Several replicas share this machine: numeric libraries must not each start a thread for every core.
    environment["OMP_NUM_THREADS"] = str(max(math.ceil(rollout.cpu), 1))
    environment["SCORING_TIMEOUT_MS"] = str(max(rollout.access.scoring_timeout_ms + REPLICA_GRACE_MS, 3_600_000))
    environment.update(_users(rollout))
    environment.update(
        {
            "AML_APP_ROOT": str(rollout.folder / "code"),
            "AZUREML_ENTRY_SCRIPT": entry_script,
            "AZUREML_MODEL_DIR": str(rollout.model_dir),
            "SERVICE_NAME": rollout.service,
            "WORKSPACE_NAME": workspace_name,
            "HOSTNAME": hostname,
            "WORKER_COUNT": str(workers_of(rollout)),
            "AML_APP_INSIGHTS_ENABLED": "true" if rollout.app_insights_enabled else "false",
        }
    )
    source, slash, _ = entry_script.partition("/")
    if slash:
        environment["AZUREML_SOURCE_DIRECTORY"] = source
    if rollout.app_insights_enabled:
        # Through Microsoft's command the key must be bare; the endpoint is taken from the connection string.
        endpoint = telemetry_url.rstrip("/")
        environment["AML_APP_INSIGHTS_KEY"] = instrumentation_key
        environment["APPLICATIONINSIGHTS_CONNECTION_STRING"] = (
            f"InstrumentationKey={instrumentation_key};IngestionEndpoint={endpoint}"
        )
        environment["APPLICATIONINSIGHTS_STATSBEAT_DISABLED_ALL"] = "true"
        environment["APPLICATIONINSIGHTS_OPENTELEMETRY_RESOURCE_METRIC_DISABLED"] = "true"
        environment["OTEL_BSP_SCHEDULE_DELAY"] = str(SPAN_FLUSH_MS)
    return environment


def _users(rollout: Rollout) -> Mapping[str, str]:
    variables = rollout.environment.get("environmentVariables") or {}
    return {str(name): str(value) for name, value in variables.items() if value is not None}
