"""Ways from one part of the Logs screen to another, which a link cannot be: its filters belong to widgets."""

from __future__ import annotations

from typing import Any

import streamlit as st

LOG, PREVIOUS, FAILURES, REQUEST, SEARCH, QUERIES = "Log", "Previous", "Failures", "Request", "Search", "Queries"
FREE = ("group", "snapshot")
"""Parts of the address that belong to no widget."""


def button(label: str, *, key: str, view: str, icon: str | None = None, help: str | None = None, **parts: Any) -> None:
    """Go to another part with these in the address: `button("Open", key=…, view=REQUEST, request=id)`."""
    st.button(label, key=key, icon=icon, help=help, type="tertiary", on_click=go, args=(view,), kwargs=parts)


def go(view: str, **parts: Any) -> None:
    """The same, in a callback."""
    for name, value in parts.items():
        if name in FREE:
            st.query_params[name] = value
        else:
            st.session_state[name] = value
    st.session_state["view"] = view
