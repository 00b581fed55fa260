"""Web services: the list and one service from the mirror, what happened to it, and the commands on it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from services.access import Person
from services.azureml.types import Compute, EnvironmentVersion, Service, visible_tags
from services.clock import Clock
from services.errors import Invalid, NotFound
from services.operations.desk import Operations
from services.storage import mirror
from services.storage.database import Database

WORST_FIRST = ("Broken", "Failed", "Unhealthy", "Unschedulable", "Unknown", "Transitioning", "Deleting", "Healthy")
STAGE_ORDER = ("prod", "production", "staging", "test", "dev", "development")


@dataclass(frozen=True, kw_only=True)
class Summary:
    """The last hour of one service from telemetry; None where telemetry says nothing."""

    requests: int
    errors: int
    soft_failures: int
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    last_row_at: datetime | None
    first_error_at: datetime | None
    read_at: datetime

    @property
    def error_rate(self) -> float | None:
        """Share of requests that failed, 0 to 1, or None when there were none."""
        return self.errors / self.requests if self.requests else None


@dataclass(frozen=True, kw_only=True)
class ListedService:
    """A service as the list shows it."""

    service: Service
    state: str
    state_since: datetime
    application: str
    stage: str
    summary: Summary | None
    read_at: datetime

    @property
    def is_failing(self) -> bool:
        """Healthy by state, yet its requests fail: more than 1 % of at least 20 in the last hour."""
        return bool(self.summary and self.summary.requests >= 20 and (self.summary.error_rate or 0) > 0.01)

    @property
    def word(self) -> str:
        """The state as a person says it: what the requests show wins over what Azure says."""
        if self.state == "Healthy" and self.is_failing:
            return "Failing"
        return self.state


@dataclass(frozen=True, kw_only=True)
class StateChange:
    """A service's state changed; `before` None = first seen, `after` None = gone."""

    at: datetime
    before: str | None
    after: str | None
    error: str | None


class Webservices:
    """The services of the workspace."""

    def __init__(self, database: Database, operations: Operations, *, workspace: str, clock: Clock) -> None:
        self._database = database
        self._operations = operations
        self._workspace = workspace
        self._clock = clock

    # Reads

    def all(self) -> list[ListedService]:
        """Every service, worst first, then by stage, then by name."""
        with self._database.reading() as look:
            rows = look.execute(sa.select(mirror.services).where(mirror.services.c.workspace == self._workspace)).all()
            summaries = self._summaries(look)
        listed = [_listed(row, summaries.get(row.name)) for row in rows]
        return sorted(listed, key=_severity)

    def count(self) -> int:
        """How many there are."""
        table = mirror.services
        with self._database.reading() as look:
            query = sa.select(sa.func.count()).select_from(table).where(table.c.workspace == self._workspace)
            return int(look.execute(query).scalar_one())

    def get(self, name: str) -> ListedService:
        """One service."""
        with self._database.reading() as look:
            row = look.execute(
                sa.select(mirror.services).where(
                    mirror.services.c.workspace == self._workspace, mirror.services.c.name == name
                )
            ).first()
            if row is None:
                raise NotFound(f"There is no service named {name} here: it may have been deleted meanwhile.")
            return _listed(row, self._summaries(look, name).get(name))

    def find(self, name: str) -> ListedService | None:
        """One service, or None."""
        try:
            return self.get(name)
        except NotFound:
            return None

    def names(self) -> list[str]:
        """Every service's name."""
        with self._database.reading() as look:
            return list(
                look.execute(
                    sa.select(mirror.services.c.name)
                    .where(mirror.services.c.workspace == self._workspace)
                    .order_by(mirror.services.c.name)
                ).scalars()
            )

    def read_at(self) -> datetime | None:
        """When the services were last read from Azure."""
        table = mirror.refreshes
        with self._database.reading() as look:
            return look.execute(
                sa.select(table.c.succeeded_at).where(table.c.workspace == self._workspace, table.c.what == "services")
            ).scalar()

    def state_changes(self, name: str, *, limit: int = 100) -> list[StateChange]:
        """What state it was in, newest first."""
        table = mirror.state_changes
        with self._database.reading() as look:
            rows = look.execute(
                sa.select(table.c.at, table.c.before, table.c.after, table.c.error)
                .where(table.c.workspace == self._workspace, table.c.service == name)
                .order_by(table.c.id.desc())
                .limit(limit)
            )
            return [StateChange(**row._mapping) for row in rows]

    def computes(self) -> list[Compute]:
        """The compute targets, as last read."""
        return [Compute.from_json(content) for content in self._contents(mirror.computes, mirror.computes.c.name)]

    def environments(self) -> list[EnvironmentVersion]:
        """The versions of every environment, as last read, by name and the newest first."""
        contents = self._contents(mirror.environments, mirror.environments.c.name)
        found = [EnvironmentVersion.from_json(content) for content in contents]
        newest_first = sorted(found, key=lambda one: (len(one.version), one.version), reverse=True)
        return sorted(newest_first, key=lambda one: one.name)

    # Commands

    def delete(
        self, person: Person, name: str, *, typed_name: str, reason: str = "", operation_id: str | None = None
    ) -> str:
        """Delete a service; its name has to be typed."""
        listed = self.get(name)
        if typed_name != name:
            raise Invalid(f"Type the name {name} to delete it: what you typed is another one.", field="typed_name")
        return self._operations.start(
            person,
            "service.delete",
            name,
            {"service": name, "created_at": _iso(listed.service.created_at)},
            title=f"Delete {name}",
            reason=reason,
            before={"models": list(listed.service.model_ids), "tags": visible_tags(listed.service.tags)},
            operation_id=operation_id,
        )

    def _summaries(self, look: sa.Connection, name: str | None = None) -> dict[str, Summary]:
        table = mirror.summaries
        query = sa.select(table).where(table.c.workspace == self._workspace)
        if name is not None:
            query = query.where(table.c.service == name)
        return {row.service: summary_from(row.content, row.read_at) for row in look.execute(query)}

    def _contents(self, table: sa.Table, order: sa.Column[Any]) -> list[dict[str, Any]]:
        with self._database.reading() as look:
            return list(
                look.execute(
                    sa.select(table.c.content).where(table.c.workspace == self._workspace).order_by(order)
                ).scalars()
            )


def summary_from(content: dict[str, Any], read_at: datetime) -> Summary:
    """A summary from its stored row."""
    return Summary(
        requests=content["requests"],
        errors=content["errors"],
        soft_failures=content["soft_failures"],
        p50_ms=content["p50_ms"],
        p95_ms=content["p95_ms"],
        p99_ms=content["p99_ms"],
        last_row_at=_time(content.get("last_row_at")),
        first_error_at=_time(content.get("first_error_at")),
        read_at=read_at,
    )


def stage_rank(stage: str) -> int:
    """Where a stage stands when the worst comes first: production before the rest."""
    return STAGE_ORDER.index(stage) if stage in STAGE_ORDER else len(STAGE_ORDER)


def _listed(row: Any, summary: Summary | None) -> ListedService:
    return ListedService(
        service=Service.from_json(row.content),
        state=row.state,
        state_since=row.state_since,
        application=row.application,
        stage=row.stage,
        summary=summary,
        read_at=row.read_at,
    )


def _severity(listed: ListedService) -> tuple[int, int, int, str]:
    state = WORST_FIRST.index(listed.state) if listed.state in WORST_FIRST else WORST_FIRST.index("Unknown")
    if listed.is_failing:
        state = min(state, WORST_FIRST.index("Unhealthy"))
    hurt = listed.summary.errors if listed.summary else 0
    return state, stage_rank(listed.stage), -hurt, listed.service.name


def _iso(at: datetime | None) -> str | None:
    return at.isoformat() if at else None


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
