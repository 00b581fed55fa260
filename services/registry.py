"""Model versions: the list from the mirror, and the commands that register, edit, fetch and delete them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import sqlalchemy as sa

from services.access import Person
from services.azureml.types import ModelVersion, visible_tags
from services.clock import Clock
from services.errors import Conflict, Invalid, NotFound
from services.files import StoredFile
from services.operations.desk import Operations
from services.planning.names import check_model_name, check_properties, check_tags
from services.planning.problems import refuse
from services.storage import mirror
from services.storage.database import Database

Sort = Literal["newest", "oldest", "name", "version", "framework", "size", "created by"]
SORTS: dict[Sort, tuple[Any, ...]] = {
    "newest": (mirror.models.c.created_at.desc(), mirror.models.c.id),
    "oldest": (mirror.models.c.created_at, mirror.models.c.id),
    "name": (mirror.models.c.name, mirror.models.c.version.desc()),
    "version": (mirror.models.c.version.desc(), mirror.models.c.name),
    "framework": (mirror.models.c.framework, mirror.models.c.name, mirror.models.c.version.desc()),
    "size": (mirror.models.c.size.desc(), mirror.models.c.id),
    "created by": (mirror.models.c.created_by, mirror.models.c.created_at.desc()),
}
PAGE = 50
FRAMEWORKS = ("Custom", "ScikitLearn", "Onnx", "TensorFlow", "PyTorch", "TfKeras", "Multi")
"""What the SDK knows; other words are refused by it."""


@dataclass(frozen=True, kw_only=True)
class ListedModel:
    """A model version as the list shows it."""

    model: ModelVersion
    size: int | None
    """Bytes, or None when Azure does not say."""
    is_latest: bool
    deployed_in: tuple[str, ...]
    """Names of the services that run it."""


@dataclass(frozen=True, kw_only=True)
class ModelPage:
    """One page of the list, of how many in all, as old as `read_at`."""

    rows: tuple[ListedModel, ...]
    total: int
    read_at: datetime | None


class Registry:
    """The models of the workspace."""

    def __init__(self, database: Database, operations: Operations, *, workspace: str, clock: Clock) -> None:
        self._database = database
        self._operations = operations
        self._workspace = workspace
        self._clock = clock

    # Reads

    def page(
        self,
        *,
        search: str = "",
        name: str = "",
        framework: str = "",
        tag: str = "",
        latest_only: bool = False,
        deployed: Literal["", "yes", "no"] = "",
        sort: Sort = "newest",
        offset: int = 0,
        limit: int = PAGE,
    ) -> ModelPage:
        """One page of versions; `search` finds words in name, tags, properties, description, person and run id."""
        table, uses = mirror.models, mirror.service_models
        where = [table.c.workspace == self._workspace]
        where += [table.c.search.contains(word, autoescape=True) for word in search.lower().split()]
        if name:
            where.append(table.c.name == name)
        if framework:
            where.append(table.c.framework == framework)
        if tag:
            where.append(_has_tag(tag))
        if latest_only:
            where.append(table.c.is_latest)
        if deployed:
            # Not per version: the few that are used are found once.
            used = sa.select(uses.c.model_id).where(uses.c.workspace == self._workspace)
            where.append(table.c.id.in_(used) if deployed == "yes" else table.c.id.not_in(used))
        with self._database.reading() as look:
            total = look.execute(sa.select(sa.func.count()).select_from(table).where(*where)).scalar_one()
            rows = self._rows(look, where, SORTS[sort], limit=limit, offset=offset)
            models = [ModelVersion.from_json(row.content) for row in rows]
            deployed_in = self._deployed_in(look, [model.id for model in models])
            read_at = self._read_at(look)
        listed = tuple(
            ListedModel(
                model=model,
                size=_size(row.size),
                is_latest=row.is_latest,
                deployed_in=deployed_in.get(model.id, ()),
            )
            for model, row in zip(models, rows, strict=True)
        )
        return ModelPage(rows=listed, total=total, read_at=read_at)

    def get(self, model_id: str) -> ListedModel:
        """One version by `name:version`."""
        found = self.find(model_id)
        if found is None:
            raise NotFound(f"There is no model version {model_id} here: it may have been deleted meanwhile.")
        return found

    def find(self, model_id: str) -> ListedModel | None:
        """One version by `name:version`, or None when it is not there (any more)."""
        table = mirror.models
        with self._database.reading() as look:
            row = look.execute(
                sa.select(table).where(table.c.workspace == self._workspace, table.c.id == model_id)
            ).first()
            if row is None:
                return None
            used = self._deployed_in(look, [model_id]).get(model_id, ())
        return ListedModel(
            model=ModelVersion.from_json(row.content), size=_size(row.size), is_latest=row.is_latest, deployed_in=used
        )

    def names(self) -> list[str]:
        """Every model name."""
        return self._distinct(mirror.models.c.name)

    def frameworks(self) -> list[str]:
        """Every framework in use."""
        return [framework for framework in self._distinct(mirror.models.c.framework) if framework]

    def versions(self, name: str) -> list[ListedModel]:
        """Every version of a model, newest first."""
        return list(self.page(name=name, sort="version", limit=1000).rows)

    def newest_version(self, name: str) -> int:
        """The newest version of a name; 0 when there is none."""
        table = mirror.models
        with self._database.reading() as look:
            newest = look.execute(
                sa.select(sa.func.max(table.c.version)).where(
                    table.c.workspace == self._workspace, table.c.name == name
                )
            ).scalar()
        return int(newest or 0)

    # Commands

    def register(
        self,
        person: Person,
        *,
        name: str,
        upload: StoredFile,
        framework: str = "Custom",
        framework_version: str = "",
        description: str = "",
        tags: dict[str, str] | None = None,
        properties: dict[str, str] | None = None,
        unpack: bool = False,
        operation_id: str | None = None,
    ) -> str:
        """Register an uploaded file (or, with `unpack`, the folder in an uploaded zip) as the next version."""
        refuse([*check_model_name(name), *check_tags(tags or {}), *check_properties(properties or {})])
        if framework not in FRAMEWORKS:
            raise Invalid(f"{framework} is no framework of Azure ML: choose one of the list.", field="framework")
        arguments = {
            "name": name,
            "sha256": upload.sha256,
            "file_name": upload.name,
            "unpack": unpack,
            "framework": framework,
            "framework_version": framework_version,
            "description": description,
            "tags": tags or {},
            "properties": properties or {},
        }
        return self._operations.start(
            person,
            "model.register",
            name,
            arguments,
            title=f"Register {upload.name} as {name}",
            after=arguments,
            operation_id=operation_id,
        )

    def edit(
        self,
        person: Person,
        model_id: str,
        *,
        tags: dict[str, str],
        description: str,
        shown: dict[str, str] | None = None,
        operation_id: str | None = None,
    ) -> str:
        """Change a version's tags and description.

        Azure replaces all tags at once. With `shown`, the tags the person began with, only what that person changed
        is changed: what others added meanwhile stays.
        """
        now = self.get(model_id).model
        before = {"tags": visible_tags(now.tags), "description": now.description or ""}
        wanted = tags if shown is None else merged(shown, tags, visible_tags(now.tags))
        refuse(check_tags(wanted))
        after = {"tags": wanted, "description": description}
        if before == after:
            raise Invalid("Nothing was changed: tags and description are what they were.")
        if before["description"] and not description:
            raise Invalid("Azure ML cannot empty a description: write another one.", field="description")
        return self._operations.start(
            person,
            "model.edit",
            model_id,
            {"model_id": model_id, **after},
            title=f"Edit {model_id}",
            before=before,
            after=after,
            operation_id=operation_id,
        )

    def delete(self, person: Person, model_id: str, *, reason: str, operation_id: str | None = None) -> str:
        """Delete a version that no service uses."""
        listed = self.get(model_id)
        if listed.deployed_in:
            raise Conflict(
                f"{model_id} is used by {', '.join(listed.deployed_in)}: "
                "redeploy those with another version, or delete them, first."
            )
        return self._operations.start(
            person,
            "model.delete",
            model_id,
            {"model_id": model_id},
            title=f"Delete {model_id}",
            reason=reason,
            before=listed.model.to_json(),
            operation_id=operation_id,
        )

    def fetch(self, person: Person, model_id: str, *, operation_id: str | None = None) -> str:
        """Have the worker fetch a version's files, so that they can be downloaded here for 7 days."""
        self.get(model_id)
        return self._operations.start(
            person,
            "model.download",
            model_id,
            {"model_id": model_id},
            title=f"Fetch the files of {model_id}",
            operation_id=operation_id,
        )

    def _rows(
        self,
        look: sa.Connection,
        where: Sequence[sa.ColumnElement[bool]],
        order: Sequence[Any],
        *,
        limit: int,
        offset: int,
    ) -> list[sa.Row[Any]]:
        """The rows of one page in their order. Ids are sorted, not rows: the content of all others is never touched."""
        table = mirror.models
        wanted = sa.select(table.c.id).where(*where).order_by(*order).limit(limit).offset(offset)
        ids: list[str] = [row.id for row in look.execute(wanted)]
        places = {id_: place for place, id_ in enumerate(ids)}
        rows = look.execute(
            sa.select(table.c.id, table.c.content, table.c.size, table.c.is_latest).where(
                table.c.workspace == self._workspace, table.c.id.in_(places)
            )
        )
        return sorted(rows, key=lambda row: places[row.id])

    def _deployed_in(self, look: sa.Connection, model_ids: list[str]) -> dict[str, tuple[str, ...]]:
        table = mirror.service_models
        rows = look.execute(
            sa.select(table.c.model_id, table.c.service)
            .where(table.c.workspace == self._workspace, table.c.model_id.in_(model_ids))
            .order_by(table.c.service)
        )
        found: dict[str, tuple[str, ...]] = {}
        for row in rows:
            found[row.model_id] = (*found.get(row.model_id, ()), row.service)
        return found

    def _read_at(self, look: sa.Connection) -> datetime | None:
        table = mirror.refreshes
        return look.execute(
            sa.select(table.c.succeeded_at).where(table.c.workspace == self._workspace, table.c.what == "models")
        ).scalar()

    def _distinct(self, column: sa.Column[Any]) -> list[str]:
        with self._database.reading() as look:
            return list(
                look.execute(
                    sa.select(column).where(mirror.models.c.workspace == self._workspace).distinct().order_by(column)
                ).scalars()
            )


def merged(shown: dict[str, str], wanted: dict[str, str], now: dict[str, str]) -> dict[str, str]:
    """The tags there are now, with one person's changes; refused where somebody else changed the same tag meanwhile."""
    touched = [key for key in {**shown, **wanted} if shown.get(key) != wanted.get(key)]
    clashes = [key for key in touched if now.get(key) not in (shown.get(key), wanted.get(key))]
    if clashes:
        listed = ", ".join(f"{key} is now {now[key]!r}" if key in now else f"{key} is gone" for key in clashes)
        raise Conflict(f"Somebody else changed the same tags meanwhile: {listed}. Look at them, then save again.")
    kept = {key: value for key, value in now.items() if key not in touched}
    return kept | {key: wanted[key] for key in touched if key in wanted}


def _has_tag(tag: str) -> sa.ColumnElement[bool]:
    """Whether a version has a tag or property: `stage` under any value, `stage=dev` exactly."""
    # The column holds one `name=value` a line, in small letters.
    lines = sa.literal("\n") + mirror.models.c.search + sa.literal("\n")
    ending = "\n" if "=" in tag else "="
    return lines.contains(f"\n{tag.strip().lower()}{ending}", autoescape=True)


def _size(stored: int | None) -> int | None:
    return stored if stored is not None and stored >= 0 else None
