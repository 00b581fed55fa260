"""Cached reads about operations and the audit log."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import streamlit as st

from dashboard import context
from services.audit import Entry
from services.operations.records import Operation


@st.cache_data(ttl=60, show_spinner=False)
def usual_duration(kind: str, target: str) -> timedelta | None:
    """What such an operation usually takes; None before three of them succeeded."""
    return context.services().operations.usual_duration(kind, target=target)


@st.cache_resource(ttl=1, show_spinner=False)
def running() -> list[Operation]:
    """What waits, runs or has stopped for a person, with steps, oldest first."""
    return context.services().operations.running()


@st.cache_data(ttl=2, show_spinner=False, max_entries=100)
def page(**wanted: Any) -> list[Operation]:
    """One page of operations, newest first; the arguments are `Operations.page`'s."""
    return context.services().operations.page(**wanted)


@st.cache_data(ttl=2, show_spinner=False, max_entries=100)
def count(**wanted: Any) -> int:
    """How many there are in all."""
    return context.services().operations.count(**wanted)


@st.cache_data(ttl=10, show_spinner=False)
def people() -> list[str]:
    """Everybody who ever asked for an operation."""
    return context.services().operations.people()


@st.cache_data(ttl=2, show_spinner=False, max_entries=100)
def audit_page(**wanted: Any) -> list[Entry]:
    """One page of the audit log, newest first; the arguments are `Audit.page`'s."""
    return context.services().audit.page(**wanted)


@st.cache_data(ttl=2, show_spinner=False, max_entries=100)
def audit_count(**wanted: Any) -> int:
    """How many entries match."""
    return context.services().audit.count(**wanted)
