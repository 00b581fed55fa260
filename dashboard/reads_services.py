"""Cached reads of the screens Services and Service."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from dashboard import context, reads, reads_operations
from services.audit import Entry
from services.bundles import Bundle
from services.keys import Rotation
from services.operations.records import Operation
from services.webservices import ListedService, StateChange

listed = reads.services
"""Every service, worst first: the one list all screens share."""


@st.cache_data(ttl=2, max_entries=500, show_spinner=False)
def find(name: str) -> ListedService | None:
    """One service, or None when there is none of that name."""
    return context.services().webservices.find(name)


@st.cache_resource(ttl=5, show_spinner=False)
def last_changes() -> Mapping[str, Operation]:
    """The newest operation on every service."""
    return context.services().operations.newest_by_subject("service")


@st.cache_data(ttl=5, max_entries=200, show_spinner=False)
def state_changes(name: str) -> list[StateChange]:
    """What states a service was in, newest first."""
    return context.services().webservices.state_changes(name)


@st.cache_data(ttl=2, max_entries=200, show_spinner=False)
def operations(name: str, limit: int = 50) -> list[Operation]:
    """What the desk did to a service, newest first."""
    return context.services().operations.page(subject=name, subject_kind="service", limit=limit)


@st.cache_data(ttl=5, max_entries=200, show_spinner=False)
def audit(name: str, limit: int = 200) -> list[Entry]:
    """What the audit log has about a service, newest first."""
    entries = context.services().audit.page(service=name, limit=limit)
    return [entry for entry in entries if entry.object == name and entry.object_kind == "service"]


@st.cache_data(ttl=10, max_entries=200, show_spinner=False)
def bundles(name: str) -> list[Bundle]:
    """What ran as a service, newest first."""
    return context.services().deployments.bundles(name)


@st.cache_data(ttl=5, max_entries=200, show_spinner=False)
def bundle_before(name: str) -> Bundle | None:
    """What ran before what runs now as a service, or None when nothing is kept of it."""
    return context.services().deployments.bundle_before(name)


@st.cache_data(ttl=2, max_entries=200, show_spinner=False)
def rotations(name: str) -> list[Rotation]:
    """Rotations of a service's keys, newest first."""
    return context.services().keys.past_rotations(name)


CHANGED = (
    listed,
    find,
    last_changes,
    operations,
    audit,
    bundles,
    bundle_before,
    rotations,
    reads_operations.running,
)
"""What a command on a service makes out of date."""


def forget() -> None:
    """Empty what a command or an ended operation made out of date."""
    for read in CHANGED:
        read.clear()
