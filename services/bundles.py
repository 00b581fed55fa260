"""Bundles: what exactly ran as a service, kept so that it can run again; and which code a service runs now."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from services.azureml.fields import find
from services.azureml.types import Service
from services.errors import NotFound
from services.planning.wanted import SEALED, CodeRef, Wanted, digest
from services.scrubbing import HIDDEN
from services.storage import ledger
from services.storage.database import Database

READ_BACK = "service.bundle"
"""The kind of operation that reads a service back, for one that the desk did not deploy."""
KEEPING_STEP = "bundle"
"""The step that keeps a bundle, in every kind of operation that does."""
BESIDE_THE_POINT = frozenset({"tags", "description", "properties"})
"""What can differ between two bundles without anything else running."""


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """What ran as a service: exact models, code, environment and configuration."""

    operation: str
    """The operation that kept it."""
    sha256: str
    wanted: Wanted
    created_at: datetime
    kind: str = ""
    """The kind of that operation: a deployment, a change, or a reading back."""
    person_name: str = ""
    assets: tuple[str, ...] = ()
    """The code as Azure names it: equal for equal uploads only."""
    runs: str = ""
    """Hash of the whole service at that moment."""
    remarks: tuple[str, ...] = ()
    """What of the service could not be kept, and why."""

    @property
    def is_read_back(self) -> bool:
        """Whether it was read from Azure instead of deployed from here."""
        return self.kind == READ_BACK

    @property
    def has_its_code(self) -> bool:
        """Whether its code lies here, or it has none."""
        return self.wanted.code is None or bool(self.wanted.code.sha256)

    @property
    def lost_secrets(self) -> tuple[str, ...]:
        """Fields whose secrets were sent and never kept; without the keys, which a running service still has."""
        return tuple(name for name in self.wanted.sealed if name not in ("primary_key", "secondary_key"))

    @property
    def hides_secrets(self) -> bool:
        """Whether its environment had a secret, which is not kept."""
        environment = self.wanted.environment
        return environment is not None and HIDDEN in json.dumps(environment.to_json())

    def wanted_label(self, name: str) -> str:
        """What a field of it is called on screen."""
        field = find(name, target=self.wanted.target)
        return field.label if field else name

    def again(self) -> Wanted:
        """What to ask for to have it run again: secrets are not in it, the present ones stay."""
        asked = {name: value for name, value in self.wanted.configuration.items() if value != SEALED}
        return replace(self.wanted, configuration=asked)


class Bundles:
    """Keep and find."""

    def __init__(self, database: Database, *, workspace: str) -> None:
        self._database = database
        self._workspace = workspace

    def of(self, service: str, *, limit: int = 50) -> list[Bundle]:
        """What ran as this service, newest first."""
        return self._read(ledger.bundles.c.service == service, limit=limit)

    def get(self, service: str, operation: str) -> Bundle:
        """The bundle that one operation kept."""
        found = self._read(
            sa.and_(ledger.bundles.c.service == service, ledger.bundles.c.operation == operation), limit=1
        )
        if not found:
            raise NotFound(f"There is no such bundle of {service} here: choose one in its History.")
        return found[0]

    def newest_of_all(self, *, limit: int) -> list[Bundle]:
        """The newest of every service."""
        return self._read(sa.true(), limit=limit)

    def services(self) -> dict[str, str]:
        """Every service with a bundle, with the hash of the newest one's whole service."""
        table, step = ledger.bundles, ledger.operation_steps
        query = (
            sa.select(table.c.service, step.c.result)
            .select_from(table.outerjoin(step, _kept_by(table, step)))
            .where(table.c.workspace == self._workspace)
            .order_by(table.c.created_at)
        )
        with self._database.reading() as look:
            return {row.service: str((row.result or {}).get("runs", "")) for row in look.execute(query)}

    def running(self, live: Service | None) -> Bundle | None:
        """The bundle that describes what a service runs now; None when none is known to."""
        if live is None:
            return None
        kept = self.of(live.name)
        code, assets = self.code_of(live), assets_of(live)
        for bundle in kept:
            is_its_code = bundle.assets == assets if bundle.assets else _code(bundle.wanted) == code
            if is_its_code and set(bundle.wanted.model_ids) == set(live.model_ids):
                return bundle
        return None

    def code_here(self, live: Service) -> CodeRef | None:
        """The code a service runs, where a bundle of it lies here; None when it has to be fetched."""
        assets = assets_of(live)
        for bundle in self.of(live.name):
            if assets and bundle.assets == assets and bundle.wanted.code and bundle.wanted.code.sha256:
                return bundle.wanted.code
        return None

    def code_of(self, live: Service | None) -> str | None:
        """The hash of the code a service runs now, where the desk knows it."""
        if live is None:
            return None
        kept = self.of(live.name)
        assets = assets_of(live)
        for bundle in kept:
            if bundle.assets and bundle.assets == assets:
                return _code(bundle.wanted)
        mark = (live.operation or "").partition(".")[0]
        deployed = self._asked_by(mark) if mark else None
        if deployed is not None:
            # What failed keeps no bundle, and yet it is what runs.
            return _code(deployed)
        newest = kept[0] if kept else None
        return None if newest is None or newest.assets else _code(newest.wanted)

    def was_asked(self, operation: str) -> bool:
        """Whether an operation of the desk with this id deployed or changed a service."""
        return bool(operation) and self._asked_by(operation) is not None

    def keep(self, work: sa.Connection, *, operation: str, wanted: Wanted, at: datetime) -> str:
        """Keep what an operation put there or found there, once; its hash."""
        table = ledger.bundles
        content = wanted.to_json()
        sha256 = digest(content)
        if work.execute(sa.select(table.c.operation).where(table.c.operation == operation)).first() is None:
            work.execute(
                sa.insert(table).values(
                    workspace=self._workspace,
                    operation=operation,
                    service=wanted.service,
                    sha256=sha256,
                    content=content,
                    created_at=at,
                )
            )
        return sha256

    def _asked_by(self, operation: str) -> Wanted | None:
        table = ledger.operations
        with self._database.reading() as look:
            row = look.execute(
                sa.select(table.c.arguments).where(table.c.id == operation, table.c.workspace == self._workspace)
            ).first()
        asked = row.arguments.get("wanted") if row else None
        return Wanted.from_json(asked) if asked else None

    def _read(self, where: sa.ColumnElement[bool], *, limit: int) -> list[Bundle]:
        table, operations, step = ledger.bundles, ledger.operations, ledger.operation_steps
        query = (
            sa.select(table, operations.c.kind, operations.c.person_name, step.c.result)
            .select_from(
                table.outerjoin(operations, operations.c.id == table.c.operation).outerjoin(step, _kept_by(table, step))
            )
            .where(table.c.workspace == self._workspace, where)
            .order_by(table.c.created_at.desc())
            .limit(limit)
        )
        with self._database.reading() as look:
            return [_bundle(row) for row in look.execute(query)]


def assets_of(live: Service) -> tuple[str, ...]:
    """The code of a service as Azure names it."""
    return tuple(sorted(str(asset.get("url") or asset.get("id") or "") for asset in live.code))


def _code(wanted: Wanted) -> str | None:
    """The hash of its code, where that is here."""
    return wanted.code.sha256 or None if wanted.code else None


def _kept_by(table: sa.Table, step: sa.Table) -> sa.ColumnElement[bool]:
    return sa.and_(step.c.operation == table.c.operation, step.c.name == KEEPING_STEP)


def _bundle(row: Any) -> Bundle:
    kept: Mapping[str, Any] = row.result or {}
    return Bundle(
        operation=row.operation,
        sha256=row.sha256,
        wanted=Wanted.from_json(row.content),
        created_at=row.created_at,
        kind=row.kind or "",
        person_name=row.person_name or "",
        assets=tuple(kept.get("assets") or ()),
        runs=str(kept.get("runs") or ""),
        remarks=tuple(kept.get("remarks") or ()),
    )
