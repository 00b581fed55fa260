"""How far the telemetry of some services can be trusted now: last row, lag, what of our probes arrived, what is off."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.probes import Coverage

DAY = timedelta(days=1)
"""How far back the last row is looked for."""


@dataclass(frozen=True, kw_only=True)
class ServiceTrust:
    """One service."""

    service: str
    last_row_at: datetime | None
    """The newest row of the last day in the containers' telemetry, ours included."""
    insights: bool | None
    """Whether Application Insights is on; None = the service could not be read."""
    container_insights: bool | None
    """Whether its cluster writes the front end's log; None = it runs on none, or Azure does not say."""
    is_on_cluster: bool
    coverage: Coverage


@dataclass(frozen=True, kw_only=True)
class Trust:
    """The services beneath one chart."""

    asked_at: datetime
    services: tuple[ServiceTrust, ...]
    coverage: Coverage
    """Of all of them, in the last hour."""

    @property
    def last_row_at(self) -> datetime | None:
        """The newest row of any of them."""
        return max((one.last_row_at for one in self.services if one.last_row_at), default=None)

    @property
    def lag(self) -> timedelta | None:
        """From when a probe of ours was sent until its row was seen, the median; None when none was."""
        return self.coverage.lag

    @property
    def insights_off(self) -> tuple[str, ...]:
        """Services without Application Insights: no telemetry, which is not zero."""
        return self._named(lambda one: one.insights is False)

    @property
    def container_insights_on(self) -> tuple[str, ...]:
        """Services whose front end's log is there."""
        return self._named(lambda one: one.container_insights is True)

    def sentence(self) -> str:
        """The trust line as a sentence."""
        parts = [self._last_row()]
        if self.lag is not None:
            parts.append(f"rows arrive {duration(self.lag)} after they were sent")
        due = self.coverage.arrived + self.coverage.missing
        if due:
            parts.append(f"{self.coverage.arrived} of our {due} tagged requests of the last hour arrived")
        else:
            parts.append("no tagged request of ours in the last hour tells how much arrives")
        return "; ".join(parts) + "."

    def _last_row(self) -> str:
        if self.last_row_at is None:
            return "No row was received in the last day"
        return f"Last row received {duration(max(timedelta(0), self.asked_at - self.last_row_at))} ago"

    def _named(self, holds: Callable[[ServiceTrust], bool]) -> tuple[str, ...]:
        return tuple(one.service for one in self.services if holds(one))


@dataclass(frozen=True, kw_only=True)
class Awaited:
    """A request that was sent to learn whether data flows."""

    service: str
    client_request_id: str
    sent_at: datetime
    until: datetime
    """No row by then: it is said that none came."""
    status: int | None
    seen_at: datetime | None = None

    @property
    def lag(self) -> timedelta | None:
        """How long its row took, at most."""
        return self.seen_at - self.sent_at if self.seen_at else None

    def is_over(self, now: datetime) -> bool:
        """Whether nothing more is waited for."""
        return self.seen_at is not None or now >= self.until


def duration(value: timedelta) -> str:
    """A length of time in its largest units."""
    seconds = int(value.total_seconds())
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60} s" if seconds < 600 else f"{seconds // 60} min"
    return f"{seconds // 3600} h {seconds % 3600 // 60} min"


def newest(rows: Iterable[dict[str, object]]) -> dict[str, datetime]:
    """The last row of each service from `last_rows`."""
    return {str(row["Service"]): row["lastRow"] for row in rows if isinstance(row["lastRow"], datetime)}
