"""Upkeep of the mirror: what Azure ML has, read by the worker and written in batches.

Services every 15 s (5 s while something runs), models newest first each minute and all of them every 10 minutes,
environments and computes each minute. A failure is noted beside the last success, so that every list can say how old
it is and why.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any, Protocol

import sqlalchemy as sa

from services.azureml.types import Compute, EnvironmentVersion, ModelVersion, Service, visible_tags
from services.clock import Clock
from services.errors import DeskError
from services.planning.plan import configuration_hash
from services.storage import mirror
from services.storage.database import Database

SERVICES_SECONDS = 10.0
"""An Azure that takes longer than this for its list of services counts as not answering."""

OLDER_ENVIRONMENTS = 9
"""How many versions before the newest are offered."""
ENVIRONMENTS_AT_ONCE = 20
CURATED = "AzureML-"
"""Azure's own environments: there are many, and of each only the newest is meant to be used."""


class Source(Protocol):
    """What the inventory is read from: the worker's raw way to Azure ML."""

    def services(self, *, timeout: float) -> list[Service]:
        """Every service; a payload that cannot be read is a row with `broken`."""

    def model_pages(self) -> Iterator[list[ModelVersion]]:
        """Every model version, newest first, page by page."""

    def find_model(self, model_id: str) -> ModelVersion | None:
        """One version, or None."""

    def find_environment(self, name: str, version: str) -> EnvironmentVersion | None:
        """One version of an environment, or None."""

    def computes(self) -> list[Compute]:
        """Every compute target."""


class Inventory:
    """Keeps the mirror like Azure."""

    def __init__(
        self,
        database: Database,
        source: Source,
        *,
        environments: Callable[[], list[EnvironmentVersion]],
        model_bytes: Callable[[ModelVersion], int | None],
        workspace: str,
        clock: Clock,
    ) -> None:
        """`environments` lists the newest version of each; `model_bytes` asks the size of a version's files, None = not said."""
        self._database = database
        self._source = source
        self._environments = environments
        self._model_bytes = model_bytes
        self._workspace = workspace
        self._clock = clock
        self._sweep = int(time.time())
        self._no_environments: set[tuple[str, str]] = set()
        """Older versions that were asked for and are not there."""

    def refresh_services(self) -> None:
        """Read all services; note every change of state."""
        self._timed("services", self._services)

    def refresh_models(self) -> None:
        """Read the newest versions, down to the first that is known and unchanged."""
        self._timed("models", self._newest_models)

    def sweep_models(self) -> None:
        """Read every version; drop what is gone."""
        self._timed("models", self._all_models)

    def refresh_model(self, model_id: str) -> None:
        """Read one version anew, or drop it when it is gone."""
        found = self._source.find_model(model_id)
        if found is not None:
            self._put_models([found])
            return
        table = mirror.models
        with self._database.writing() as work:
            work.execute(sa.delete(table).where(table.c.workspace == self._workspace, table.c.id == model_id))
            self._mark_latest(work, {model_id.rpartition(":")[0]})

    def refresh_environments(self) -> None:
        """Read the environments."""
        self._timed("environments", lambda: self._replace(mirror.environments, self._environment_rows()))

    def refresh_computes(self) -> None:
        """Read the compute targets."""
        self._timed("computes", lambda: self._replace(mirror.computes, self._compute_rows()))

    def measure_models(self, at_most: int = 20) -> int:
        """Ask the size of versions that do not carry it, newest first; return how many were asked."""
        table = mirror.models
        with self._database.reading() as look:
            rows = look.execute(
                sa.select(table.c.id, table.c.content)
                .where(table.c.workspace == self._workspace, table.c.size.is_(None))
                .order_by(table.c.created_at.desc())
                .limit(at_most)
            ).all()
        for row in rows:
            # -1 = asked, and Azure does not say: shown as unknown and not asked again until the next sweep of a new version.
            size = self._model_bytes(ModelVersion.from_json(row.content))
            with self._database.writing() as work:
                work.execute(
                    sa.update(table)
                    .where(table.c.workspace == self._workspace, table.c.id == row.id)
                    .values(size=-1 if size is None else size)
                )
        return len(rows)

    def note(self, what: str, error: str | None, took: float, marker: str | None = None) -> None:
        """Remember how the last read of something went."""
        table, now = mirror.refreshes, self._clock.now()
        values: dict[str, Any] = {"took_seconds": took, "error": error}
        with self._database.writing() as work:
            where = sa.and_(table.c.workspace == self._workspace, table.c.what == what)
            known = work.execute(sa.select(table).where(where)).first()
            if error is None:
                values |= {"succeeded_at": now, "failing_since": None, "marker": marker}
            else:
                # It has not answered since it was asked, not since we stopped waiting for it.
                began = now - timedelta(seconds=took)
                values["failing_since"] = known.failing_since if known is not None and known.failing_since else began
            if known is None:
                work.execute(sa.insert(table).values(workspace=self._workspace, what=what, **values))
            else:
                work.execute(sa.update(table).where(where).values(**values))

    def _timed(self, what: str, read: Callable[[], None]) -> None:
        started = time.monotonic()
        try:
            read()
        except DeskError as error:
            self.note(what, error.sentence, time.monotonic() - started)
            raise
        self.note(what, None, time.monotonic() - started)

    def _services(self) -> None:
        found = self._source.services(timeout=SERVICES_SECONDS)
        now, table = self._clock.now(), mirror.services
        with self._database.writing() as work:
            known = {
                row.name: row for row in work.execute(sa.select(table).where(table.c.workspace == self._workspace))
            }
            for service in found:
                self._put_service(work, service, known.pop(service.name, None), now)
            for name, row in known.items():
                work.execute(sa.delete(table).where(table.c.workspace == self._workspace, table.c.name == name))
                self._put_uses(work, name, ())
                self._note_change(work, name, row.state, None, now)

    def _put_service(self, work: sa.Connection, service: Service, known: Any, now: datetime) -> None:
        table = mirror.services
        state = "Broken" if service.broken else service.state
        content = service.to_json()
        values = {
            "compute_type": service.compute_type,
            "state": state,
            "application": service.tags.get("application", ""),
            "stage": service.tags.get("stage", ""),
            "broken": service.broken,
            "content": content,
            "configuration_sha256": "" if service.broken else configuration_hash(service),
            "read_at": now,
        }
        if known is None:
            since = service.updated_at or service.created_at or now
            work.execute(
                sa.insert(table).values(workspace=self._workspace, name=service.name, state_since=since, **values)
            )
            self._note_change(work, service.name, None, service, now)
        else:
            if known.state != state:
                values["state_since"] = now
                self._note_change(work, service.name, known.state, service, now)
            work.execute(
                sa.update(table)
                .where(table.c.workspace == self._workspace, table.c.name == service.name)
                .values(**values)
            )
        if known is None or tuple(known.content.get("model_ids", ())) != service.model_ids:
            self._put_uses(work, service.name, service.model_ids)

    def _put_uses(self, work: sa.Connection, service: str, model_ids: Iterable[str]) -> None:
        table = mirror.service_models
        work.execute(sa.delete(table).where(table.c.workspace == self._workspace, table.c.service == service))
        rows = [{"workspace": self._workspace, "service": service, "model_id": id_} for id_ in dict.fromkeys(model_ids)]
        if rows:
            work.execute(sa.insert(table), rows)

    def _note_change(
        self, work: sa.Connection, name: str, before: str | None, service: Service | None, now: datetime
    ) -> None:
        after = None if service is None else ("Broken" if service.broken else service.state)
        error = service.error.text if service is not None and service.error else None
        work.execute(
            sa.insert(mirror.state_changes).values(
                workspace=self._workspace, service=name, at=now, before=before, after=after, error=error
            )
        )

    def _newest_models(self) -> None:
        for page in self._source.model_pages():
            if self._put_models(page):
                return

    def _all_models(self) -> None:
        self._sweep += 1
        for page in self._source.model_pages():
            self._put_models(page)
        table = mirror.models
        with self._database.writing() as work:
            work.execute(sa.delete(table).where(table.c.workspace == self._workspace, table.c.sweep != self._sweep))
            self._mark_latest(work)

    def _put_models(self, batch: list[ModelVersion]) -> bool:
        """Write a batch; return whether its last version was known already, unchanged."""
        if not batch:
            return True
        table = mirror.models
        ids = [model.id for model in batch]
        with self._database.writing() as work:
            known = {
                row.id: row
                for row in work.execute(
                    sa.select(table.c.id, table.c.content, table.c.size).where(
                        table.c.workspace == self._workspace, table.c.id.in_(ids)
                    )
                )
            }
            rows = [self._model_row(model, known.get(model.id)) for model in batch]
            if known:
                work.execute(sa.delete(table).where(table.c.workspace == self._workspace, table.c.id.in_(list(known))))
            work.execute(sa.insert(table), rows)
            self._mark_latest(work, {model.name for model in batch})
        last = known.get(batch[-1].id)
        return last is not None and last.content == batch[-1].to_json()

    def _model_row(self, model: ModelVersion, known: Any) -> dict[str, Any]:
        tags = visible_tags(model.tags)
        words = [model.name, model.description or "", model.created_by or "", model.run_id or "", model.framework or ""]
        words += [f"{key}={value}" for key, value in (*tags.items(), *visible_tags(model.properties).items())]
        return {
            "workspace": self._workspace,
            "id": model.id,
            "name": model.name,
            "version": model.version,
            "framework": model.framework or "",
            "created_at": model.created_at or self._clock.now(),
            "created_by": model.created_by or "",
            "run_id": model.run_id or "",
            "size": model.bytes if model.bytes is not None else (known.size if known is not None else None),
            "is_latest": False,
            "search": "\n".join(words).lower(),
            "content": model.to_json(),
            "sweep": self._sweep,
        }

    def _mark_latest(self, work: sa.Connection, names: set[str] | None = None) -> None:
        table = mirror.models
        newest = (
            sa.select(table.c.name, sa.func.max(table.c.version).label("version"))
            .where(table.c.workspace == self._workspace)
            .group_by(table.c.name)
            .subquery()
        )
        update = sa.update(table).where(table.c.workspace == self._workspace)
        if names is not None:
            update = update.where(table.c.name.in_(list(names)))
        is_newest = sa.exists().where(newest.c.name == table.c.name, newest.c.version == table.c.version)
        work.execute(update.values(is_latest=is_newest))

    def _environment_rows(self) -> list[dict[str, Any]]:
        newest = self._environments()
        versions = [*newest, *self._older_environments(newest)]
        return [{"name": found.name, "version": found.version, "content": found.to_json()} for found in versions]

    def _older_environments(self, newest: list[EnvironmentVersion]) -> Iterator[EnvironmentVersion]:
        """The versions before the newest: Azure lists only that one, and a version never changes, so each is read once."""
        table = mirror.environments
        with self._database.reading() as look:
            known = {
                (row.name, row.version): row.content
                for row in look.execute(
                    sa.select(table.c.name, table.c.version, table.c.content).where(
                        table.c.workspace == self._workspace
                    )
                )
            }
        asked = 0
        for wanted in older_versions(newest):
            if wanted in known:
                yield EnvironmentVersion.from_json(known[wanted])
            elif wanted not in self._no_environments and asked < ENVIRONMENTS_AT_ONCE:
                asked += 1
                found = self._source.find_environment(*wanted)
                if found is None:
                    self._no_environments.add(wanted)
                else:
                    yield found

    def _compute_rows(self) -> list[dict[str, Any]]:
        return [{"name": found.name, "content": found.to_json()} for found in self._source.computes()]

    def _replace(self, table: sa.Table, rows: list[dict[str, Any]]) -> None:
        now = self._clock.now()
        with self._database.writing() as work:
            work.execute(sa.delete(table).where(table.c.workspace == self._workspace))
            if rows:
                work.execute(sa.insert(table), [{"workspace": self._workspace, "read_at": now, **row} for row in rows])


def older_versions(newest: Iterable[EnvironmentVersion]) -> Iterator[tuple[str, str]]:
    """Names and numbers of the versions that may lie before the newest of each; Azure counts them from 1."""
    for found in newest:
        if found.version.isdigit() and not found.name.startswith(CURATED):
            number = int(found.version)
            for version in range(number - 1, max(0, number - 1 - OLDER_ENVIRONMENTS), -1):
                yield found.name, str(version)
