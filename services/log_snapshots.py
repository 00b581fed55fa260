"""Previous logs: what a container had written before it was changed, and when its state changed; kept for 90 days.

Azure ML gives the log of the container that runs now and of no other. The worker keeps it before an operation replaces
or deletes the container, after the operation has ended, and whenever a service's state has changed. Texts come scrubbed.
"""

from __future__ import annotations

import io
import json
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

import sqlalchemy as sa

from services.access import Person, Role
from services.clock import Clock
from services.container_logs import LARGEST_FILE, LogLine, parse
from services.errors import DeskError, NotFound
from services.files import LOG, Files
from services.operations.desk import Operations, new_id
from services.operations.records import Operation
from services.scrubbing import scrub
from services.storage import ledger, mirror
from services.storage.database import Database

log = logging.getLogger(__name__)

KEPT_FOR = timedelta(days=90)
LINES = 5000
"""As many as Azure gives at once."""
READ_SECONDS = 5.0
REPLACING = ("service.deploy", "service.update", "service.delete")
"""The operations after which another container runs, or none."""
BEFORE, AFTER, CHANGE, BY_HAND = "before operation", "after operation", "state change", "kept by hand"
WHAT = "log snapshots"
"""The row of `refreshes` that remembers how far the worker has looked."""
NEVER_YET = timedelta(minutes=2)
"""How far back the first look of a worker goes."""

UPKEEP = Person(id="desk/upkeep", name="the desk itself", role=Role.VIEWER, is_local=False)


class Source(Protocol):
    """Where the worker reads logs."""

    def logs(self, name: str, *, tail: int = 5000, init: bool = False, timeout: float = 5.0) -> str:
        """The newest lines, scrubbed."""


@dataclass(frozen=True, kw_only=True)
class LogSnapshot:
    """One kept log."""

    id: str
    service: str
    at: datetime
    why: str
    """`before operation`, `after operation`, `state change` or `kept by hand`."""
    state: str
    """The service's state at that moment; `gone` when it was not there any more."""
    operation: str | None
    is_init: bool
    sha256: str
    lines: int
    size: int

    @property
    def file(self) -> str:
        """The name it is downloaded under."""
        return f"{self.service}-{'init-' if self.is_init else ''}{self.at:%Y%m%d-%H%M%S}.log"


class LogSnapshots:
    """Keep, list, read. What reads Azure (`take`, `keep_up`) is the worker's."""

    def __init__(
        self,
        ledger_database: Database,
        mirror_database: Database,
        files: Files,
        operations: Operations,
        *,
        source: Source | None = None,
        note: Callable[..., None] | None = None,
        workspace: str,
        clock: Clock,
    ) -> None:
        """`source` and `note` (the inventory's memory of reads) only where logs are taken: in the worker."""
        self._ledger = ledger_database
        self._mirror = mirror_database
        self._files = files
        self._operations = operations
        self._source = source
        self._note = note
        self._workspace = workspace
        self._clock = clock

    # Reads

    def of(self, service: str, *, since: datetime | None = None, limit: int = 200) -> list[LogSnapshot]:
        """The kept logs of a service, newest first, whether it still exists or not."""
        table = ledger.log_snapshots
        query = sa.select(table).where(table.c.workspace == self._workspace, table.c.service == service)
        if since is not None:
            query = query.where(table.c.at >= since)
        with self._ledger.reading() as look:
            rows = look.execute(query.order_by(table.c.at.desc(), table.c.is_init).limit(limit)).all()
        return [_snapshot(row) for row in rows]

    def find(self, snapshot_id: str) -> LogSnapshot | None:
        """One kept log, or None."""
        table = ledger.log_snapshots
        with self._ledger.reading() as look:
            row = look.execute(
                sa.select(table).where(table.c.workspace == self._workspace, table.c.id == snapshot_id)
            ).first()
        return _snapshot(row) if row else None

    def services(self) -> list[str]:
        """Every service a log is kept of."""
        table = ledger.log_snapshots
        with self._ledger.reading() as look:
            return list(
                look.execute(
                    sa.select(table.c.service)
                    .where(table.c.workspace == self._workspace)
                    .distinct()
                    .order_by(table.c.service)
                ).scalars()
            )

    def read(self, person: Person, snapshot_id: str) -> list[LogLine]:
        """The lines of a kept log; a line's number never changes."""
        found = self.find(snapshot_id)
        if found is None:
            raise NotFound("This log is not kept here any more: logs are kept for 90 days.")
        self._operations.check(person, "logs.follow", "service", found.service)
        return parse(b"".join(self._files.read(found.sha256)).decode("utf-8", errors="replace"))

    # Commands

    def keep(self, person: Person, service: str, lines: list[LogLine], *, state: str, is_init: bool = False) -> str:
        """Keep lines a person reads now, so that a link can lead to one of them; the snapshot's id."""
        self._operations.check(person, "logs.follow", "service", service)
        text = "\n".join(line.text for line in lines)
        return self._put(service, text, why=BY_HAND, state=state, operation=None, is_init=is_init, by=person)

    # The worker's

    def take(self, service: str, why: str, operation: str | None = None) -> list[str]:
        """Keep the log of a service and of its init container as they are now; the ids of what there was to keep."""
        if self._source is None:
            raise RuntimeError("only the worker takes logs")
        state, taken = self._state(service), []
        for is_init in (False, True):
            try:
                text = self._source.logs(service, tail=LINES, init=is_init, timeout=READ_SECONDS)
            except NotFound:
                # Not made yet, or gone already: there is nothing to keep.
                break
            except DeskError as error:
                log.warning("The log of %s could not be kept (%s): %s", service, why, error.sentence)
                break
            if text.strip():
                taken.append(
                    self._put(service, text, why=why, state=state, operation=operation, is_init=is_init, by=UPKEEP)
                )
        return taken

    def before(self, operation: Operation) -> None:
        """Keep the log of the container an operation is about to replace."""
        if operation.kind in REPLACING:
            self.take(operation.subject, BEFORE, operation.id)

    def keep_up(self) -> None:
        """Keep the logs of what changed since the last look; forget what is older than 90 days."""
        started, seen = time.monotonic(), self._seen()
        now = self._clock.now()
        changes = self._changes(int(seen["change"]))
        ended = self._ended(datetime.fromisoformat(seen["ended"]))
        taken: set[str] = set()
        for operation in ended:
            taken.add(operation.subject)
            self.take(operation.subject, AFTER, operation.id)
        for change in changes:
            if change.service not in taken and change.after is not None:
                taken.add(change.service)
                self.take(change.service, CHANGE)
        self._forget(now)
        marker = {
            "change": max((change.id for change in changes), default=seen["change"]),
            "ended": max((one.ended_at.isoformat() for one in ended if one.ended_at), default=seen["ended"]),
        }
        if self._note is not None and marker != seen:
            self._note(WHAT, None, time.monotonic() - started, marker=json.dumps(marker))

    def _put(
        self, service: str, text: str, *, why: str, state: str, operation: str | None, is_init: bool, by: Person
    ) -> str:
        text, now = scrub(text).rstrip("\n") + "\n", self._clock.now()
        snapshot = LogSnapshot(
            id=new_id(),
            service=service,
            at=now,
            why=why,
            state=state,
            operation=operation,
            is_init=is_init,
            sha256="",
            lines=text.count("\n"),
            size=len(text.encode()),
        )
        stored = self._files.keep(
            io.BytesIO(text.encode()), name=snapshot.file, purpose=LOG, by=by, limit=LARGEST_FILE, keep_for=KEPT_FOR
        )
        with self._ledger.writing() as work:
            work.execute(
                sa.insert(ledger.log_snapshots).values(
                    workspace=self._workspace, **(_columns(snapshot) | {"sha256": stored.sha256})
                )
            )
        return snapshot.id

    def _state(self, service: str) -> str:
        table = mirror.services
        with self._mirror.reading() as look:
            state = look.execute(
                sa.select(table.c.state).where(table.c.workspace == self._workspace, table.c.name == service)
            ).scalar()
        return str(state) if state else "gone"

    def _seen(self) -> Mapping[str, Any]:
        """How far the last look went; at the first one, a little before now."""
        refreshes, changes = mirror.refreshes, mirror.state_changes
        with self._mirror.reading() as look:
            marker = look.execute(
                sa.select(refreshes.c.marker).where(refreshes.c.workspace == self._workspace, refreshes.c.what == WHAT)
            ).scalar()
            if marker:
                found: dict[str, Any] = json.loads(marker)
                return found
            since = self._clock.now() - NEVER_YET
            earlier = look.execute(
                sa.select(sa.func.max(changes.c.id)).where(changes.c.workspace == self._workspace, changes.c.at < since)
            ).scalar()
        return {"change": earlier or 0, "ended": since.isoformat(), "first": True}

    def _changes(self, after: int) -> list[Any]:
        """The changes of state since, newest first: of several only the last can still be read."""
        table = mirror.state_changes
        with self._mirror.reading() as look:
            return list(
                look.execute(
                    sa.select(table)
                    .where(table.c.workspace == self._workspace, table.c.id > after)
                    .order_by(table.c.id.desc())
                )
            )

    def _ended(self, after: datetime) -> list[Operation]:
        """The operations that replaced a container and have ended since."""
        found = self._operations.page(subject_kind="service", since=after - timedelta(days=1), limit=200)
        return [one for one in found if one.kind in REPLACING and one.ended_at is not None and one.ended_at > after]

    def _forget(self, now: datetime) -> None:
        table = ledger.log_snapshots
        with self._ledger.reading() as look:
            oldest = look.execute(
                sa.select(sa.func.min(table.c.at)).where(table.c.workspace == self._workspace)
            ).scalar()
        if oldest is None or oldest > now - KEPT_FOR:
            return
        with self._ledger.writing() as work:
            work.execute(sa.delete(table).where(table.c.workspace == self._workspace, table.c.at < now - KEPT_FOR))


def _columns(snapshot: LogSnapshot) -> dict[str, Any]:
    return {name: getattr(snapshot, name) for name in LogSnapshot.__dataclass_fields__}


def _snapshot(row: Any) -> LogSnapshot:
    return LogSnapshot(**{name: getattr(row, name) for name in LogSnapshot.__dataclass_fields__})
