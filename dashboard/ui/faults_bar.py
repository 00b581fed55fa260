"""The bar above every screen while something goes wrong on purpose: nobody shall hunt for what was ordered."""

from __future__ import annotations

import streamlit as st

from dashboard import reads_causes
from dashboard.ui import times
from dashboard.ui.operation_words import escaped
from services.faults import words


def show() -> None:
    """Say each fault that holds, and when it ends."""
    for fault in reads_causes.faults_known():
        st.warning(
            f"A fault is on purpose: {escaped(words(fault))}, ends {times.ago(fault.until)}.",
            icon=":material/science:",
        )
