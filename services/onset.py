"""When it began: the first bad request of some services, found in the telemetry by a rule that is said on screen.

Some services always fail a little. A minute is bad when more than 1 % of its requests failed. Looking back from the last
bad minute, the trouble begins after the newest 5 minutes without a bad one; its first failed request is the onset.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from services.errors import DeskError
from services.monitoring import Monitoring, Span

BAD_SHARE = 0.01
QUIET = timedelta(minutes=5)
MINUTE = timedelta(minutes=1)
MOST_ROWS = 200
"""How many rows the query of failed requests gives at most; when it gives that many, it is asked of less time."""
RULE = (
    "A minute is bad when more than 1 % of its requests failed. The trouble began after the last 5 minutes without a "
    "bad one; the first failed request since is the first bad request."
)

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class FirstBad:
    """The first bad request."""

    at: datetime
    service: str
    code: int
    failure: str
    request_id: str
    codes: frozenset[int] = frozenset()
    """All codes with which requests failed from then until the moment that was asked about."""


class Onset:
    """Asks the telemetry."""

    def __init__(self, monitoring: Monitoring) -> None:
        self._monitoring = monitoring

    def find(self, services: Sequence[str], *, before: datetime, back: timedelta) -> FirstBad | None:
        """The first bad request of the trouble that was there at a moment; None when nothing failed."""
        if not services:
            return None
        # Whole minutes, so that people who ask within one share the answer.
        end = before.replace(second=0, microsecond=0) + MINUTE
        span = Span(start=end - back, end=end, step=MINUTE)
        failed = self._monitoring.chart("errors_by_code", span, services=services).dicts()
        asked = self._monitoring.chart("request_rate", span, services=services).dicts()
        minute = first_bad_minute(failed, asked)
        first = self._first_within(minute, services) if minute else None
        if minute is None or first is None:
            return first
        codes = frozenset(row["Code"] for row in failed if row["TimeGenerated"] >= minute and row["Code"] is not None)
        return replace(first, codes=codes)

    def find_or_none(self, services: Sequence[str], *, before: datetime, back: timedelta) -> FirstBad | None:
        """The same; also None when the telemetry does not answer, since an incident has to be opened all the same."""
        try:
            return self.find(services, before=before, back=back)
        except DeskError as error:
            log.warning("The first bad request was not found: %s", error.sentence)
            return None

    def _first_within(self, minute: datetime, services: Sequence[str]) -> FirstBad | None:
        start, width = minute, MINUTE
        while True:
            span = Span(start=start, end=start + width, step=timedelta(seconds=1))
            rows = self._monitoring.chart("recent_failures", span, services=services).dicts()
            if len(rows) < MOST_ROWS or width <= timedelta(seconds=1):
                break
            bins = self._monitoring.chart("errors_by_code", span, services=services).dicts()
            start, width = min(row["TimeGenerated"] for row in bins), timedelta(seconds=1)
        if not rows:
            return None
        first = min(rows, key=lambda row: row["TimeGenerated"])
        return FirstBad(
            at=first["TimeGenerated"].astimezone(UTC),
            service=first["Service"],
            code=first["Code"],
            failure=first["Failure"],
            request_id=first["RequestId"] or "",
        )


def first_bad_minute(failed: Sequence[Mapping[str, Any]], asked: Sequence[Mapping[str, Any]]) -> datetime | None:
    """The minute in which the newest trouble began, from failures and requests by minute and service."""
    totals = _by_minute(asked)
    bad = sorted(
        (minute, service)
        for (minute, service), errors in _by_minute(failed).items()
        # What the front end refused is in no container's count: then there are at least as many calls as failures.
        if errors / max(totals.get((minute, service), 0), errors) > BAD_SHARE
    )
    if not bad:
        return None
    began = bad[-1][0]
    for minute, _ in reversed(bad):
        if began - minute > QUIET:
            break
        began = minute
    return began


def _by_minute(rows: Sequence[Mapping[str, Any]]) -> dict[tuple[datetime, str], int]:
    counted: dict[tuple[datetime, str], int] = {}
    for row in rows:
        place = (row["TimeGenerated"], row["Service"])
        counted[place] = counted.get(place, 0) + row["n"]
    return counted
