"""Which change did it: the recent changes ranked by suspicion, each with its reasons in words. Pure rules.

Suspicion is a product of four factors: what kind of change it was, how it is related to the services that fail, how
shortly before the first bad request it was made, and whether an error appeared after it that was never seen before. It
is a hint where to look first, not a verdict.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.health import in_words

HALF_LIFE = timedelta(minutes=20)
"""A change this much longer before the first bad request is half as suspicious."""
LEAST = 0.02
"""Below this a change is not worth a line."""
MOST = 8
NEW_SIGNATURE = 2.0
SUPERSEDED = 0.5
"""A change that another one of the same thing followed before the trouble began."""
CAN_BRING_ERRORS = 0.5
"""How related a change has to be for a new error to speak against it."""
AT_ONCE = timedelta(seconds=5)
WELL_TIMED = timedelta(minutes=5)

KIND_WEIGHTS: Mapping[str, float] = {
    "service.deploy": 1.0,
    "service.redeploy": 1.0,
    "outside": 0.9,
    "service.delete": 0.8,
    "service.update": 0.7,
    "compute": 0.6,
    "keys": 0.35,
    "model": 0.15,
    "environment": 0.15,
}
"""How often a kind of change breaks a service, against the others; a rule of thumb."""
REFUSED_CODES = frozenset({401, 403})
FULL_CODES = frozenset({503})
KEYS_WHEN_REFUSED = 1.2
"""Callers that are refused while keys were renewed need no other explanation."""
SCALING_WHEN_FULL = 1.2


@dataclass(frozen=True, kw_only=True)
class Change:
    """Something that was changed, by whom and when."""

    id: str
    kind: str
    """The operation's kind, or `outside` for a change that was not made through the desk."""
    title: str
    subject_kind: str
    subject: str
    person: str
    at: datetime
    """When it began."""
    ended_at: datetime | None
    state: str
    compute: str | None = None
    """The cluster its service runs on, or that it changed."""
    application: str = ""
    replaces_content: bool = False
    """Whether it changed what runs: model, code or environment."""
    is_scaling: bool = False
    """Whether it changed replicas or their limits."""


@dataclass(frozen=True, kw_only=True)
class Signature:
    """An error as it is told apart from others, and when it was first seen."""

    id: str
    words: str
    first_seen: datetime
    services: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Hurt:
    """What fails: the services, where they run, what their callers see, since when."""

    services: frozenset[str]
    computes: frozenset[str]
    applications: frozenset[str]
    codes: frozenset[int]
    since: datetime
    is_since_first_bad: bool
    """Whether `since` is the first bad request; otherwise it is when the incident began."""


@dataclass(frozen=True, kw_only=True)
class Suspect:
    """A change, how suspicious it is (against the others), and why."""

    change: Change
    score: float
    reasons: tuple[str, ...]
    signature: Signature | None = None


def rank(changes: Sequence[Change], hurt: Hurt, signatures: Sequence[Signature] = ()) -> list[Suspect]:
    """The changes that may have done it, the most suspicious first."""
    found = [suspect for change in changes if (suspect := _suspect(change, changes, hurt, signatures)).score >= LEAST]
    return sorted(found, key=lambda one: (-one.score, -one.change.at.timestamp()))[:MOST]


def _suspect(change: Change, changes: Sequence[Change], hurt: Hurt, signatures: Sequence[Signature]) -> Suspect:
    relation, related = _relation(change, hurt)
    timing, timed = _timing(change, hurt)
    weight, weighed = _weight(change, hurt)
    new = _new_signature(change, changes, hurt, signatures)
    score = relation * timing * weight * (NEW_SIGNATURE if new else 1.0)
    reasons = [timed, related, weighed]
    if any(other.subject == change.subject and _came_between(other, change, hurt) for other in changes):
        score *= SUPERSEDED
        reasons.append("another change of the same followed before it began")
    if new:
        reasons.append(f"an error never seen before appeared after it: {new.words}")
    if change.state == "failed":
        reasons.append("it failed")
    return Suspect(change=change, score=score, reasons=tuple(reason for reason in reasons if reason), signature=new)


def _came_between(other: Change, change: Change, hurt: Hurt) -> bool:
    return change.ended_at is not None and change.ended_at <= other.at <= hurt.since


def _relation(change: Change, hurt: Hurt) -> tuple[float, str]:
    if change.subject_kind == "service" and change.subject in hurt.services:
        return 1.0, "same service" if len(hurt.services) == 1 else f"changed {change.subject}, which is affected"
    if change.compute and change.compute in hurt.computes:
        if change.subject_kind == "compute":
            return 0.8, f"changed {change.compute}, on which it runs"
        return 0.5, f"another service on the same cluster, {change.compute}"
    if change.application and change.application in hurt.applications:
        return 0.3, f"same application, {change.application}"
    if not hurt.services:
        return 0.4, "no service is named in the incident"
    # What shares neither service, cluster nor application cannot reach it.
    return 0.0, "nothing in common with what fails"


def _timing(change: Change, hurt: Hurt) -> tuple[float, str]:
    what = "the first bad request" if hurt.is_since_first_bad else "the incident began"
    before = hurt.since - change.at
    if before < timedelta():
        return 0.0, f"began after {what}"
    if change.ended_at is None or change.ended_at >= hurt.since:
        return 1.0, f"was under way at {what}" if hurt.is_since_first_bad else f"was under way when {what}"
    # Not its beginning: a slow deployment takes over when it ends.
    since_end = hurt.since - change.ended_at
    factor = math.exp(-math.log(2) * (since_end / HALF_LIFE))
    words = f"{in_words(since_end)} before {what}"
    if since_end < AT_ONCE:
        return factor, f"ended right before {what}"
    return factor, f"ended only {words}" if since_end <= WELL_TIMED else f"ended {words}"


def _weight(change: Change, hurt: Hurt) -> tuple[float, str]:
    family = change.kind.split(".")[0]
    kind = "service.deploy" if change.replaces_content else change.kind
    weight = KIND_WEIGHTS.get(kind, KIND_WEIGHTS.get(family, 0.2))
    if family == "keys" and hurt.codes & REFUSED_CODES:
        return KEYS_WHEN_REFUSED, "keys were renewed, and callers are refused (401)"
    if change.is_scaling and hurt.codes & FULL_CODES:
        return SCALING_WHEN_FULL, "replicas were changed, and calls are turned away (503)"
    if change.kind == "outside":
        return weight, "not made through this desk"
    return weight, ""


def _new_signature(
    change: Change, changes: Sequence[Change], hurt: Hurt, signatures: Sequence[Signature]
) -> Signature | None:
    """The first new error of the affected services that appeared after this change and before the next one."""
    if _relation(change, hurt)[0] < CAN_BRING_ERRORS:
        return None
    following = [
        other.at for other in changes if other.at > change.at and _relation(other, hurt)[0] >= CAN_BRING_ERRORS
    ]
    until = min(following, default=None)
    found = [
        one
        for one in signatures
        if set(one.services) & hurt.services
        and change.at <= one.first_seen
        and (until is None or one.first_seen < until)
    ]
    return min(found, key=lambda one: one.first_seen, default=None)
