"""The list of model versions: filters kept in the address, one page of the table at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

import streamlit as st

from dashboard import reads_models
from dashboard.ui import filters, sources, tables, times
from services.azureml.types import visible_tags
from services.registry import PAGE, SORTS, ListedModel

_DEPLOYED: Mapping[str, Literal["yes", "no"]] = {"deployed": "yes", "not deployed": "no"}
_SORTS = list(SORTS)
SIZE_HELP = "Empty: Azure does not say, and the desk has not measured it yet."
ROWS = 15
"""So many are seen without scrolling in the table."""


def wanted() -> dict[str, Any]:
    """Show the filters and give what is wanted, as `Registry.page` takes it."""
    with filters.bar():
        search = filters.text(
            "Search",
            key="q",
            placeholder="Words in anything",
            help="Finds words in name, tags, properties, description, person and run id; all of them must be there.",
        )
        name = filters.one("Model", reads_models.names(), key="named")
        framework = filters.one("Framework", reads_models.frameworks(), key="framework")
        tag = filters.text(
            "Tag", key="tag", placeholder="stage or stage=dev", help="A tag or property: its name, or name=value."
        )
        deployed = filters.one("Deployed", list(_DEPLOYED), key="deployed")
        sort = st.selectbox("Sorted by", _SORTS, key="sort", bind="query-params", width=filters.NARROW)
        latest_only = filters.switch("Latest only", key="latest", help="Only the newest version of each name.")
    return {
        "search": search,
        "name": name or "",
        "framework": framework or "",
        "tag": tag,
        "latest_only": latest_only,
        "deployed": _DEPLOYED.get(deployed or "", ""),
        "sort": sort or _SORTS[0],
    }


def show(asked: dict[str, Any], *, register: Callable[[], None]) -> str | None:
    """Show the page of the list that is wanted; the id of the version chosen in it."""
    total = reads_models.page(**asked, limit=0).total
    shown = tables.pages(total, key="page", size=PAGE, what="versions")
    page = reads_models.page(**asked, offset=shown.start, limit=PAGE)
    is_filtered = any(value for name, value in asked.items() if name != "sort")
    chosen = tables.choose(
        _rows(page.rows),
        key="models",
        alt="Model versions, newest first unless sorted otherwise",
        columns=_columns(),
        empty=_nothing(is_filtered=is_filtered, was_read=page.read_at is not None),
        next_step=None if is_filtered else register,
        height=tables.ROW * (min(len(page.rows), ROWS) + 1) + 2,
    )
    count = f"{total:,} version{'s' if total != 1 else ''}{' match' if is_filtered else ''}"
    st.caption(f"{count} · {sources.line(read_at=page.read_at)}", help=times.hover(page.read_at))
    return None if chosen is None else page.rows[chosen].model.id


def _rows(listed: tuple[ListedModel, ...]) -> list[dict[str, Any]]:
    askers = reads_models.askers([row.model for row in listed])
    return [
        {
            "name": row.model.name,
            "version": row.model.version,
            "latest": "latest" if row.is_latest else "",
            "framework": framework(row),
            "deployed": list(row.deployed_in),
            "tags": pairs(row.model.tags),
            "created": row.model.created_at,
            "by": askers.get(row.model.id) or row.model.created_by or "not known",
            "size": kilobytes(row.size),
            "description": row.model.description or "",
            "run": row.model.run_id or "",
            "properties": pairs(row.model.properties),
        }
        for row in listed
    ]


def _columns() -> dict[str, Any]:
    return {
        "name": tables.text("Model", pinned=True),
        "version": st.column_config.NumberColumn("Version", format="%d", width="small"),
        "latest": tables.text("Latest", help="Whether it is the newest version of its name."),
        "framework": tables.text("Framework"),
        "deployed": tables.tags("Deployed in", help="The services that run it."),
        "tags": tables.tags(),
        "created": times.column("Created"),
        "by": tables.text("By", help="Who asked the desk for it; otherwise who Azure says."),
        "size": tables.number("Size", unit="kB", decimals=1, help=SIZE_HELP),
        "description": tables.text("Description", wide=True),
        "run": tables.text("Run id"),
        "properties": tables.tags("Properties"),
    }


def kilobytes(size: int | None) -> float | None:
    """A size for a table's column, whose header says kB."""
    return None if size is None else size / 1000


def framework(row: ListedModel) -> str:
    """The framework with its version."""
    return " ".join(part for part in (row.model.framework, row.model.framework_version) if part) or "not known"


def pairs(values: Mapping[str, str]) -> list[str]:
    """Tags or properties as chips, without the desk's own marks."""
    return [f"{key}={value}" for key, value in sorted(visible_tags(values).items())]


def _nothing(*, is_filtered: bool, was_read: bool) -> str:
    if is_filtered:
        return "No version matches these filters: take one away."
    if not was_read:
        return "The models have not been read from Azure yet: the worker does it within a minute of its start."
    return "No model is registered in this workspace yet: register the first one."
