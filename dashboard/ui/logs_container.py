"""The log of one service as it is now, and the way to the worst ones."""

from __future__ import annotations

import streamlit as st

from dashboard import navigation, reads_services
from dashboard.ui import filters, logs_choice, service_logs, states, tables


def show() -> None:
    """Choose a service and read its log."""
    names = [listed.service.name for listed in reads_services.listed()]
    if not names:
        tables.nothing(
            "Nothing is deployed here yet, so nothing writes a log.",
            next_step=lambda: navigation.link("deploy", "Deploy a model", icon=":material/rocket_launch:"),
        )
        return
    name = filters.one("Service", names, key="of", every="Choose a service", help="The worst is first.")
    found = reads_services.find(name) if name else None
    if found is None:
        tables.nothing("Choose a service to read its log." if not name else f"{name} was deleted meanwhile.")
        logs_choice.worst(reads_services.listed())
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        states.badge(found.word)
        navigation.link("service", f"Open {found.service.name}", icon=":material/dns:", name=found.service.name)
    service_logs.log(found.service.name, linked=True)
