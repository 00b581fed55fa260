"""What an update may change, and what each change takes: a note, a new setting of the front end, or a new rollout."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any, Literal

from local_workspace.resources import shapes
from local_workspace.wire import Refused

Effect = Literal["note", "access", "replicas", "rollout"]

COMMON: dict[str, Effect] = {
    "kvTags": "note",
    "properties": "note",
    "description": "note",
    "authEnabled": "access",
    "appInsightsEnabled": "rollout",
    "environmentImageRequest": "rollout",
}
ACI: dict[str, Effect] = {"sslEnabled": "note", "sslCertificate": "note", "sslKey": "note", "cname": "note"}
AKS: dict[str, Effect] = {
    "aadAuthEnabled": "access",
    "maxQueueWaitMs": "access",
    "scoringTimeoutMs": "access",
    "numReplicas": "replicas",
    "autoScaler": "replicas",
    "dataCollection": "rollout",
    "containerResourceRequirements": "rollout",
    "maxConcurrentRequestsPerContainer": "rollout",
    "livenessProbeRequirements": "rollout",
    "namespace": "rollout",
}
INNER = ("autoScaler", "dataCollection", "containerResourceRequirements", "livenessProbeRequirements")
# Taking these away says something; without any of the others a service would not be one.
MAY_BE_NULL = {
    "kvTags",
    "properties",
    "description",
    "cname",
    "sslCertificate",
    "sslKey",
    "numReplicas",
    "cpuLimit",
    "memoryInGBLimit",
}


@dataclass(frozen=True, kw_only=True)
class Patched:
    """A service's document after an update, and everything that the update takes."""

    document: dict[str, Any]
    effects: frozenset[Effect]


def apply(document: dict[str, Any], steps: list[dict[str, Any]]) -> Patched:
    """Apply JSON Patch operations to a copy of the document."""
    changed = copy.deepcopy(document)
    effects: set[Effect] = set()
    for step in steps:
        effects.add(_apply(changed, step))
    return Patched(document=changed, effects=frozenset(effects))


def _apply(document: dict[str, Any], step: dict[str, Any]) -> Effect:
    path, value = str(step["path"]), step.get("value")
    member, _, inner = path.removeprefix("/").partition("/")
    allowed = COMMON | (ACI if document["computeType"] == "ACI" else AKS)
    if member not in allowed or step.get("op") not in ("add", "replace"):
        raise Refused(
            400,
            "BadRequest",
            f"'{path}' of a service on {document['computeType']} cannot be changed by an update: deploy it anew.",
            details=[("InvalidPatchPath", f"'{path}' of a service on {document['computeType']} cannot be changed.")],
        )
    if "/" in inner or "~" in inner:
        raise Refused(400, "BadRequest", f"'{path}' has a '/' or '~' inside a name, which a patch cannot address.")
    if value is None and (inner or member) not in MAY_BE_NULL and member not in ("kvTags", "properties"):
        raise Refused(400, "BadRequest", f"'{path}' of a service cannot be null.")
    if inner and member not in ("kvTags", "properties", *INNER):
        raise Refused(400, "BadRequest", f"There is nothing at '{path}' of a service.")
    if inner:
        value = {inner: value}
    shapes.check({member: value}, shapes.SERVICE)
    if member == "properties":
        _add_properties(document, value)
    elif member == "kvTags":
        tags = {key: "" if text is None else str(text) for key, text in (value or {}).items()}
        document["kvTags"] = document["kvTags"] | tags if inner else tags
    elif member in INNER:
        _set_inner(document, member, value)
    elif member not in ("sslCertificate", "sslKey"):  # which are not kept: nothing here speaks TLS to callers
        document[member] = value
    return allowed[member]


def _add_properties(document: dict[str, Any], added: Any) -> None:
    for key, value in (added or {}).items():
        text = "" if value is None else str(value)
        if document["properties"].get(key, text) != text:
            raise Refused(400, "ImmutableProperty", f"The property '{key}' is set and cannot be changed any more.")
        document["properties"][key] = text


def _set_inner(document: dict[str, Any], member: str, settings: Any) -> None:
    for key, value in settings.items():
        if key not in shapes.SERVICE[member]:
            raise Refused(400, "BadRequest", f"There is nothing at '/{member}/{key}' of a service.")
        if value is None and key not in MAY_BE_NULL:
            raise Refused(400, "BadRequest", f"'/{member}/{key}' of a service cannot be null.")
        document[member][key] = value
