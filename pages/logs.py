"""Logs: the container's log of one service: tail, init, follow and filter, scrubbed of keys."""

from __future__ import annotations

import streamlit as st

from dashboard import navigation, reads_services
from dashboard.ui import filters, headings, logs_choice, service_logs, states, tables

headings.title("Logs", "The container's log of one service: tail, init container, follow and filter; keys are hidden.")

names = [listed.service.name for listed in reads_services.listed()]
if not names:
    tables.nothing(
        "Nothing is deployed here yet, so nothing writes a log.",
        next_step=lambda: navigation.link("deploy", "Deploy a model", icon=":material/rocket_launch:"),
    )
    st.stop()

name = filters.one("Service", names, key="of", every="Choose a service", help="The worst is first.")
found = reads_services.find(name) if name else None
if found is None:
    tables.nothing("Choose a service to read its log." if not name else f"{name} was deleted meanwhile.")
    logs_choice.worst(reads_services.listed())
    st.stop()

with st.container(horizontal=True, vertical_alignment="center"):
    states.badge(found.word)
    navigation.link("service", f"Open {name}", icon=":material/dns:", name=name)
service_logs.log(found.service.name)
