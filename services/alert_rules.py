"""The three alert rules: what they look at, when they break, when an alert opens and when it closes. Pure.

A rule breaks when both the last five minutes and the last minute of a service are over its threshold: the first keeps a
single bad request from waking anybody, the second lets an alert close soon after the trouble is over.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

Kind = Literal["errors", "latency", "probe"]
KINDS: tuple[Kind, ...] = ("errors", "latency", "probe")
EVERY_OTHER = ""
"""The stage of a rule that holds where no other does."""
PRODUCTION = frozenset({"prod", "production"})

FEWEST_REQUESTS = 10
"""Fewer in five minutes say nothing about a rate or a percentile."""
CALM = timedelta(seconds=30)
"""How long a rule has to hold again before its alert closes: without it one would open and close by turns."""
QUIET_AFTER_CHANGE = timedelta(minutes=3)
LONGEST_FOR = 3_600


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One rule of one stage."""

    kind: Kind
    stage: str
    """EVERY_OTHER = wherever no rule names the stage."""
    threshold: float
    """Share of failed requests (0 to 1), milliseconds of p95, or failed probes in a row."""
    for_seconds: int
    """How long it must be broken before an alert opens."""
    is_on: bool = True


DEFAULTS: tuple[Rule, ...] = (
    Rule(kind="errors", stage="prod", threshold=0.05, for_seconds=60),
    Rule(kind="errors", stage=EVERY_OTHER, threshold=0.10, for_seconds=60),
    Rule(kind="latency", stage="prod", threshold=1_000.0, for_seconds=120),
    Rule(kind="latency", stage=EVERY_OTHER, threshold=2_000.0, for_seconds=120),
    Rule(kind="probe", stage="prod", threshold=2, for_seconds=0),
    Rule(kind="probe", stage=EVERY_OTHER, threshold=3, for_seconds=0),
)


@dataclass(frozen=True, kw_only=True)
class Measures:
    """What is known about one service now; None = not known."""

    requests: int = 0
    failed: int = 0
    soft: int = 0
    p95_ms: float | None = None
    last_minute_requests: int = 0
    last_minute_failed: int = 0
    last_minute_p95_ms: float | None = None
    failed_probes: int | None = None
    """In a row, the newest last; None when no probe is sent."""
    probe_failure: str = ""


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What a rule says about one service now."""

    value: float | None
    """None = it cannot be told."""
    is_broken: bool
    sentence: str


@dataclass(frozen=True, kw_only=True)
class Standing:
    """Since when a rule has been broken, or holds again, without a break."""

    broken_since: datetime | None = None
    calm_since: datetime | None = None


def rule_for(kind: Kind, stage: str, set_: Sequence[Rule]) -> Rule:
    """The rule that holds in a stage: what somebody set for it, its default, what was set for every other, that default."""
    stage = stage.strip().lower()
    found: Mapping[str, Rule] = {rule.stage: rule for rule in set_ if rule.kind == kind}
    defaults = {rule.stage: rule for rule in DEFAULTS if rule.kind == kind}
    names = (stage, "prod") if stage in PRODUCTION else (stage,)
    for name in (*names, EVERY_OTHER):
        if name in found:
            return found[name]
        if name in defaults:
            return defaults[name]
    raise LookupError(f"no default for {kind}")


def read(rule: Rule, measures: Measures) -> Reading:
    """What a rule says about these measures."""
    if rule.kind == "errors":
        return _errors(rule, measures)
    return _latency(rule, measures) if rule.kind == "latency" else _probe(rule, measures)


def after(standing: Standing, reading: Reading, now: datetime) -> Standing:
    """The standing once this was read."""
    if reading.is_broken:
        return Standing(broken_since=standing.broken_since or now)
    return Standing(calm_since=standing.calm_since or now)


def opens(rule: Rule, standing: Standing, now: datetime) -> bool:
    """Whether an alert is due."""
    since = standing.broken_since
    return rule.is_on and since is not None and now - since >= timedelta(seconds=rule.for_seconds)


def closes(rule: Rule, standing: Standing, now: datetime) -> bool:
    """Whether an open alert is over."""
    return not rule.is_on or (standing.calm_since is not None and now - standing.calm_since >= CALM)


def threshold_in_words(rule: Rule) -> str:
    """`5 %`, `1,000 ms`, `2 in a row`."""
    if rule.kind == "errors":
        return f"{100 * rule.threshold:g} %"
    return f"{rule.threshold:,.0f} ms" if rule.kind == "latency" else f"{rule.threshold:.0f} in a row"


def _errors(rule: Rule, measures: Measures) -> Reading:
    if measures.requests < FEWEST_REQUESTS:
        return _unknown(f"fewer than {FEWEST_REQUESTS} requests in 5 min")
    share = measures.failed / measures.requests
    now = measures.last_minute_failed / measures.last_minute_requests if measures.last_minute_requests else 0.0
    soft = f", {measures.soft:,} of them answered with 200" if measures.soft else ""
    return Reading(
        value=share,
        is_broken=share > rule.threshold and now > rule.threshold,
        sentence=f"{100 * share:.1f} % of {measures.requests:,} requests failed in 5 min{soft} "
        f"(limit {threshold_in_words(rule)})",
    )


def _latency(rule: Rule, measures: Measures) -> Reading:
    if measures.requests < FEWEST_REQUESTS or measures.p95_ms is None:
        return _unknown(f"fewer than {FEWEST_REQUESTS} requests in 5 min")
    now = measures.last_minute_p95_ms
    return Reading(
        value=measures.p95_ms,
        is_broken=measures.p95_ms > rule.threshold and now is not None and now > rule.threshold,
        sentence=f"p95 is {measures.p95_ms:,.0f} ms over 5 min and {measures.requests:,} requests "
        f"(limit {threshold_in_words(rule)})",
    )


def _probe(rule: Rule, measures: Measures) -> Reading:
    if measures.failed_probes is None:
        return _unknown("no probe is sent")
    failed = measures.failed_probes
    said = f": {measures.probe_failure.rstrip('.')}" if measures.probe_failure else ""
    return Reading(
        value=float(failed),
        is_broken=failed >= rule.threshold,
        sentence=f"{failed} {'probe' if failed == 1 else 'probes in a row'} failed{said} "
        f"(limit {threshold_in_words(rule)})",
    )


def _unknown(why: str) -> Reading:
    return Reading(value=None, is_broken=False, sentence=f"not known: {why}")
