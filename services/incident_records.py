"""What an incident is, and the rules of its course: open, stable, closed with a review."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any, Literal, get_args

from services.errors import Conflict, Invalid

Status = Literal["open", "stable", "closed"]
STATUSES: tuple[Status, ...] = get_args(Status)
SEVERITIES: Mapping[int, str] = {
    1: "people cannot work, or money is lost",
    2: "much of it fails",
    3: "some of it fails, or it is slow",
    4: "nobody is hurt yet",
}
DEFAULT_SEVERITY = 2
LONGEST_TITLE = 200
LONGEST_NAME = 100
LONGEST_TEXT = 20_000
_ID = re.compile(r"INC-(\d{1,9})", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Review:
    """What is said when an incident is closed, in Markdown."""

    what_happened: str
    what_helped: str

    def to_json(self) -> dict[str, str]:
        """As the ledger keeps it."""
        return {"what_happened": self.what_happened, "what_helped": self.what_helped}


@dataclass(frozen=True, kw_only=True)
class Note:
    """What somebody wrote down meanwhile, in Markdown."""

    id: int
    at: datetime
    person_name: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Action:
    """What is to be done after it, by whom and until when."""

    id: int
    text: str
    owner: str
    due: date | None
    done_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class Incident:
    """One incident as it stands."""

    number: int
    title: str
    severity: int
    status: Status
    commander: str | None
    is_focused: bool
    """Incident mode: everybody's screen of it refreshes faster and writes larger."""
    alert: str | None
    opened_by: str
    started_at: datetime
    detected_at: datetime
    stable_at: datetime | None
    closed_at: datetime | None
    review: Review | None
    services: tuple[str, ...]

    @property
    def id(self) -> str:
        """How people and addresses name it: `INC-12`."""
        return f"INC-{self.number}"

    @property
    def is_open(self) -> bool:
        """Whether somebody still works on it."""
        return self.status != "closed"

    @property
    def ended_at(self) -> datetime | None:
        """When it hurt nobody any more; None while it does."""
        return self.stable_at or self.closed_at

    def lasted(self, now: datetime) -> timedelta:
        """From its start until it was stable, or until now."""
        return max((self.ended_at or now) - self.started_at, timedelta())

    def changed(
        self,
        *,
        title: str | None = None,
        severity: int | None = None,
        commander: str | None = None,
        services: Sequence[str] | None = None,
        started_at: datetime | None = None,
        now: datetime,
    ) -> Incident:
        """The same with other facts; what is None stays."""
        began = started_at or self.started_at
        if began > now:
            raise Invalid("It cannot have started in the future: choose an earlier time.", field="started_at")
        return replace(
            self,
            title=self.title if title is None else checked_title(title),
            severity=self.severity if severity is None else checked_severity(severity),
            commander=self.commander if commander is None else checked_name(commander) or None,
            services=self.services if services is None else tuple(sorted(set(services))),
            started_at=began,
        )

    def stabilised(self, at: datetime) -> Incident:
        """The same when the trouble is over and only the review is left."""
        if self.status != "open":
            raise Conflict(f"{self.id} is {self.status} already: look at it again.")
        return replace(self, status="stable", stable_at=at, is_focused=False)

    def reopened(self) -> Incident:
        """The same when the trouble came back, or was not over."""
        if self.status == "open":
            raise Conflict(f"{self.id} is open already: look at it again.")
        return replace(self, status="open", stable_at=None, closed_at=None)

    def closed(self, at: datetime, review: Review) -> Incident:
        """The same when it is over and understood."""
        if not self.is_open:
            raise Conflict(f"{self.id} was closed already: look at its review.")
        said = Review(
            what_happened=checked_text(review.what_happened, "Say what happened, in a sentence at least.", "happened"),
            what_helped=checked_text(review.what_helped, "Say what helped, or that nothing did.", "helped"),
        )
        stable_at = self.stable_at or at
        return replace(self, status="closed", stable_at=stable_at, closed_at=at, review=said, is_focused=False)

    def facts(self) -> dict[str, Any]:
        """What the audit log keeps of it, before and after a change."""
        return {
            "title": self.title,
            "severity": self.severity,
            "status": self.status,
            "commander": self.commander,
            "services": list(self.services),
            "started_at": self.started_at.isoformat(),
            "incident_mode": self.is_focused,
        }


@dataclass(frozen=True, kw_only=True)
class IncidentRange:
    """An incident as a range on a time chart; without an end while it lasts."""

    id: str
    title: str
    start: datetime
    end: datetime | None


def number_of(incident_id: str) -> int | None:
    """The number in `INC-12`, or None when it is no such name."""
    found = _ID.fullmatch(incident_id.strip())
    return int(found[1]) if found else None


def checked_title(title: str) -> str:
    """A title people can tell incidents apart by."""
    title = " ".join(title.split())
    if not title:
        raise Invalid("Give the incident a title: what fails, in a few words.", field="title")
    if len(title) > LONGEST_TITLE:
        raise Invalid(f"The title is longer than {LONGEST_TITLE} characters: put the rest into a note.", field="title")
    return title


def checked_severity(severity: int) -> int:
    """One of the four severities."""
    if severity not in SEVERITIES:
        raise Invalid("There are the severities 1 (worst) to 4: choose one of them.", field="severity")
    return severity


def checked_name(name: str) -> str:
    """A person's name, which may be empty."""
    name = " ".join(name.split())
    if len(name) > LONGEST_NAME:
        raise Invalid(f"A name has at most {LONGEST_NAME} characters.", field="name")
    return name


def checked_text(text: str, missing: str, field: str) -> str:
    """A text that says something; `missing` is the sentence when it does not."""
    text = text.strip()
    if not text:
        raise Invalid(missing, field=field)
    if len(text) > LONGEST_TEXT:
        raise Invalid(f"This is longer than {LONGEST_TEXT:,} characters: write it in parts.", field=field)
    return text
