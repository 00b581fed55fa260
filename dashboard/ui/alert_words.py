"""Alerts in words: what each rule looks at, its limit and its unit. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from services.alert_rules import EVERY_OTHER, Kind, Rule, threshold_in_words
from services.alerts import Alert

ICON = ":material/notifications_active:"


@dataclass(frozen=True, kw_only=True)
class Words:
    """How one kind of rule is written."""

    title: str
    meaning: str
    limit: str
    """The label of its limit, with the unit."""
    factor: float
    """From what is stored to what is typed."""
    step: float
    decimals: int


KINDS: Mapping[Kind, Words] = {
    "errors": Words(
        title="error rate",
        meaning="More than this share of at least 10 requests failed in the last 5 min, and in the last minute too.",
        limit="Failed, more than (%)",
        factor=100.0,
        step=0.5,
        decimals=1,
    ),
    "latency": Words(
        title="p95",
        meaning="95 % of the requests took up to longer than this in the last 5 min, and in the last minute too.",
        limit="p95, more than (ms)",
        factor=1.0,
        step=50.0,
        decimals=0,
    ),
    "probe": Words(
        title="probe failing",
        meaning="So many probes in a row did not come back as expected.",
        limit="Failed in a row, at least",
        factor=1.0,
        step=1.0,
        decimals=0,
    ),
}


def stage(name: str) -> str:
    """A rule's stage as people say it."""
    return "every other stage" if name == EVERY_OTHER else name


def limit(rule: Rule) -> str:
    """`5 %`, or that the rule is off."""
    return threshold_in_words(rule) if rule.is_on else "off"


def title(alert: Alert) -> str:
    """What an alert is called in a list."""
    return KINDS[alert.kind].title
