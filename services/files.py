"""Files by the hash of their bytes: uploads, bundles, fetched models. The ledger has name, size, who and until when."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import BinaryIO

import sqlalchemy as sa

from services import disk, scratch
from services.access import Person, require
from services.clock import Clock
from services.errors import Invalid, NotFound
from services.storage import ledger
from services.storage.database import Database

BLOCK = 1 << 20
CODE_LIMIT = 50 << 20
MODEL_LIMIT = 1 << 30
FETCHED_KEPT_FOR = timedelta(days=7)
_INCOMING = ".incoming-"
LOG = "log"
"""The purpose of a saved container log: whoever may read logs may save one."""


@dataclass(frozen=True, kw_only=True)
class StoredFile:
    """One file."""

    sha256: str
    name: str
    size: int
    purpose: str
    created_at: datetime


class Files:
    """Keep, open and clean up."""

    def __init__(self, database: Database, *, folder: Path, workspace: str, clock: Clock) -> None:
        self._database = database
        self._folder = folder
        self._workspace = workspace
        self._clock = clock
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def keep(
        self, content: BinaryIO, *, name: str, purpose: str, by: Person, limit: int, keep_for: timedelta | None = None
    ) -> StoredFile:
        """Copy a file in blocks under its hash; `purpose` is code, model, bundle, fetched or log; `limit` in bytes."""
        digest, size = hashlib.sha256(), 0
        with disk.explained():
            descriptor, temporary = tempfile.mkstemp(dir=self._folder, prefix=_INCOMING)
        try:
            with disk.explained(), os.fdopen(descriptor, "wb") as target:
                while block := content.read(BLOCK):
                    size += len(block)
                    if size > limit:
                        raise Invalid(f"{name} is larger than {limit >> 20} MB: use the SDK lines shown instead.")
                    digest.update(block)
                    target.write(block)
                target.flush()
                os.fsync(target.fileno())
            sha256 = digest.hexdigest()
            os.replace(temporary, self._folder / sha256)
        finally:
            Path(temporary).unlink(missing_ok=True)
        return self._note(sha256, Path(name).name, size, purpose, by, keep_for)

    def keep_path(self, path: Path, *, purpose: str, by: Person, keep_for: timedelta | None = None) -> StoredFile:
        """Keep a file that lies on disk."""
        with path.open("rb") as content:
            return self.keep(content, name=path.name, purpose=purpose, by=by, limit=1 << 40, keep_for=keep_for)

    def path(self, sha256: str) -> Path:
        """Where the bytes lie."""
        path = self._folder / sha256
        if len(sha256) != 64 or not sha256.isalnum() or not path.is_file():
            raise NotFound("This file is not kept here any more: upload or fetch it again.")
        return path

    def find(self, sha256: str, name: str | None = None) -> StoredFile:
        """What is known of a file."""
        found = self._find(sha256, name)
        if found is None:
            raise NotFound("This file is not kept here any more: upload or fetch it again.")
        return found

    def hand_out(self, person: Person, sha256: str, name: str) -> StoredFile:
        """A file to be saved by a person: a log by who may read logs, all else by who may download."""
        found = self._find(sha256, name)
        # Whether a file is kept here at all is said only to who may download it.
        require(person, "logs.follow" if found is not None and found.purpose == LOG else "model.download")
        return self.find(sha256, name)

    def read(self, sha256: str) -> Iterator[bytes]:
        """The bytes, block by block."""
        with self.path(sha256).open("rb") as content:
            while block := content.read(BLOCK):
                yield block

    def clean_up(self) -> int:
        """Delete what has outlived its time; return how many files went."""
        now = self._clock.now()
        with self._database.writing() as work:
            gone: list[str] = list(
                work.execute(sa.select(ledger.files.c.sha256).where(ledger.files.c.keep_until < now)).scalars()
            )
            work.execute(sa.delete(ledger.files).where(ledger.files.c.keep_until < now))
            kept: set[str] = set(
                work.execute(sa.select(ledger.files.c.sha256).where(ledger.files.c.sha256.in_(gone))).scalars()
            )
        for sha256 in set(gone) - kept:
            (self._folder / sha256).unlink(missing_ok=True)
        scratch.sweep(self._folder, pattern=f"{_INCOMING}*", older_than=scratch.UNSWEPT_FOR)
        return len(set(gone) - kept)

    def _find(self, sha256: str, name: str | None) -> StoredFile | None:
        query = sa.select(ledger.files).where(
            ledger.files.c.sha256 == sha256, ledger.files.c.workspace == self._workspace
        )
        if name is not None:
            query = query.where(ledger.files.c.name == name)
        with self._database.reading() as look:
            row = look.execute(query).first()
        if row is None:
            return None
        return StoredFile(
            sha256=row.sha256, name=row.name, size=row.size, purpose=row.purpose, created_at=row.created_at
        )

    def _note(
        self, sha256: str, name: str, size: int, purpose: str, by: Person, keep_for: timedelta | None
    ) -> StoredFile:
        now = self._clock.now()
        keep_until = now + keep_for if keep_for else None
        with self._database.writing() as work:
            where = sa.and_(ledger.files.c.sha256 == sha256, ledger.files.c.name == name)
            known = work.execute(sa.select(ledger.files.c.keep_until).where(where)).first()
            if known is not None:
                # Never shorter than promised before: what a deployment runs may be uploaded again for a look.
                longest = None if known.keep_until is None or keep_until is None else max(known.keep_until, keep_until)
                work.execute(sa.update(ledger.files).where(where).values(keep_until=longest))
            else:
                work.execute(
                    sa.insert(ledger.files).values(
                        sha256=sha256,
                        name=name,
                        workspace=self._workspace,
                        size=size,
                        purpose=purpose,
                        person_id=by.id,
                        created_at=now,
                        keep_until=keep_until,
                    )
                )
        return StoredFile(sha256=sha256, name=name, size=size, purpose=purpose, created_at=now)
