"""What stands above every view of one service: name, state, where it runs, address, access, insights, replicas."""

from __future__ import annotations

import streamlit as st

from dashboard import reads_services
from dashboard.ui import headings, incident_open, operation_words, service_words, states
from services.webservices import ListedService


def show(listed: ListedService) -> None:
    """Show the header; it follows the service by itself, and draws the screen anew when the service has changed."""
    service = listed.service
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        with st.container(width="content"):
            headings.title(service.name, _where(listed))
        st.space("stretch")
        incident_open.button(service=service.name, key="service-incident")
        st.button("Test", key="go-test", icon=":material/labs:", on_click=_view, args=("Tests",))
    _facts(listed)
    if service.scoring_uri:
        st.code(service.scoring_uri, language=None, wrap_lines=True)
    else:
        st.caption("It has no address yet: Azure gives one when it has started once.")


def open_view(label: str, view: str, *, key: str, icon: str | None = None) -> None:
    """Show a button that leads to another view of the same service."""
    st.button(label, key=key, icon=icon, on_click=_view, args=(view,))


@st.fragment(run_every="5s")
def _facts(before: ListedService) -> None:
    listed = reads_services.find(before.service.name)
    if listed is None or _changed(before, listed):
        st.rerun()
    service = listed.service
    _, icon, colour, sentence = service_words.AUTH[service.auth]
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        states.badge(listed.word)
        if service.broken:
            return
        st.badge(_access(listed), icon=icon, color=colour, help=sentence)
        is_recorded = service_words.insights(service) == "on"
        st.badge(
            f"Application Insights {service_words.insights(service)}",
            icon=":material/insights:" if is_recorded else ":material/visibility_off:",
            color="gray" if is_recorded else "orange",
            help="Requests are recorded." if is_recorded else "Nothing is recorded: this service has no charts.",
        )
        st.badge(_replicas(listed), icon=":material/content_copy:", color="gray", help="Answering of wanted.")


def _changed(before: ListedService, now: ListedService) -> bool:
    """Whether more than the age of what was read is new."""
    return (before.service, before.state, before.summary) != (now.service, now.state, now.summary)


def _where(listed: ListedService) -> str:
    service = listed.service
    stage = listed.stage or "no stage"
    parts = (service_words.compute(service), stage, listed.application, service_words.models(service))
    return operation_words.escaped(" · ".join(part for part in parts if part))


def _access(listed: ListedService) -> str:
    word = service_words.auth(listed.service)
    if word == "anonymous":
        return "anonymous"
    return f"{word} authentication" if word != service_words.UNKNOWN else "access not known"


def _replicas(listed: ListedService) -> str:
    text = service_words.replicas(listed.service)
    if service_words.UNKNOWN in text:
        return "replicas not known"
    return text if "container" in text else f"{text} replica{'' if text.endswith(' 1') else 's'}"


def _view(view: str) -> None:
    st.session_state["view"] = view
