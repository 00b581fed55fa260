"""Cached reads about operations and the audit log."""

from __future__ import annotations

from datetime import timedelta

import streamlit as st

from dashboard import context
from services.operations.records import Operation


@st.cache_data(ttl=60, show_spinner=False)
def usual_duration(kind: str, target: str) -> timedelta | None:
    """What such an operation usually takes; None before three of them succeeded."""
    return context.services().operations.usual_duration(kind, target=target)


@st.cache_data(ttl=1, show_spinner=False)
def running() -> list[Operation]:
    """What waits, runs or has stopped for a person, with steps, oldest first."""
    return context.services().operations.running()
