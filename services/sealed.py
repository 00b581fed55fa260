"""Sealed envelopes: how a secret a person typed reaches the worker without lying readable in the database.

Fernet, the key in a 0600 file outside the database, one row per operation, opened by the submitting step only, gone
when the operation ends or after 15 minutes.
"""

from __future__ import annotations

import json
import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from cryptography.fernet import Fernet

from services.clock import Clock
from services.errors import Conflict
from services.storage import ledger
from services.storage.database import Database

KEPT_FOR = timedelta(minutes=15)


class Sealed:
    """Seal, open and throw away."""

    def __init__(self, database: Database, *, folder: Path, clock: Clock) -> None:
        self._database = database
        self._fernet = Fernet(_key(folder))
        self._clock = clock

    def seal(self, work: sa.Connection, operation: str, secrets: dict[str, str]) -> None:
        """Store an operation's secrets inside the caller's transaction."""
        work.execute(sa.delete(ledger.sealed_secrets).where(ledger.sealed_secrets.c.operation == operation))
        work.execute(
            sa.insert(ledger.sealed_secrets).values(
                operation=operation,
                sealed=self._fernet.encrypt(json.dumps(secrets).encode()),
                expires_at=self._clock.now() + KEPT_FOR,
            )
        )

    def open(self, operation: str) -> dict[str, Any]:
        """An operation's secrets; Conflict when they have expired."""
        with self._database.reading() as look:
            row = look.execute(
                sa.select(ledger.sealed_secrets).where(ledger.sealed_secrets.c.operation == operation)
            ).first()
        if row is None or row.expires_at < self._clock.now():
            raise Conflict(
                "Your key has expired here before it was sent: type it again, and the work goes on from there."
            )
        opened: dict[str, Any] = json.loads(self._fernet.decrypt(row.sealed))
        return opened

    def discard(self, work: sa.Connection, operation: str) -> None:
        """Throw an operation's secrets away."""
        work.execute(sa.delete(ledger.sealed_secrets).where(ledger.sealed_secrets.c.operation == operation))

    def discard_expired(self) -> None:
        """Throw away what nobody opened in time."""
        with self._database.writing() as work:
            work.execute(sa.delete(ledger.sealed_secrets).where(ledger.sealed_secrets.c.expires_at < self._clock.now()))


def _key(folder: Path) -> bytes:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / "envelope.key"
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_bytes()
    with os.fdopen(descriptor, "wb") as file:
        key = Fernet.generate_key()
        file.write(key)
    return key
