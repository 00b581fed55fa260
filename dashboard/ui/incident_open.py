"""Open an incident: by hand, from an alert or from a service. Where one is open already, this is the way to it.

incident_open.button(key="incidents-open")                           # by hand
incident_open.button(service="wine-prod", key="service-incident")    # from a service
incident_open.button(alert=alert, key=f"alert-incident-{alert.id}")  # from an alert
"""

from __future__ import annotations

import streamlit as st

from dashboard import actions, context, navigation, reads, reads_incidents
from dashboard.ui import incident_words
from services.alerts import Alert
from services.incident_records import DEFAULT_SEVERITY, LONGEST_TITLE, SEVERITIES, Incident


def button(
    service: str | None = None, alert: Alert | None = None, *, key: str, look: actions.Look = "secondary"
) -> None:
    """Show the button, or the link to the incident that is open about the same service."""
    about = alert.service if alert else service
    existing = open_of(about) if about else None
    if existing:
        link(existing)
        return
    actions.button(
        "Open an incident",
        lambda asked: _open(asked, about, alert, key=key),
        key=key,
        ask=_question(about, alert),
        detail=lambda: _fields(about, key=key),
        confirm="Open it",
        command="incident.open",
        clears=(*reads_incidents.CHANGED, reads.matters),
        then=lambda incident_id: navigation.go("incident", id=incident_id),
        look=look,
        icon=incident_words.ICON,
    )


def link(incident: Incident) -> None:
    """Show the way to an open incident."""
    navigation.link(
        "incident", f"{incident.id}, {incident_words.lasts(incident)}", icon=incident_words.ICON, id=incident.id
    )


def open_of(service: str) -> Incident | None:
    """The worst open incident a service is part of."""
    return next((found for found in reads_incidents.open_now() if service in found.services), None)


def _question(about: str | None, alert: Alert | None) -> str:
    if alert:
        return (
            "It takes the alert's words as its title, and its start from the first bad request. Its timeline builds "
            "itself from what the desk records anyway."
        )
    if about:
        return (
            "Its start is the first bad request of this service, where telemetry shows one. Its timeline builds itself "
            "from what the desk records anyway."
        )
    return "Its start is the first bad request of these services, where telemetry shows one; you can change it later."


def _fields(about: str | None, *, key: str) -> None:
    st.selectbox(
        "Severity",
        list(SEVERITIES),
        index=list(SEVERITIES).index(DEFAULT_SEVERITY),
        format_func=incident_words.severity_choice,
        key=f"{key}-severity",
    )
    if about is None:
        st.text_input(
            "What fails",
            key=f"{key}-title",
            max_chars=LONGEST_TITLE,
            placeholder="wine prod answers 502",
            live=True,
        )
        st.multiselect(
            "Affected services",
            [listed.service.name for listed in reads.services()],
            key=f"{key}-services",
            help="The worst is first. More can be added later.",
        )


def _open(asked: actions.Asked, about: str | None, alert: Alert | None, *, key: str) -> str:
    incidents = context.services().incidents
    severity = int(st.session_state.get(f"{key}-severity", DEFAULT_SEVERITY))
    if alert:
        return incidents.open_from_alert(asked.by, alert, severity=severity).id
    if about:
        return incidents.open_from_service(asked.by, about, severity=severity).id
    return incidents.open_by_hand(
        asked.by,
        title=st.session_state.get(f"{key}-title", ""),
        services=st.session_state.get(f"{key}-services", ()),
        severity=severity,
    ).id
