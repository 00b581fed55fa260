"""The audit log: append-only, each entry's MAC covers the one before, anchored outside the database.

A row holds its canonical JSON body and `HMAC-SHA256(key, seq, previous MAC, body)`. The key lies neither with the
ledger nor with the anchor. The chain shows edits and deletions; only the anchor shows that the tail was cut off.
No entry, no action: a command records its entry in the transaction that enqueues its work.
"""

from __future__ import annotations

import csv
import hashlib
import hmac
import io
import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from services.access import Person, require
from services.clock import Clock
from services.errors import Forbidden, Unavailable
from services.storage import ledger
from services.storage.database import Database

FIRST_MAC = "0" * 64
ANCHOR_EVERY = 20
_POSTGRES_LOCK = 0x6465736B


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One line of the log."""

    seq: int
    at: datetime
    workspace: str
    person_id: str
    person_name: str
    role: str
    action: str
    object_kind: str
    object: str
    result: str
    reason: str
    before: Any
    after: Any
    operation: str | None
    session: str


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Whether the chain is whole, and if not where it breaks."""

    is_whole: bool
    entries: int
    sentence: str
    broken_at: int | None = None


class Audit:
    """Record, read and verify."""

    def __init__(self, database: Database, *, workspace: str, key: bytes, anchor: Path, clock: Clock) -> None:
        self._database = database
        self._workspace = workspace
        self._key = key
        self._anchor = anchor
        self._clock = clock

    def record(
        self,
        work: sa.Connection,
        person: Person,
        action: str,
        object_kind: str,
        object_: str,
        *,
        result: str = "done",
        reason: str = "",
        before: Any = None,
        after: Any = None,
        operation: str | None = None,
        event: str | None = None,
    ) -> int | None:
        """Append an entry inside the caller's transaction; return its number, or None if `event` is already there.

        `event` names what happened once (`<operation>:<step>:<what>`), so that a step which runs twice records once.
        """
        self._lock(work)
        if event and work.execute(sa.select(ledger.audit.c.seq).where(ledger.audit.c.event == event)).first():
            return None
        last = work.execute(
            sa.select(ledger.audit.c.seq, ledger.audit.c.mac).order_by(ledger.audit.c.seq.desc()).limit(1)
        ).first()
        seq = (last.seq if last else 0) + 1
        previous = last.mac if last else FIRST_MAC
        now = self._clock.now()
        body = canonical(
            {
                "at": now.isoformat(),
                "workspace": self._workspace,
                "person": person.id,
                "name": person.name,
                "role": person.role.word,
                "session": person.session,
                "action": action,
                "object_kind": object_kind,
                "object": object_,
                "result": result,
                "reason": reason,
                "before": before,
                "after": after,
                "operation": operation,
                "event": event,
            }
        )
        work.execute(
            sa.insert(ledger.audit).values(
                seq=seq,
                at=now,
                workspace=self._workspace,
                person_id=person.id,
                person_name=person.name,
                action=action,
                object_kind=object_kind,
                object=object_,
                result=result,
                operation=operation,
                event=event,
                body=body,
                previous_mac=previous,
                mac=self._mac(seq, previous, body),
            )
        )
        return seq

    def record_alone(self, person: Person, action: str, object_kind: str, object_: str, **details: Any) -> None:
        """Append an entry in a transaction of its own, committed before this returns: for reveals and refusals."""
        with self._database.writing() as work:
            self.record(work, person, action, object_kind, object_, **details)

    def page(
        self,
        *,
        service: str = "",
        person: str = "",
        action: str = "",
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int = 200,
        offset: int = 0,
    ) -> list[Entry]:
        """The newest entries that match, newest first."""
        where = self._where(service, person, action, since, until)
        query = sa.select(ledger.audit).where(*where).order_by(ledger.audit.c.seq.desc()).limit(limit).offset(offset)
        with self._database.reading() as look:
            return [_entry(row) for row in look.execute(query)]

    def count(
        self,
        *,
        service: str = "",
        person: str = "",
        action: str = "",
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> int:
        """How many entries match."""
        where = self._where(service, person, action, since, until)
        with self._database.reading() as look:
            return look.execute(sa.select(sa.func.count()).select_from(ledger.audit).where(*where)).scalar_one()

    def export(self, person: Person) -> str:
        """The whole log of this workspace as CSV; itself recorded first."""
        try:
            require(person, "audit.export")
        except Forbidden:
            self.record_alone(person, "audit.export", "audit", self._workspace, result="refused")
            raise
        self.record_alone(person, "audit.export", "audit", self._workspace)
        written = io.StringIO()
        writer = csv.writer(written)
        writer.writerow(
            [
                "seq",
                "at",
                "person",
                "name",
                "role",
                "action",
                "kind",
                "object",
                "result",
                "reason",
                "operation",
                "before",
                "after",
                "mac",
            ]
        )
        with self._database.reading() as look:
            for row in look.execute(
                sa.select(ledger.audit).where(ledger.audit.c.workspace == self._workspace).order_by(ledger.audit.c.seq)
            ):
                body = json.loads(row.body)
                writer.writerow(
                    [
                        row.seq,
                        body["at"],
                        body["person"],
                        body["name"],
                        body["role"],
                        body["action"],
                        body["object_kind"],
                        body["object"],
                        body["result"],
                        body["reason"],
                        body["operation"] or "",
                        json.dumps(body["before"]),
                        json.dumps(body["after"]),
                        row.mac,
                    ]
                )
        return written.getvalue()

    def verify(self) -> Verdict:
        """Walk the whole chain and compare it with the anchor."""
        anchored = read_anchor(self._anchor)
        previous, expected, count = FIRST_MAC, 1, 0
        seen: dict[int, str] = {}
        with self._database.reading() as look:
            for row in look.execute(sa.select(ledger.audit).order_by(ledger.audit.c.seq)):
                if row.seq != expected:
                    return _broken(
                        count, expected, f"Entry {expected} is missing: it was deleted after it was written."
                    )
                if row.previous_mac != previous or not hmac.compare_digest(
                    row.mac, self._mac(row.seq, previous, row.body)
                ):
                    return _broken(count, row.seq, f"Entry {row.seq} was changed after it was written.")
                if not _columns_agree(row):
                    return _broken(count, row.seq, f"Entry {row.seq} shows something else than what was signed.")
                previous, expected, count = row.mac, expected + 1, count + 1
                if row.seq in anchored:
                    seen[row.seq] = row.mac
        for seq, mac in anchored.items():
            if seq not in seen:
                return _broken(
                    count,
                    count + 1,
                    f"The log ends at entry {count}, but entry {seq} was anchored: its tail was cut off.",
                )
            if not hmac.compare_digest(seen[seq], mac):
                return _broken(count, seq, f"Entry {seq} is not the one that was anchored: the log was rewritten.")
        newest = max(anchored, default=0)
        return Verdict(
            is_whole=True,
            entries=count,
            sentence=f"All {count} entries are as they were written; anchored up to entry {newest}.",
        )

    def anchor(self) -> None:
        """Write the newest (number, MAC) outside the database, if it is not there yet."""
        with self._database.reading() as look:
            last = look.execute(
                sa.select(ledger.audit.c.seq, ledger.audit.c.mac).order_by(ledger.audit.c.seq.desc()).limit(1)
            ).first()
        if last is None or last.seq <= max(read_anchor(self._anchor), default=0):
            return
        self._anchor.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        line = f"{last.seq} {last.mac} {self._clock.now().isoformat()}\n"
        descriptor = os.open(self._anchor, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        with os.fdopen(descriptor, "a") as anchor:
            anchor.write(line)
            anchor.flush()
            os.fsync(anchor.fileno())

    def _where(
        self, service: str, person: str, action: str, since: datetime | None, until: datetime | None
    ) -> list[sa.ColumnElement[bool]]:
        table = ledger.audit
        where: list[sa.ColumnElement[bool]] = [table.c.workspace == self._workspace]
        for column, part in ((table.c.object, service), (table.c.person_name, person), (table.c.action, action)):
            if part:
                where.append(column.contains(part, autoescape=True))
        if since:
            where.append(table.c.at >= since)
        if until:
            where.append(table.c.at < until)
        return where

    def _mac(self, seq: int, previous: str, body: str) -> str:
        return hmac.new(self._key, f"{seq}\n{previous}\n{body}".encode(), hashlib.sha256).hexdigest()

    def _lock(self, work: sa.Connection) -> None:
        # SQLite's writing transaction holds the one write lock already; PostgreSQL needs its chain's own.
        if not self._database.is_sqlite:
            work.execute(sa.text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _POSTGRES_LOCK})


def audit_key(folder: Path) -> bytes:
    """The chain's key: made at first use, 0600, in the key folder, apart from the data and the anchor."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / "audit.key"
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        key = bytes.fromhex(path.read_text().strip())
        if len(key) != 32:
            raise Unavailable(f"The audit key {path} is damaged: put the saved copy back before starting.") from None
        return key
    with os.fdopen(descriptor, "w") as file:
        key = secrets.token_bytes(32)
        file.write(key.hex())
    return key


def read_anchor(path: Path) -> Mapping[int, str]:
    """Every anchored (number → MAC)."""
    if not path.exists():
        return {}
    anchored = {}
    for line in path.read_text().splitlines():
        seq, mac, *_ = line.split()
        anchored[int(seq)] = mac
    return anchored


def canonical(value: Any) -> str:
    """The one JSON text of a value: sorted keys, no spaces."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)


def _entry(row: Any) -> Entry:
    body = json.loads(row.body)
    return Entry(
        seq=row.seq,
        at=row.at,
        workspace=row.workspace,
        person_id=row.person_id,
        person_name=row.person_name,
        role=body["role"],
        action=row.action,
        object_kind=row.object_kind,
        object=row.object,
        result=row.result,
        reason=body["reason"],
        before=body["before"],
        after=body["after"],
        operation=row.operation,
        session=body["session"],
    )


def _columns_agree(row: Any) -> bool:
    body = json.loads(row.body)
    shown = (
        row.workspace,
        row.person_id,
        row.person_name,
        row.action,
        row.object_kind,
        row.object,
        row.result,
        row.operation,
        row.event,
        row.at.isoformat(),
    )
    signed = tuple(
        body[name]
        for name in (
            "workspace",
            "person",
            "name",
            "action",
            "object_kind",
            "object",
            "result",
            "operation",
            "event",
            "at",
        )
    )
    return shown == signed


def _broken(count: int, at: int, sentence: str) -> Verdict:
    return Verdict(is_whole=False, entries=count, sentence=sentence, broken_at=at)
