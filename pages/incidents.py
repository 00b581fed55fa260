"""Incidents: what is open now, and every incident that was."""

from __future__ import annotations

import streamlit as st

from dashboard import navigation
from dashboard.ui import headings, incident_list, incident_open

with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
    with st.container(width="content"):
        headings.title("Incidents", "What is open now, and every incident that was, with its timeline and its review.")
    st.space("stretch")
    incident_open.button(key="incidents-open", look="primary")

incident_list.open_now()
headings.section("All incidents")
chosen = incident_list.show(incident_list.wanted())
if chosen:
    navigation.go("incident", id=chosen)
