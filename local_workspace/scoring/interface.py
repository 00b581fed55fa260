"""What the control plane asks of scoring, and what scoring reports back: the seam between `resources` and `scoring`.

The control plane owns what is persistent (services, operations, keys). Scoring owns what runs (environments, replicas,
the front end). A `Rollout` is one version of a service as it shall run; its `Reporter` hears how that goes.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

ComputeType = Literal["ACI", "AKS"]
ServiceState = Literal["Transitioning", "Healthy", "Unhealthy", "Failed", "Unschedulable"]
Phase = Literal["BuildEnvironment", "DeployService"]


@dataclass(frozen=True, kw_only=True)
class Liveness:
    """When a replica counts as dead (AKS `livenessProbeRequirements`; seconds and counts)."""

    initial_delay_seconds: int = 310
    period_seconds: int = 10
    timeout_seconds: int = 2
    success_threshold: int = 1
    failure_threshold: int = 3


@dataclass(frozen=True, kw_only=True)
class Access:
    """Who may call a service and how long a call may take: changes of it need no restart."""

    auth_enabled: bool
    aad_auth_enabled: bool
    primary_key: str
    secondary_key: str
    token_secret: str
    """HMAC-SHA256 key with which the control plane signs this service's tokens (HS256 JWT, claims `svc`, `exp`)."""
    max_queue_wait_ms: int = 500
    scoring_timeout_ms: int = 60_000


@dataclass(frozen=True, kw_only=True)
class Rollout:
    """One version of a service as it shall run."""

    service: str
    compute_type: ComputeType
    revision: str
    """Unique per rollout; logs and sockets are kept under it."""
    folder: Path
    """Prepared by the control plane: `code/` (unpacked source) and `azureml-models/<name>/<version>/…`."""
    entry_script: str
    """Relative to `folder/code`, for example `source/score.py`; empty = no code was sent, generate it (no-code)."""
    model_dir: Path
    """What `AZUREML_MODEL_DIR` shall be: one model's version folder, or `azureml-models` when there are several."""
    models: tuple[Mapping[str, Any], ...]
    """The wire's Model objects (name, version, framework, frameworkVersion …)."""
    environment: Mapping[str, Any]
    """The environment document (`python.condaDependencies`, `environmentVariables`, `docker` …); empty for no-code."""
    access: Access
    replicas: int = 1
    cpu: float = 0.1
    memory_gb: float = 0.5
    max_concurrent_requests: int = 1
    app_insights_enabled: bool = False
    gpu: int = 0
    memory_limit_gb: float = 0.0
    """What one replica may hold before it is killed; 0 = as much as there is."""
    front_end_problem: str = ""
    """Why the container in front of an ACI service could not start; empty = it could."""
    cluster: str = ""
    """Whose nodes hold the replicas; empty = they need no room there."""
    liveness: Liveness = field(default_factory=Liveness)
    deploy_timeout_seconds: float = 1200.0


@dataclass(frozen=True, kw_only=True)
class Failure:
    """The wire's error body: `{code, statusCode, message, details: [{code, message}]}`."""

    code: str
    status_code: int
    message: str
    details: tuple[tuple[str, str], ...] = ()


class Reporter(Protocol):
    """Hears how one rollout goes; called from any thread, must not block. Implemented by the control plane."""

    def phase(self, phase: Phase, state: Literal["Running", "Succeeded", "Failed"]) -> None:
        """The operation's `operationDetails` changed."""

    def line(self, text: str) -> None:
        """One line for the operation's log (`streamingOperationLog` and `operationLog`)."""

    def service_state(self, state: ServiceState, failure: Failure | None = None) -> None:
        """The service's own state changed; also after the operation ended (Unhealthy may become Healthy)."""

    def ended(self, state: Literal["Succeeded", "Failed", "TimedOut"], failure: Failure | None = None) -> None:
        """The operation is over, once."""


@dataclass(frozen=True, kw_only=True)
class DeploymentStatus:
    """The wire's `deploymentStatus` of an AKS service."""

    desired: int
    updated: int
    available: int
    error: str | None = None
    pending: int = 0
    """Replicas that find no room."""
    lack: str = ""
    """What keeps them from it, in Kubernetes' words."""


class Scoring(Protocol):
    """What `scoring.runtime.Runtime` offers the control plane. All calls return at once; work goes on in its threads."""

    @property
    def front_end_url(self) -> str:
        """`http://127.0.0.1:PORT`; a service's scoring address is `{front_end_url}/api/v1/service/{name}/score`."""

    def roll_out(self, rollout: Rollout, reporter: Reporter) -> None:
        """Build, start and route this version; the version before serves until the new one is ready, then ends."""

    def restore(self, rollout: Rollout, reporter: Reporter) -> None:
        """Start a service that ran before the workspace was stopped: same as roll_out, on no operation."""

    def set_access(self, service: str, access: Access) -> None:
        """Change who may call and the two time limits, without a restart."""

    def set_replicas(self, service: str, replicas: int) -> None:
        """Change how many replicas run, without a restart of those that stay."""

    def remove(self, service: str) -> None:
        """Stop routing to the service and end its replicas."""

    def logs(self, service: str, *, tail: int, init: bool) -> str:
        """The newest `tail` lines of the container's log, or of the init container's."""

    def status(self, service: str) -> DeploymentStatus:
        """How many replicas shall run, run this version, and answer."""

    def counters(self, service: str) -> Mapping[str, Any] | None:
        """`busy_seconds` ever, `slots`, `in_flight` and `waiting` now; None for a service the front end does not know."""

    def set_unlogged(self, services: Collection[str]) -> None:
        """Keep every service's access lines until `take_log` fetches them, but for those of these services."""

    def take_log(self, *, most: int, arrived: Sequence[Any]) -> Mapping[str, Any] | None:
        """The oldest access lines that did not arrive yet (`front_end.access_log.Outbox.take`); None = no answer."""

    def set_fault(self, service: str, fault: Mapping[str, Any] | None) -> None:
        """Make a running service misbehave on purpose (`{"kind": "slow", "milliseconds": 900}`), or stop it."""

    def close(self) -> None:
        """End every replica and the front end."""
