"""Reads Azure ML's answers into our types: strictly one by one, tolerantly in lists."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar

from services.azureml import fields
from services.azureml.translate import problem_of
from services.azureml.types import (
    Compute,
    EnvironmentVersion,
    ModelVersion,
    Operation,
    Replicas,
    Service,
)
from services.errors import DeskError
from services.scrubbing import scrub, scrub_document

T = TypeVar("T")

logger = logging.getLogger(__name__)

_STATES = frozenset({"Transitioning", "Healthy", "Unhealthy", "Failed", "Unschedulable", "Deleting"})
_RECORD = re.compile(r"(\d{14})\|")


class Unreadable(DeskError):
    """A payload lacks what it must have, or has it in another form."""

    def __init__(self, what: str) -> None:
        """`what` completes "cannot be read: …"."""
        super().__init__(f"Azure ML's answer cannot be read: {what}. Look at it in Azure's own studio.")
        self.what = what


def readable(rows: Iterable[Any] | None, read: Callable[[Any], T]) -> list[T]:
    """A list without the rows that cannot be read: one of them must not hide all the others."""
    found = []
    for row in rows or ():
        try:
            found.append(read(row))
        except (Unreadable, TypeError, ValueError, AttributeError, KeyError) as problem:
            name = row.get("name") if isinstance(row, Mapping) else None
            logger.warning("%s is left out of the list: %s", name or "A row without a name", scrub(str(problem)))
    return found


def model_version(payload: Mapping[str, Any]) -> ModelVersion:
    """One version of a model."""
    name = _text(payload, "name")
    version = payload.get("version")
    if not isinstance(version, int):
        raise Unreadable(f"its version is {version!r}, not a number")
    needs = payload.get("resourceRequirements") or {}
    return ModelVersion(
        id=str(payload.get("id") or f"{name}:{version}"),
        name=name,
        version=version,
        framework=payload.get("framework"),
        framework_version=payload.get("frameworkVersion"),
        description=payload.get("description"),
        created_at=_time(payload.get("createdTime")),
        modified_at=_time(payload.get("modifiedTime")),
        created_by=_person(payload.get("createdBy")),
        tags=_words(payload, "kvTags"),
        properties=_words(payload, "properties"),
        run_id=payload.get("runId"),
        experiment=payload.get("experimentName"),
        url=payload.get("url"),
        mime_type=payload.get("mimeType"),
        parent_id=payload.get("parentModelId"),
        datasets=tuple(dict(entry) for entry in payload.get("datasets") or ()),
        cpu=needs.get("cpu"),
        memory_gb=needs.get("memoryInGB"),
        gpu=needs.get("gpu"),
    )


def service(payload: Mapping[str, Any]) -> Service:
    """One service; raises `Unreadable` with the reason."""
    request = _part(payload, "environmentImageRequest")
    environment = _part(request, "environment")
    variables = _part(environment, "environmentVariables")
    kind = _text(payload, "computeType").upper()
    scoring_uri = payload.get("scoringUri")
    state = payload.get("state")
    return Service(
        name=_text(payload, "name"),
        compute_type=kind,
        compute=payload.get("computeName"),
        state=state if state in _STATES else "Unknown",
        error=problem_of(payload["error"]) if payload.get("error") else None,
        scoring_uri=scoring_uri,
        swagger_uri=f"{scoring_uri.rsplit('/', 1)[0]}/swagger.json" if scoring_uri else None,
        created_at=_time(payload.get("createdTime"), needed="createdTime"),
        updated_at=_time(payload.get("updatedTime")),
        created_by=_person(payload.get("createdBy")),
        description=payload.get("description"),
        tags=_words(payload, "kvTags"),
        properties=_words(payload, "properties"),
        model_ids=_model_ids(payload, request),
        configuration=fields.read(payload),
        entry_script=variables.get("AZUREML_ENTRY_SCRIPT"),
        environment_name=environment.get("name"),
        environment_version=environment.get("version"),
        environment=scrub_document(environment) if environment else None,
        code=tuple(dict(entry) for entry in request.get("assets") or ()),
        image_id=payload.get("imageId"),
        deployment_status=_replicas(payload.get("deploymentStatus")),
        operation_id=payload.get("operationId"),
    )


def service_row(payload: Any) -> Service:
    """One row of a list: what cannot be read becomes a service with `broken` set, and the list goes on."""
    try:
        if not isinstance(payload, Mapping):
            raise Unreadable(f"it is a {type(payload).__name__}, not an object")
        return service(payload)
    except (Unreadable, TypeError, ValueError, AttributeError, KeyError) as problem:
        known = payload if isinstance(payload, Mapping) else {}
        return Service(
            name=str(known.get("name") or "(no name)"),
            compute_type=str(known.get("computeType") or "unknown"),
            broken=scrub(f"Azure ML's answer for this service cannot be read: {getattr(problem, 'what', problem)}."),
        )


def operation(payload: Mapping[str, Any], *, offset: int = 0) -> Operation:
    """One operation; `offset` is where its streamed log was asked to begin."""
    details = _part(payload, "operationDetails")
    raw = payload.get("streamingOperationLog") or ""
    return Operation(
        id=_text(payload, "id"),
        state=_text(payload, "state"),
        phase=details.get("subOperationType"),
        phase_state=details.get("subOperationState"),
        kind=payload.get("operationType"),
        error=problem_of(payload["error"]) if payload.get("error") else None,
        log=scrub(streamed(raw)),
        next_offset=offset + len(raw),
        created_at=_time(payload.get("createdTime")),
        ended_at=_time(payload.get("endTime")),
    )


def streamed(raw: str) -> str:
    """The lines of `YYYYMMDDHHMMSS|text#YYYYMMDDHHMMSS|text`, each with its time in front; a `#` within a text stays."""
    parts = _RECORD.split(raw)
    lines = [parts[0].rstrip("#")] if parts[0].strip("#") else []
    for stamp, text in zip(parts[1::2], parts[2::2], strict=True):
        when = f"{stamp[:4]}-{stamp[4:6]}-{stamp[6:8]} {stamp[8:10]}:{stamp[10:12]}:{stamp[12:14]}"
        lines.append(f"{when} {text.removesuffix('#')}")
    return "\n".join(lines)


def compute(payload: Mapping[str, Any]) -> Compute:
    """One compute target."""
    outer = _part(payload, "properties")
    inner = _part(outer, "properties")
    counts = _part(inner, "nodeStateCounts")
    problems = [problem_of(entry) for entry in outer.get("provisioningErrors") or ()]
    nodes = inner.get("agentCount")
    return Compute(
        name=_text(payload, "name"),
        type=str(outer.get("computeType") or "unknown"),
        state=outer.get("provisioningState"),
        nodes=nodes if nodes is not None else sum(counts.values()) if counts else None,
        vm_size=inner.get("agentVmSize") or inner.get("agentVMSize") or inner.get("vmSize"),
        purpose=inner.get("clusterPurpose"),
        location=outer.get("computeLocation") or payload.get("computeLocation") or payload.get("location"),
        attached=bool(outer.get("isAttachedCompute")),
        resource_id=outer.get("resourceId"),
        fqdn=inner.get("clusterFqdn"),
        error="\n".join(problem.text for problem in problems if problem) or None,
    )


def has_container_insights(payload: Mapping[str, Any]) -> bool:
    """Whether a managed cluster's document has the agent of Container Insights switched on."""
    addons = {str(name).lower(): addon for name, addon in _part(_part(payload, "properties"), "addonProfiles").items()}
    agent = addons.get("omsagent")
    return isinstance(agent, Mapping) and bool(agent.get("enabled"))


def environment(payload: Mapping[str, Any]) -> EnvironmentVersion:
    """One version of an environment."""
    return EnvironmentVersion(
        name=_text(payload, "name"), version=str(payload.get("version") or ""), document=dict(payload)
    )


def _model_ids(payload: Mapping[str, Any], request: Mapping[str, Any]) -> tuple[str, ...]:
    ids = [str(entry) for entry in request.get("modelIds") or ()]
    ids = ids or [str(entry["id"]) for entry in payload.get("models") or () if entry.get("id")]
    for version in _part(payload, "versions").values():
        ids += _model_ids(version, _part(version, "environmentImageRequest"))
    return tuple(dict.fromkeys(ids))


def _replicas(status: Any) -> Replicas | None:
    if not isinstance(status, Mapping):
        return None
    said = problem_of(status.get("error")) if status.get("error") else None
    return Replicas(
        desired=int(status.get("desiredReplicas") or 0),
        updated=int(status.get("updatedReplicas") or 0),
        available=int(status.get("availableReplicas") or 0),
        error=said.text if said else None,
    )


def _text(payload: Mapping[str, Any], key: str) -> str:
    value = payload.get(key)
    if not isinstance(value, str) or not value:
        raise Unreadable(f"{key} is {value!r}")
    return value


def _part(payload: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = payload.get(key)
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise Unreadable(f"{key} is a {type(value).__name__}, not an object")
    return value


def _words(payload: Mapping[str, Any], key: str) -> dict[str, str]:
    return {str(name): "" if value is None else str(value) for name, value in _part(payload, key).items()}


def _time(value: Any, *, needed: str = "") -> datetime | None:
    """A time in UTC; seven digits of a second, as .NET writes them, are more than Python reads."""
    if value is None and not needed:
        return None
    if not isinstance(value, str):
        raise Unreadable(f"{needed or 'a time'} is {value!r}")
    trimmed = re.sub(r"(\.\d{6})\d+", r"\1", value.strip())
    read = datetime.fromisoformat(trimmed)
    return (read if read.tzinfo else read.replace(tzinfo=UTC)).astimezone(UTC)


def _person(value: Any) -> str | None:
    if not isinstance(value, Mapping):
        return None
    return value.get("userName") or value.get("userObjectId")
