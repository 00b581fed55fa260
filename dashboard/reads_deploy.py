"""Cached questions of the Deploy screen."""

from __future__ import annotations

from typing import Any

import streamlit as st

from dashboard import context, reads
from services import code_uploads
from services.azureml.types import Compute, EnvironmentVersion
from services.code_uploads import CodeUpload
from services.operations.records import Operation
from services.planning.problems import Remark
from services.registry import ListedModel, ModelPage

OFFERED = 50
"""Model versions offered at a time; the search narrows them on the server."""


@st.cache_data(ttl=5, show_spinner=False)
def models(search: str) -> ModelPage:
    """The newest versions in which every word occurs."""
    return context.services().registry.page(search=search, limit=OFFERED)


@st.cache_data(ttl=5, show_spinner=False)
def model(model_id: str) -> ListedModel:
    """One version."""
    return context.services().registry.get(model_id)


@st.cache_data(ttl=5, show_spinner=False)
def environments() -> list[EnvironmentVersion]:
    """The newest version of every registered environment."""
    return context.services().webservices.environments()


@st.cache_data(ttl=5, show_spinner=False)
def clusters() -> list[Compute]:
    """The AKS clusters."""
    return [compute for compute in context.services().webservices.computes() if compute.type == "AKS"]


@st.cache_data(ttl=5, show_spinner=False)
def stages() -> tuple[list[str], list[str]]:
    """The applications and the stages in use."""
    listed = reads.services()
    applications = sorted({found.application for found in listed if found.application})
    return applications, sorted({found.stage for found in listed if found.stage})


@st.cache_data(ttl=2, show_spinner=False)
def under_way() -> list[Operation]:
    """Deployments and changes of services that have not ended."""
    kinds = ("service.deploy", "service.update")
    return [found for found in context.services().operations.running() if found.kind in kinds]


@st.cache_data(ttl=600, max_entries=100, show_spinner=False)
def code(sha256: str, name: str) -> CodeUpload:
    """What is in kept code, which never changes under its hash."""
    return code_uploads.look(context.services().files, sha256, name=name)


@st.cache_data(ttl=600, max_entries=200, show_spinner=False)
def remarks(sha256: str, entry_script: str, environment: dict[str, Any] | None, has_models: bool) -> list[Remark]:
    """What the lint says of code in an environment."""
    return code_uploads.remarks(
        context.services().files, sha256, entry_script, environment=environment, has_models=has_models
    )
