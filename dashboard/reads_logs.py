"""Cached reads of the Logs screen. What is masked may be kept for a moment; what was unmasked never is."""

from __future__ import annotations

import streamlit as st

from dashboard import context, reads
from services.access import Person
from services.errors import NotFound
from services.log_snapshots import LogSnapshot
from services.operations.records import Operation
from services.request_inspector import Call, Inspection


@st.cache_data(ttl=3, show_spinner=False, max_entries=200)
def snapshots(service: str) -> list[LogSnapshot]:
    """The kept logs of a service, newest first."""
    return context.services().log_snapshots.of(service)


@st.cache_data(ttl=10, show_spinner=False)
def gone() -> list[str]:
    """Services of which only logs are left."""
    there = {listed.service.name for listed in reads.services()}
    return [name for name in context.services().log_snapshots.services() if name not in there]


@st.cache_data(ttl=30, show_spinner=False, max_entries=500)
def operation(operation_id: str) -> Operation | None:
    """One operation, or None when it is not known here."""
    try:
        return context.services().operations.get(operation_id)
    except NotFound:
        return None


@st.cache_data(ttl=60, show_spinner=False)
def people() -> list[str]:
    """Everybody who ever asked for an operation: who a failure may be given to."""
    return context.services().operations.people()


@st.cache_data(ttl=60, show_spinner=False, max_entries=200)
def inspection(call: Call, _person: Person) -> Inspection:
    """All about a call, masked: the same for everybody who may read logs, as everybody may."""
    return context.services().request_inspector.inspect(_person, call)
