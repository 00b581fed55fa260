"""Every field of a deployment configuration: SDK argument, place on the wire, default, effect of a change.

A configuration is a flat dictionary keyed by the SDK's argument names. Name, models, code, environment, compute, tags,
description and properties are not configuration: they belong to the service itself. The SDK and the wire often call one
thing by two names (`replica_max_concurrent_requests` is `maxConcurrentRequestsPerContainer`); `update()` swallows the
wrong one silently, so nothing is sent that is not in the catalogue.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from services.azureml.field_catalogue import FIELDS, GROUPS, TARGETS, Effect, Field, Group, Kind, Target

__all__ = [
    "FIELDS",
    "GROUPS",
    "TARGETS",
    "Effect",
    "Field",
    "Group",
    "Kind",
    "Target",
    "defaults",
    "find",
    "for_target",
    "form_defaults",
    "read",
    "updatable",
]

_BY_TARGET: Mapping[Target, Mapping[str, Field]] = MappingProxyType(
    {target: MappingProxyType({f.name: f for f in FIELDS if target in f.update}) for target in TARGETS}
)


def for_target(target: Target) -> tuple[Field, ...]:
    """Return the fields that exist on this target, in the order of the form."""
    return tuple(_BY_TARGET[target].values())


def find(name: str, *, target: Target) -> Field | None:
    """Return the field of this SDK argument on this target, or None where there is no such argument."""
    return _BY_TARGET[target].get(name)


def updatable(target: Target) -> frozenset[str]:
    """Return the SDK arguments that `update()` can change on this target."""
    return frozenset(f.name for f in for_target(target) if f.effect(target) != "redeploy" and not f.create_only)


def defaults(target: Target) -> dict[str, Any]:
    """Return what Azure does with every field left unset."""
    return {f.name: f.default for f in for_target(target) if f.default is not None}


def form_defaults(target: Target) -> dict[str, Any]:
    """Return what our form starts with: authentication and Application Insights are on."""
    return {f.name: f.ours for f in for_target(target) if f.ours is not None}


def read(payload: Mapping[str, Any]) -> dict[str, Any]:
    """Return the flat configuration of a service as the wire shows it, without secrets and without what is null."""
    target = payload.get("computeType")
    if target not in TARGETS:
        return {}
    configuration: dict[str, Any] = {}
    for field in for_target(target):
        if field.secret:
            continue
        value = _follow(payload, field.wire)
        if value is None or value == "":
            continue
        configuration[field.name] = not value if field.negated else value
    return configuration


def _follow(payload: Mapping[str, Any], path: str) -> Any:
    """Return what lies at a dotted path, or None: one odd payload must not break a list."""
    value: Any = payload
    for part in path.split("."):
        if not isinstance(value, Mapping):
            return None
        value = value.get(part)
    return value
