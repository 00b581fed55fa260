"""The arguments to send: of `deploy_configuration()`, and of `update()`, where some have to go together or in turn."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from services.azureml.fields import defaults, find, updatable
from services.azureml.types import Service, visible_tags
from services.planning.wanted import SEALED, Wanted, is_scaler_field, scales

PROBES = (
    "initial_delay_seconds",
    "period_seconds",
    "timeout_seconds",
    "success_threshold",
    "failure_threshold",
)
TLS = ("ssl_enabled", "ssl_cname", "ssl_cert_pem_file", "ssl_key_pem_file")


def create_arguments(wanted: Wanted) -> dict[str, Any]:
    """Return the settings `deploy_configuration()` gets; a secret's value is `SEALED`."""
    arguments = dict(wanted.asked)
    if any(is_scaler_field(name) for name in arguments) and scales(arguments):
        # The SDK refuses a setting of the scaler unless the scaler is said to be on, though on is the default.
        arguments["autoscale_enabled"] = True
    return arguments


def update_calls(live: Service, wanted: Wanted, changed: Collection[str]) -> tuple[dict[str, Any], ...]:
    """Return the arguments of each `update()` needed for these changed fields.

    A secret's value is `SEALED`; the step that opens the envelope puts it in. Never empty: a rollout of other models alone
    still is one call, without arguments.
    """
    arguments: dict[str, Any] = {}
    usual = defaults(wanted.target)
    for name in sorted(set(changed) & updatable(wanted.target)):
        field = find(name, target=wanted.target)
        value = SEALED if field and field.secret else wanted.asked.get(name, usual.get(name))
        if value is not None:
            arguments[name] = value
    _together(arguments, live, wanted)
    if "tags" in changed:
        # Tags are replaced as a whole: the desk's own marks have to be sent again.
        marks = {key: value for key, value in live.tags.items() if key not in visible_tags(live.tags)}
        arguments["tags"] = {**dict(wanted.tags), **marks}
    if "description" in changed and wanted.description:
        arguments["description"] = wanted.description
    if "properties" in changed:
        known = visible_tags(live.properties)
        arguments["properties"] = {key: value for key, value in wanted.properties.items() if key not in known}
    first = _ahead(arguments, live)
    rest = {name: value for name, value in arguments.items() if name not in first}
    return (first, rest) if first else (rest,)


def _together(arguments: dict[str, Any], live: Service, wanted: Wanted) -> None:
    """Add what the SDK wants to hear in the same call, changed or not."""
    if wanted.target == "ACI":
        if any(name in arguments for name in TLS) and wanted.asked.get("ssl_enabled"):
            arguments["ssl_enabled"] = True
        return
    if "auth_enabled" in arguments or "token_auth_enabled" in arguments:
        usual = defaults("AKS")
        for name in ("auth_enabled", "token_auth_enabled"):
            arguments[name] = bool(wanted.asked.get(name, usual[name]))
    if any(is_scaler_field(name) for name in arguments):
        arguments["autoscale_enabled"] = True
    # A number of replicas alone leaves the scaler on, and turning the scaler off needs the number.
    if "num_replicas" in arguments or arguments.get("autoscale_enabled") is False:
        arguments["autoscale_enabled"] = scales(wanted.asked)
        if not arguments["autoscale_enabled"]:
            arguments["num_replicas"] = wanted.asked.get("num_replicas") or live.configuration.get("num_replicas") or 1
    if any(name in arguments for name in PROBES) and not any(name in live.configuration for name in PROBES):
        # A service without probe settings has no such object on the wire yet: send it whole.
        usual = defaults("AKS")
        for name in PROBES:
            arguments.setdefault(name, wanted.asked.get(name, usual[name]))


def _ahead(arguments: dict[str, Any], live: Service) -> dict[str, Any]:
    """Return what has to be sent in a call before the rest.

    The SDK compares a new request with the limit that is there now, and a new limit with the request that is there now,
    even when both change in one call: so the one that makes room goes first.
    """
    first: dict[str, Any] = {}
    for request, limit in (("cpu_cores", "cpu_cores_limit"), ("memory_gb", "memory_gb_limit")):
        if request not in arguments or limit not in arguments:
            continue
        request_now, limit_now = live.configuration.get(request), live.configuration.get(limit)
        if limit_now is not None and arguments[request] > limit_now:
            first[limit] = arguments[limit]
        elif request_now is not None and arguments[limit] < request_now:
            first[request] = arguments[request]
    return first
