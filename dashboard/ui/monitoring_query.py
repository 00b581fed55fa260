"""The KQL beneath a chart, as it ran."""

from __future__ import annotations

import streamlit as st

from services.monitoring import Span


def beneath(query: str, *, span: Span, key: str) -> None:
    """Show the query a chart ran, to be copied."""
    with st.expander("Query", icon=":material/code:", key=f"{key}-query"):
        st.code(query, language=None, wrap_lines=True)
