"""Alive or not: heartbeats of the desk's parts and how long Azure and the telemetry have not answered."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from services.clock import Clock
from services.storage import mirror
from services.storage.database import Database

BEAT_SECONDS = 5
SILENT_AFTER = timedelta(seconds=20)
TELEMETRY_LATE_AFTER = timedelta(minutes=5)


@dataclass(frozen=True, kw_only=True)
class Part:
    """One part, and a sentence when it is not well."""

    name: str
    at: datetime | None
    is_well: bool
    sentence: str = ""

    def age(self, now: datetime) -> timedelta | None:
        """How long ago it was last heard."""
        return now - self.at if self.at else None


class Health:
    """Beat and look."""

    def __init__(self, mirror_database: Database, *, workspace: str, clock: Clock) -> None:
        self._database = mirror_database
        self._workspace = workspace
        self._clock = clock
        self._started_at = clock.now()

    def beat(self, part: str, detail: str = "") -> None:
        """Say that this part is alive; every 5 s."""
        now = self._clock.now()
        with self._database.writing() as work:
            changed = work.execute(
                sa.update(mirror.heartbeats).where(mirror.heartbeats.c.part == part).values(at=now, detail=detail)
            )
            if changed.rowcount == 0:
                work.execute(
                    sa.insert(mirror.heartbeats).values(part=part, at=now, started_at=self._started_at, detail=detail)
                )

    def heartbeats(self) -> list[Part]:
        """The parts, worst first: worker, Azure, telemetry."""
        now = self._clock.now()
        with self._database.reading() as look:
            beats = {row.part: row for row in look.execute(sa.select(mirror.heartbeats))}
            refreshes = {
                row.what: row
                for row in look.execute(
                    sa.select(mirror.refreshes).where(mirror.refreshes.c.workspace == self._workspace)
                )
            }
        parts = [
            _worker(max((row.at for name, row in beats.items() if name.startswith("worker")), default=None), now),
            _azure(refreshes.get("services"), now),
            _telemetry(refreshes.get("summaries"), now),
        ]
        return sorted(parts, key=lambda part: part.is_well)


def _worker(at: datetime | None, now: datetime) -> Part:
    if at is None:
        return Part(
            name="worker",
            at=None,
            is_well=False,
            sentence="The worker has not started yet: nothing you start will run until it does.",
        )
    silent = now - at
    if silent < SILENT_AFTER:
        return Part(name="worker", at=at, is_well=True)
    return Part(
        name="worker",
        at=at,
        is_well=False,
        sentence=f"The worker has not answered for {in_words(silent)}: nothing you start will run. "
        "It is started again by itself; if this stays, look at the worker's log.",
    )


def _azure(row: object, now: datetime) -> Part:
    succeeded_at = getattr(row, "succeeded_at", None)
    failing_since = getattr(row, "failing_since", None)
    if succeeded_at is None and failing_since is None:
        return Part(name="Azure", at=None, is_well=True)
    if failing_since is None or now - failing_since < SILENT_AFTER:
        return Part(name="Azure", at=succeeded_at, is_well=True)
    state = f"this is the state of {succeeded_at:%H:%M} UTC" if succeeded_at else "nothing has been read yet"
    return Part(
        name="Azure",
        at=succeeded_at,
        is_well=False,
        sentence=f"Azure has not answered since {failing_since:%H:%M} UTC: {state}. {getattr(row, 'error', None) or ''}".strip(),
    )


def _telemetry(row: object, now: datetime) -> Part:
    succeeded_at = getattr(row, "succeeded_at", None)
    failing_since = getattr(row, "failing_since", None)
    if failing_since is not None and now - failing_since >= SILENT_AFTER:
        since = (
            f"the charts' summaries are {in_words(now - succeeded_at)} old"
            if succeeded_at
            else "no telemetry has been read yet"
        )
        return Part(
            name="telemetry",
            at=succeeded_at,
            is_well=False,
            sentence=f"The telemetry has not answered since {failing_since:%H:%M} UTC: {since}. {getattr(row, 'error', None) or ''}".strip(),
        )
    if succeeded_at is not None and now - succeeded_at > TELEMETRY_LATE_AFTER:
        return Part(
            name="telemetry",
            at=succeeded_at,
            is_well=False,
            sentence=f"Telemetry is {in_words(now - succeeded_at)} behind: the charts end there.",
        )
    return Part(name="telemetry", at=succeeded_at, is_well=True)


def in_words(span: timedelta) -> str:
    """A time span as people say it: 48 s, 9 min, 3 h, 2 d."""
    seconds = max(0, int(span.total_seconds()))
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min"
    if seconds < 86_400:
        return f"{seconds // 3600} h"
    return f"{seconds // 86_400} d"
