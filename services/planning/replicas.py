"""How many replicas a load needs, by the formula of Azure's documentation."""

from __future__ import annotations

import math
from dataclasses import dataclass

from services.errors import Invalid


@dataclass(frozen=True, kw_only=True)
class Need:
    """How many replicas, and the sum behind it."""

    replicas: int
    formula: str
    """The calculation in words and figures, to be shown."""


def replicas_needed(
    requests_per_second: float,
    *,
    seconds_per_request: float,
    target_utilization: float = 70,
    concurrent_requests: int = 1,
) -> Need:
    """Return `ceil(rate × duration / utilisation / concurrency)`; take the p95 as duration, not the mean."""
    if not 1 <= target_utilization <= 100:
        raise Invalid("Target utilisation is a percentage from 1 to 100.", field="autoscale_target_utilization")
    if concurrent_requests < 1:
        raise Invalid("A replica takes at least one request at a time.", field="replica_max_concurrent_requests")
    if requests_per_second < 0 or seconds_per_request < 0:
        raise Invalid("Rate and duration cannot be negative.", field="requests_per_second")
    busy = requests_per_second * seconds_per_request / (target_utilization / 100) / concurrent_requests
    # 7 / 0.7 is 10.000000000000002 in binary: what is whole up to a billionth is whole.
    needed = max(1, math.ceil(busy - 1e-9))
    formula = (
        f"{requests_per_second:g} requests/s × {seconds_per_request:g} s ÷ {target_utilization / 100:g} "
        f"÷ {concurrent_requests} = {busy:.4g}, so {needed} replica{'s' if needed != 1 else ''}"
    )
    return Need(replicas=needed, formula=formula)
