"""How old what is shown is, and where it came from."""

from __future__ import annotations

from datetime import datetime

import streamlit as st

from dashboard import context
from dashboard.ui import times


def show(*, read_at: datetime | None) -> None:
    """Say the age of a list: `updated 6 s ago · from the database, read from Azure ML 14:05:12 UTC`."""
    st.caption(line(read_at=read_at), help=times.hover(read_at))


def line(*, read_at: datetime | None) -> str:
    """The same as text."""
    source = "the local workspace" if context.services().is_local else "Azure ML"
    if read_at is None:
        return f"Nothing has been read from {source} yet."
    return f"updated {times.ago(read_at)} · from the database, read from {source} {times.absolute(read_at)}"


def live(*, read_at: datetime, seconds: float | None = None) -> None:
    """Say the age of a live answer, shared for 15 s: `read 4 s ago from Azure, in 0.8 s`."""
    source = "the local workspace" if context.services().is_local else "Azure"
    took = f", in {times.span(seconds)}" if seconds is not None else ""
    st.caption(f"read {times.ago(read_at)} from {source}{took}", help=times.hover(read_at))
