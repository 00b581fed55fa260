"""Sees to it that every service has a bundle: what the desk did not deploy is read back soon after it is first seen.

Also what somebody changed past the desk: the state after it may be the one to go back to.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import sqlalchemy as sa

from services.access import Role
from services.azureml.fields import TARGETS
from services.azureml.types import Service
from services.bundles import READ_BACK, Bundles
from services.clock import Clock
from services.log_snapshots import UPKEEP
from services.operations.desk import Operations
from services.storage import mirror
from services.storage.database import Database

AT_A_TIME = 2
"""So many of them run at once: a workspace of hundreds is first seen at one moment, and people's work comes first."""
AGAIN_AFTER = timedelta(minutes=10)
"""A service that others change again and again is not read back each time."""
READER = replace(UPKEEP, role=Role.OPERATOR)


class ReadingBack:
    """Start what is due."""

    def __init__(
        self, mirror_database: Database, operations: Operations, bundles: Bundles, *, workspace: str, clock: Clock
    ) -> None:
        self._mirror = mirror_database
        self._operations = operations
        self._bundles = bundles
        self._workspace = workspace
        self._clock = clock

    def start_due(self) -> list[str]:
        """Start reading back services whose present state no bundle describes; the operations' ids."""
        under_way = [found for found in self._operations.running() if found.is_open]
        room = AT_A_TIME - sum(found.kind == READ_BACK for found in under_way)
        if room <= 0:
            return []
        busy = {found.subject for found in under_way}
        kept = self._bundles.services()
        started = []
        for service, sha256 in self._seen():
            if service.name in busy or not self._is_due(service, sha256, kept):
                continue
            started.append(
                self._operations.start(
                    READER,
                    READ_BACK,
                    service.name,
                    {"service": service.name},
                    title=f"Keep what runs as {service.name}",
                    reason="First seen here" if service.name not in kept else "Changed past the desk",
                )
            )
            if len(started) >= room:
                break
        return started

    def _is_due(self, service: Service, sha256: str, kept: dict[str, str]) -> bool:
        known = kept.get(service.name)
        if known is not None and (not known or known == sha256):
            # A bundle without a hash is from before hashes were kept: what has changed since cannot be told.
            return False
        mark = (service.operation or "").partition(".")[0]
        if service.state != "Healthy" and (known is not None or self._bundles.was_asked(mark)):
            # A deployment of ours that failed, or a state nobody wants back.
            return False
        tried = self._operations.page(kind=READ_BACK, subject=service.name, limit=1)
        if not tried:
            return True
        return self._clock.now() - (tried[0].ended_at or tried[0].requested_at) > AGAIN_AFTER

    def _seen(self) -> list[tuple[Service, str]]:
        table = mirror.services
        query = (
            sa.select(table.c.content, table.c.configuration_sha256)
            .where(
                table.c.workspace == self._workspace,
                table.c.compute_type.in_(TARGETS),
                table.c.broken.is_(None),
                table.c.state.not_in(("Transitioning", "Deleting")),
            )
            .order_by(table.c.name)
        )
        with self._mirror.reading() as look:
            return [(Service.from_json(row.content), row.configuration_sha256) for row in look.execute(query)]
