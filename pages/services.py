"""Services: every web service of the workspace, worst first."""

from __future__ import annotations

import streamlit as st

from dashboard import context, navigation, reads_services
from dashboard.ui import filters, headings, service_table, sources

headings.title("Services", "Every web service of the workspace, worst first. Open one to operate it.")

listed = reads_services.listed()
with filters.bar():
    search = filters.text("Search", key="q", placeholder="name, model, application")
    stage = filters.one("Stage", service_table.stages(listed), key="stage")
    state = filters.several("State", service_table.states_of(listed), key="state")
    auth = filters.one("Authentication", service_table.AUTH_WORDS, key="auth")
    compute = filters.one("Compute", service_table.computes(listed), key="compute")

found = service_table.matching(listed, search=search, stage=stage, states=state, auth=auth, compute=compute)


@st.fragment(run_every="5s")
def freshness() -> None:
    """Say how old the list is, and draw it anew when it has changed."""
    sources.show(read_at=context.services().webservices.read_at())
    if reads_services.listed() != listed:
        st.rerun()


def go_deploy() -> None:
    """The next step of a workspace without services."""
    navigation.link("deploy", "Deploy a model", icon=":material/rocket_launch:")


service_table.show(
    found,
    reads_services.last_changes(),
    empty="No service matches these filters: clear one of them." if listed else "Nothing is deployed here yet.",
    next_step=None if listed else go_deploy,
)
freshness()
