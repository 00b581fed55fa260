"""How many replicas a measured load needs, and which settings give them: the remedy for calls that find none free."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from services.azureml.fields import defaults
from services.planning.replicas import replicas_needed
from services.planning.wanted import scales

LOWER_UTILISATION = 50
"""What the scaler is told when the formula is satisfied and bursts are refused all the same: room for more of them."""


@dataclass(frozen=True, kw_only=True)
class Load:
    """What a service has to carry: its busiest minute, and how long its calls take."""

    requests_per_second: float
    p95_seconds: float
    source: str
    """Where that was measured, in words."""


@dataclass(frozen=True, kw_only=True)
class Sizing:
    """Which settings to change, and the sum behind it."""

    settings: Mapping[str, Any]
    sentence: str


def size(configuration: Mapping[str, Any], load: Load | None) -> Sizing:
    """Return the settings of an AKS service that carry this load; a load that is not known is not guessed."""
    value = {**defaults("AKS"), **configuration}
    is_scaled = scales(configuration)
    fewest = int(value["autoscale_min_replicas"] if is_scaled else configuration.get("num_replicas") or 1)
    if load is None:
        return Sizing(
            settings={},
            sentence="Raise the fewest replicas. The load is not known here (turn Application Insights on to measure it): "
            "multiply calls per second by seconds per call, and divide by 0.7.",
        )
    target = float(value["autoscale_target_utilization"])
    need = replicas_needed(
        round(load.requests_per_second, 3),
        seconds_per_request=round(load.p95_seconds, 4),
        target_utilization=target,
        concurrent_requests=int(value["replica_max_concurrent_requests"]),
    )
    why = f"{need.formula} (p95 and the busiest minute of {load.source}). Leave headroom for bursts above that."
    if need.replicas > fewest:
        return _raised(value, need.replicas, is_scaled=is_scaled, why=why)
    return _bursts(value, fewest, target, is_scaled=is_scaled, why=why)


def _raised(value: Mapping[str, Any], replicas: int, *, is_scaled: bool, why: str) -> Sizing:
    if not is_scaled:
        return Sizing(settings={"num_replicas": replicas}, sentence=f"Raise the replicas to {replicas}: {why}")
    settings: dict[str, Any] = {"autoscale_min_replicas": replicas}
    beyond = ""
    if replicas > int(value["autoscale_max_replicas"]):
        settings["autoscale_max_replicas"] = replicas
        beyond = " and the most replicas with them"
    return Sizing(settings=settings, sentence=f"Raise the fewest replicas to {replicas}{beyond}: {why}")


def _bursts(value: Mapping[str, Any], fewest: int, target: float, *, is_scaled: bool, why: str) -> Sizing:
    """On the whole there are enough: what is refused are bursts, which want room rather than more of the same."""
    enough = f"On the whole {fewest} {'is' if fewest == 1 else 'are'} enough: {why}"
    if not is_scaled:
        return Sizing(
            settings={"num_replicas": fewest + 1},
            sentence=f"Add one replica, {fewest + 1} in all, for bursts. {enough}",
        )
    settings: dict[str, Any] = {"autoscale_min_replicas": fewest + 1}
    if fewest + 1 > int(value["autoscale_max_replicas"]):
        settings["autoscale_max_replicas"] = fewest + 1
    also = ""
    if target > LOWER_UTILISATION:
        settings["autoscale_target_utilization"] = LOWER_UTILISATION
        also = f" and aim at {LOWER_UTILISATION} % instead of {target:g} %, which leaves room for bursts"
    return Sizing(settings=settings, sentence=f"Keep one replica more, {fewest + 1}{also}. {enough}")
