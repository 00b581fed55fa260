"""Operations: what is running, what ran, and the audit log of who did what."""

from __future__ import annotations

import streamlit as st

from dashboard.ui import filters, headings, operation

headings.title("Operations", "What is running, what ran, and the audit log of who did what.")

opened = filters.wanted("operation")
if opened:
    operation.show(opened)
    st.stop()

operation.running(empty="Nothing runs now.")
