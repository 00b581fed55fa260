"""A range of time in steps, as every chart has one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class Span:
    """From `start` up to but not including `end`, in steps; aware UTC."""

    start: datetime
    end: datetime
    step: timedelta

    @property
    def before(self) -> Span:
        """The period of the same length just before, to compare with."""
        return Span(start=self.start - (self.end - self.start), end=self.start, step=self.step)

    def bin(self, at: datetime) -> datetime:
        """The beginning of the step a moment lies in, as KQL's `bin` has it."""
        return _EPOCH + (at - _EPOCH) // self.step * self.step
