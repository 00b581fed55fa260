"""The last hour of every service in one query a minute, kept in the mirror for lists and the Overview."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from services.azuremonitor.client import LogAnalytics
from services.clock import Clock
from services.errors import DeskError
from services.storage import mirror
from services.storage.database import Database

WINDOW = timedelta(hours=1)


class Summaries:
    """Reads and keeps them."""

    def __init__(
        self,
        database: Database,
        logs: Callable[[], LogAnalytics],
        *,
        note: Callable[..., None],
        workspace: str,
        clock: Clock,
    ) -> None:
        """`logs` opens the client when first needed; `note` is the inventory's, which remembers how a read went."""
        self._database = database
        self._logs = logs
        self._note = note
        self._workspace = workspace
        self._clock = clock
        self.is_failing = False
        """Whether the last read failed: the next one is then due sooner."""

    def refresh(self) -> None:
        """Ask for the last hour; a service without a row has none: what is not known is not written as zero."""
        started, now = time.monotonic(), self._clock.now()
        try:
            table = self._logs().ask("service_summary", start=now - WINDOW, end=now)
        except DeskError as error:
            self.is_failing = True
            self._note("summaries", error.sentence, time.monotonic() - started)
            raise
        self._write(table.dicts(), now)
        self.is_failing = False
        self._note("summaries", None, time.monotonic() - started)

    def _write(self, rows: list[dict[str, Any]], now: datetime) -> None:
        table = mirror.summaries
        with self._database.writing() as work:
            before = {
                row.service: row.content
                for row in work.execute(sa.select(table).where(table.c.workspace == self._workspace))
            }
            work.execute(sa.delete(table).where(table.c.workspace == self._workspace))
            written = [
                {
                    "workspace": self._workspace,
                    "service": row["Service"],
                    "read_at": now,
                    "content": _content(row, before.get(row["Service"])),
                }
                for row in rows
            ]
            if written:
                work.execute(sa.insert(table), written)


def _content(row: dict[str, Any], before: dict[str, Any] | None) -> dict[str, Any]:
    # The hour moves on, the trouble does not begin anew: what failed before and still fails keeps its beginning.
    since = None
    if row["errors"]:
        since = (before or {}).get("first_error_at") or row["firstError"].isoformat()
    return {
        "requests": row["n"],
        "errors": row["errors"],
        "soft_failures": row["soft"],
        "p50_ms": row["p50"],
        "p95_ms": row["p95"],
        "p99_ms": row["p99"],
        "last_row_at": row["lastRow"].isoformat() if row["lastRow"] else None,
        "first_error_at": since,
    }
