"""Cached reads about models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from dashboard import context
from services.azureml.types import ModelVersion
from services.files import FETCHED_KEPT_FOR
from services.operations.records import Operation
from services.registry import ListedModel, ModelPage


@st.cache_data(ttl=3, show_spinner=False, max_entries=200)
def page(**wanted: Any) -> ModelPage:
    """One page of versions; the arguments are `Registry.page`'s."""
    return context.services().registry.page(**wanted)


@st.cache_data(ttl=3, show_spinner=False, max_entries=200)
def find(model_id: str) -> ListedModel | None:
    """One version, or None when it is not there (any more)."""
    return context.services().registry.find(model_id)


@st.cache_data(ttl=3, show_spinner=False, max_entries=50)
def versions(name: str) -> list[ListedModel]:
    """Every version of a name, newest first."""
    return context.services().registry.versions(name)


@st.cache_data(ttl=10, show_spinner=False)
def names() -> list[str]:
    """Every model name."""
    return context.services().registry.names()


@st.cache_data(ttl=10, show_spinner=False)
def frameworks() -> list[str]:
    """Every framework in use."""
    return context.services().registry.frameworks()


@st.cache_data(ttl=2, show_spinner=False, max_entries=100)
def newest_version(name: str) -> int:
    """The newest version of a name; 0 when there is none."""
    return context.services().registry.newest_version(name)


@st.cache_data(ttl=2, show_spinner=False, max_entries=100)
def fetched(model_id: str) -> Operation | None:
    """The operation that fetched a version's files last, when they are still kept."""
    found = context.services().operations.page(
        kind="model.download",
        subject=model_id,
        state="succeeded",
        since=context.now() - FETCHED_KEPT_FOR,
        limit=1,
    )
    return found[0] if found else None


def askers(models: list[ModelVersion]) -> Mapping[str, str]:
    """Who asked the desk to register each of these versions, by the version's id."""
    by_operation = _askers(tuple(model.operation for model in models if model.operation))
    return {model.id: by_operation[model.operation] for model in models if model.operation in by_operation}


def forget() -> None:
    """Read all of it anew: after something was registered, changed or deleted."""
    for read in (page, find, versions, names, frameworks, newest_version, fetched):
        read.clear()


@st.cache_data(ttl=300, show_spinner=False, max_entries=200)
def _askers(operation_ids: tuple[str, ...]) -> dict[str, str]:
    return context.services().operations.askers(list(operation_ids))
