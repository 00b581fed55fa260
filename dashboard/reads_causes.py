"""Cached questions about causes and about faults on purpose."""

from __future__ import annotations

import streamlit as st

from dashboard import context
from services.azureml.local_admin import Fault
from services.classifier import Cause
from services.errors import Unavailable


@st.cache_data(ttl=10, max_entries=200, show_spinner=False)
def of_service(name: str, *, is_known_ill: bool = False) -> list[Cause]:
    """What probably happened to a service; empty when lists and probes show nothing wrong, unless it is known to be ill."""
    causes, listed = context.services().causes, context.services().webservices.find(name)
    return causes.of_service(name) if listed and (is_known_ill or causes.may_have(listed)) else []


@st.cache_data(ttl=30, max_entries=200, show_spinner=False)
def of_operation(operation_id: str) -> list[Cause]:
    """Why an operation failed."""
    return context.services().causes.of_operation(operation_id)


@st.cache_data(ttl=2, show_spinner=False)
def faults() -> list[Fault]:
    """What goes wrong on purpose now."""
    return context.services().faults.all()


def faults_known() -> list[Fault]:
    """The same for the bar above every screen: nothing when the workspace does not answer, which another bar says."""
    try:
        return faults()
    except Unavailable:
        return []
