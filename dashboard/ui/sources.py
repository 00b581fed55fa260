"""How old what is shown is, and where it came from."""

from __future__ import annotations

from datetime import datetime

import streamlit as st

from dashboard.ui import times


def show(*, read_at: datetime | None, of: str = "Azure", store: str = "the database") -> None:
    """Say the age of a list: `updated 6 s ago · from the database, read from Azure 14:05:12 UTC`."""
    st.caption(line(read_at=read_at, of=of, store=store), help=times.hover(read_at))


def line(*, read_at: datetime | None, of: str = "Azure", store: str = "the database") -> str:
    """The same as text."""
    if read_at is None:
        return f"Nothing has been read from {of} yet."
    return f"updated {times.ago(read_at)} · from {store}, read from {of} {times.absolute(read_at)}"


def live(*, read_at: datetime, of: str = "Azure Monitor", seconds: float | None = None) -> None:
    """Say the age of a live answer, shared for 15 s: `read 4 s ago from Azure Monitor, in 0.8 s`."""
    took = f", in {times.span(seconds)}" if seconds is not None else ""
    st.caption(f"read {times.ago(read_at)} from {of}{took}", help=times.hover(read_at))
