"""What Azure ML tells us, as frozen values: they can be stored, compared and sent, and hold no connection.

Each has `to_json()` and `from_json()`; times are aware and in UTC. None of them ever holds a key or a token.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from functools import cache
from typing import Any, Literal, Self

MARK = "desk-operation"
"""Tag of a service or compute, property of a model version: the operation that made the change."""
SIZE = "desk-bytes"
"""Property of a model version: how many bytes were uploaded."""
HIDDEN = frozenset({MARK, SIZE})

FINAL_OPERATION_STATES = frozenset({"Succeeded", "Failed", "Cancelled", "TimedOut"})
FINAL_SERVICE_STATES = frozenset({"Healthy", "Failed"})
"""Unhealthy and Unschedulable may still become Healthy."""


def visible_tags(tags: Mapping[str, str]) -> dict[str, str]:
    """Tags or properties as a person sees and edits them: without the marks of the desk."""
    return {key: value for key, value in tags.items() if key not in HIDDEN}


class Row:
    """Makes a frozen dataclass storable as JSON."""

    def to_json(self) -> dict[str, Any]:
        """A dictionary of strings, numbers, lists and dictionaries."""
        return {entry.name: _plain(getattr(self, entry.name)) for entry in fields(self)}  # type: ignore[arg-type]

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """The value `to_json` was called on; keys of a later version are left out."""
        known = _declared(cls)  # type: ignore[arg-type]  # a class is hashable, mypy thinks otherwise of type[Self]
        return cls(**{name: _typed(value, known[name]) for name, value in document.items() if name in known})


@cache
def _declared(row: type[Row]) -> dict[str, str]:
    """The names and written types of a row's fields: looked up once, for lists of thousands."""
    return {entry.name: str(entry.type) for entry in fields(row)}  # type: ignore[arg-type]


def _plain(value: Any) -> Any:
    if isinstance(value, Row):
        return value.to_json()
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    return value


def _typed(value: Any, declared: str) -> Any:
    if value is None:
        return None
    if declared.startswith("datetime"):
        return datetime.fromisoformat(value)
    if declared.startswith("Problem"):
        return Problem.from_json(value)
    if declared.startswith("Replicas"):
        return Replicas.from_json(value)
    if declared.startswith("tuple"):
        return tuple(tuple(item) if isinstance(item, list) else item for item in value)
    return value


@dataclass(frozen=True, kw_only=True)
class Problem(Row):
    """An error as Azure ML writes it, scrubbed."""

    code: str
    message: str
    status_code: int | None = None
    details: tuple[tuple[str, str], ...] = ()
    """Code and message of each part."""

    @property
    def text(self) -> str:
        """Message and details, one a line, nothing twice."""
        lines = [self.message, *(message for _, message in self.details)]
        return "\n".join(dict.fromkeys(line.strip() for line in lines if line and line.strip())) or self.code


@dataclass(frozen=True, kw_only=True)
class Replicas(Row):
    """How many replicas of an AKS service shall run, run this version, and answer."""

    desired: int
    updated: int
    available: int
    error: str | None = None


@dataclass(frozen=True, kw_only=True)
class ModelVersion(Row):
    """One version of a registered model."""

    id: str
    """`name:version`."""
    name: str
    version: int
    framework: str | None = None
    framework_version: str | None = None
    description: str | None = None
    created_at: datetime | None = None
    modified_at: datetime | None = None
    created_by: str | None = None
    tags: dict[str, str] = field(default_factory=dict)
    properties: dict[str, str] = field(default_factory=dict)
    run_id: str | None = None
    experiment: str | None = None
    url: str | None = None
    """`aml://asset/…`: where its files are."""
    mime_type: str | None = None
    parent_id: str | None = None
    datasets: tuple[dict[str, str], ...] = ()
    cpu: float | None = None
    memory_gb: float | None = None
    gpu: int | None = None

    @property
    def bytes(self) -> int | None:
        """The size of its files, when it was registered here."""
        size = self.properties.get(SIZE, "")
        return int(size) if size.isdigit() else None

    @property
    def operation(self) -> str | None:
        """The operation of ours that registered it."""
        return self.properties.get(MARK)


@dataclass(frozen=True, kw_only=True)
class Service(Row):
    """One web service as Azure ML has it now."""

    name: str
    compute_type: str
    """`ACI`, `AKS`, `AKSENDPOINT` or what Azure says."""
    compute: str | None = None
    """Name of the AKS cluster."""
    state: str = "Unknown"
    """`Transitioning`, `Healthy`, `Unhealthy`, `Failed`, `Unschedulable`, `Deleting` or `Unknown`."""
    error: Problem | None = None
    scoring_uri: str | None = None
    swagger_uri: str | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    created_by: str | None = None
    description: str | None = None
    tags: dict[str, str] = field(default_factory=dict)
    properties: dict[str, str] = field(default_factory=dict)
    model_ids: tuple[str, ...] = ()
    configuration: dict[str, Any] = field(default_factory=dict)
    """Flat, by the SDK's argument names; what Azure does not say is not in it."""
    entry_script: str | None = None
    """Within the code, for example `source/score.py`; None = deployed without code."""
    environment_name: str | None = None
    environment_version: str | None = None
    environment: dict[str, Any] | None = None
    """The whole document, scrubbed: enough to read and compare, not to deploy from."""
    code: tuple[dict[str, Any], ...] = ()
    """The uploaded code: `{"id", "url", "mimeType", "unpack"}` each."""
    image_id: str | None = None
    deployment_status: Replicas | None = None
    operation_id: str | None = None
    """Azure ML's own id of the last operation on it."""
    broken: str | None = None
    """Why the answer for this service could not be read; then only the name can be trusted."""

    @property
    def auth(self) -> Literal["key", "token", "none", "unknown"]:
        """How a caller proves who it is."""
        if self.configuration.get("token_auth_enabled"):
            return "token"
        if "auth_enabled" not in self.configuration:
            return "unknown"
        return "key" if self.configuration["auth_enabled"] else "none"

    @property
    def operation(self) -> str | None:
        """The operation of ours that changed it last."""
        return self.tags.get(MARK)


@dataclass(frozen=True, kw_only=True)
class Operation(Row):
    """One operation of Azure ML itself (not one of ours), as it stands."""

    id: str
    state: str
    """`NotStarted`, `Running`, `Succeeded`, `Failed`, `Cancelled` or `TimedOut`."""
    phase: str | None = None
    """`BuildEnvironment`, `BuildImage` or `DeployService`."""
    phase_state: str | None = None
    kind: str | None = None
    error: Problem | None = None
    log: str = ""
    """New lines since the offset that was asked for, scrubbed; each starts with its time in UTC."""
    next_offset: int = 0
    """What to ask with next time."""
    created_at: datetime | None = None
    ended_at: datetime | None = None

    @property
    def is_final(self) -> bool:
        """Whether it is over, well or not."""
        return self.state in FINAL_OPERATION_STATES


@dataclass(frozen=True, kw_only=True)
class Compute(Row):
    """One compute target."""

    name: str
    type: str
    """`AKS`, `AmlCompute`, `ComputeInstance` …"""
    state: str | None = None
    nodes: int | None = None
    vm_size: str | None = None
    purpose: str | None = None
    """`DevTest` or `FastProd` of an AKS cluster."""
    location: str | None = None
    attached: bool = False
    resource_id: str | None = None
    fqdn: str | None = None
    error: str | None = None
    container_insights: bool | None = None
    """Whether the logs of the cluster's containers go to Log Analytics; None where nobody could say."""


@dataclass(frozen=True, kw_only=True)
class EnvironmentVersion(Row):
    """One version of a registered environment."""

    name: str
    version: str
    document: dict[str, Any] = field(default_factory=dict)
    """As the environment service has it: `python`, `docker`, `environmentVariables` …"""
