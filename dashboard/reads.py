"""Cached reads for the screens: lists come from the database, shared between people for a moment.

One function a question, `@st.cache_data(ttl=…, show_spinner=False)`; who asks is an argument where the answer depends
on it. Errors are raised, never cached. After a command clear what it changed: `reads.services.clear()`. A feature with
more than a few questions has a file of its own beside this one, `reads_<feature>.py`.

Long lists of frozen values are kept by `st.cache_resource`: everybody gets the same one, to read and not to change;
`st.cache_data` would copy all of it for every run of every session.
"""

from __future__ import annotations

from datetime import datetime

import streamlit as st

from dashboard import context
from services.attention import Matter
from services.health import Part
from services.operations.records import Operation
from services.webservices import ListedService


@st.cache_data(ttl=2, show_spinner=False)
def heartbeats() -> list[Part]:
    """The parts of the desk and how they are, worst first."""
    return context.services().health.heartbeats()


@st.cache_resource(ttl=2, show_spinner=False)
def matters() -> list[Matter]:
    """What needs attention, worst first; their number stands in the tab's title."""
    return context.services().attention.matters()


@st.cache_resource(ttl=2, show_spinner=False)
def services() -> list[ListedService]:
    """Every service, worst first."""
    return context.services().webservices.all()


@st.cache_data(ttl=2, show_spinner=False)
def services_read_at() -> datetime | None:
    """When the services were last read from Azure."""
    return context.services().webservices.read_at()


@st.cache_resource(ttl=2, show_spinner=False)
def running() -> list[Operation]:
    """The operations that wait, run or stopped for a person, oldest first."""
    return context.services().operations.running()
