"""Cached reads for the screens: lists come from the database, shared between people for a moment.

One function a question, `@st.cache_data(ttl=…, show_spinner=False)`; who asks is an argument where the answer depends
on it. Errors are raised, never cached. After a command clear what it changed: `reads.services.clear()`. A feature with
more than a few questions has a file of its own beside this one, `reads_<feature>.py`.
"""

from __future__ import annotations

import streamlit as st

from dashboard import context
from services.health import Part


@st.cache_data(ttl=2, show_spinner=False)
def heartbeats() -> list[Part]:
    """The parts of the desk and how they are, worst first."""
    return context.services().health.heartbeats()
