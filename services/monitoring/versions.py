"""Which model versions ran when, from the bundles that were kept: to compare versions of one service."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import pandas as pd

from services.bundles import Bundle
from services.monitoring.span import Span

UNKNOWN = "before the desk knew"
CHANGING = "while it changed"


@dataclass(frozen=True, kw_only=True)
class VersionRange:
    """Some model versions of one service, from when they ran until the next ones were deployed."""

    service: str
    model_ids: tuple[str, ...]
    start: datetime
    end: datetime | None
    """None = they still run."""
    operation: str
    """What deployed them, or read them back when the service was first seen."""

    @property
    def label(self) -> str:
        """The versions as a line's name."""
        return ", ".join(self.model_ids) or "no model"


def ranges(bundles: Iterable[Bundle], began: Mapping[str, datetime]) -> list[VersionRange]:
    """One range for each time the models changed, oldest first; `began` is when each operation started."""
    found: list[VersionRange] = []
    for bundle in sorted(bundles, key=lambda one: one.created_at):
        models = tuple(sorted(bundle.wanted.model_ids))
        if found and found[-1].model_ids == models:
            continue
        if found:
            found[-1] = replace(found[-1], end=began.get(bundle.operation, bundle.created_at))
        found.append(
            VersionRange(
                service=bundle.wanted.service,
                model_ids=models,
                start=bundle.created_at,
                end=None,
                operation=bundle.operation,
            )
        )
    return found


def within(found: Sequence[VersionRange], span: Span) -> list[VersionRange]:
    """Those that reach into a span."""
    return [one for one in found if one.start < span.end and (one.end is None or one.end > span.start)]


def labelled(frame: pd.DataFrame, found: Sequence[VersionRange]) -> pd.DataFrame:
    """A chart's rows of one service with a column `Version`; steps in which it changed belong to none of them."""
    labels = [_label(at.to_pydatetime(), found) for at in frame["TimeGenerated"]]
    return frame.assign(Version=pd.Series(labels, index=frame.index, dtype="string"))


def _label(at: datetime, found: Sequence[VersionRange]) -> str:
    if not found or at < found[0].start:
        return UNKNOWN
    running = [one for one in found if one.start <= at and (one.end is None or at < one.end)]
    return running[-1].label if running else CHANGING
