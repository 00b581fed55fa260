"""Bundles in the ledger and services in the mirror, as deployments and the upkeep leave them there."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from services.azureml.types import Service
from services.planning.plan import configuration_hash
from services.planning.wanted import Wanted, digest
from services.storage import ledger, mirror

if TYPE_CHECKING:
    from services.bootstrap import Desk

BORN = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)


def ran(desk: Desk, operation: str, wanted: Wanted, *, minute: int, assets: tuple[str, ...] = ()) -> None:
    """An operation deployed this and kept its bundle, and what Azure names the code."""
    asked(desk, operation, wanted, minute=minute)
    with desk.databases[0].writing() as work:
        work.execute(
            sa.insert(ledger.bundles).values(
                workspace=desk.workspace,
                operation=operation,
                service=wanted.service,
                sha256=digest(wanted.to_json()),
                content=wanted.to_json(),
                created_at=BORN + timedelta(minutes=minute),
            )
        )
        work.execute(
            sa.insert(ledger.operation_steps).values(
                operation=operation,
                position=4,
                name="bundle",
                label="Keep the bundle",
                state="done",
                attempts=1,
                result={"bundle": "…", "assets": list(assets)},
            )
        )


def asked(desk: Desk, operation: str, wanted: Wanted, *, minute: int) -> None:
    """An operation was asked for, whatever came of it."""
    row: dict[str, Any] = {
        "id": operation,
        "workspace": desk.workspace,
        "kind": "service.deploy",
        "subject_kind": "service",
        "subject": wanted.service,
        "title": f"Deploy {wanted.service}",
        "arguments": {"wanted": wanted.to_json()},
        "reason": "",
        "person_id": "local/operator",
        "person_name": "local operator",
        "role": "operator",
        "requested_at": BORN + timedelta(minutes=minute),
        "state": "succeeded",
        "version": "1",
        "leg": 1,
    }
    with desk.databases[0].writing() as work:
        work.execute(sa.insert(ledger.operations).values(**row))


def seen(desk: Desk, live: Service) -> None:
    """The worker saw the service like this."""
    now = desk.clock.now()
    with desk.databases[1].writing() as work:
        work.execute(sa.delete(mirror.services).where(mirror.services.c.name == live.name))
        work.execute(
            sa.insert(mirror.services).values(
                workspace=desk.workspace,
                name=live.name,
                compute_type=live.compute_type,
                configuration_sha256=configuration_hash(live),
                state=live.state,
                state_since=now,
                application="",
                stage="",
                content=live.to_json(),
                read_at=now,
            )
        )
