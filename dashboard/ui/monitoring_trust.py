"""How far a chart can be trusted now: the line beneath it, and what to do where nothing can be seen."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import streamlit as st

from dashboard.ui import operation_words, times
from services.monitoring.trust import Trust

MOST_NAMED = 4


def line(trust: Trust, *, read_at: datetime, seconds: float) -> None:
    """Show the newest row, the lag, what of our probes arrived, for which services something is off, and what it took."""
    sign = ":material/verified:" if trust.last_row_at else ":orange[:material/warning:]"
    words = f"{trust.sentence()} {_switches(trust)} Read {times.ago(read_at)}, in {times.span(seconds)}."
    st.caption(f"{sign} {operation_words.escaped(words)}", help=times.hover(read_at))


def named(names: Sequence[str]) -> str:
    """A few names, and how many more."""
    shown = ", ".join(names[:MOST_NAMED])
    return f"{shown} and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else shown


def _switches(trust: Trust) -> str:
    """Which of the services shown are recorded, in words."""
    count = len(trust.services)
    off, logged = trust.insights_off, trust.container_insights_on
    insights = "on for all" if not off else "off for all" if len(off) == count else f"off for {named(off)}"
    front_end = "off" if not logged else "on for all" if len(logged) == count else f"on for {named(logged)}"
    return f"Application Insights {insights}; Container Insights {front_end}."
