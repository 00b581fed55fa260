"""Incidents in words: severity, status and how long, the same on every screen."""

from __future__ import annotations

from typing import Literal

import streamlit as st

from dashboard import context
from dashboard.ui import times
from dashboard.ui.operation_words import escaped
from services.incident_records import SEVERITIES, Incident

Colour = Literal["red", "orange", "green", "gray", "blue"]

ICON = ":material/emergency_home:"
_STATUS: dict[str, tuple[str, Colour, str]] = {
    "open": (":material/local_fire_department:", "red", "It hurts somebody, and is being worked on."),
    "stable": (":material/healing:", "orange", "The trouble is over; the review is still to be written."),
    "closed": (":material/task_alt:", "gray", "It is over and was reviewed."),
}
_SEVERITY_COLOUR: dict[int, Colour] = {1: "red", 2: "red", 3: "orange", 4: "gray"}
NOBODY = "nobody leads it yet"


def severity(number: int) -> str:
    """`SEV2`."""
    return f"SEV{number}"


def severity_choice(number: int) -> str:
    """`SEV2 – much of it fails`, for a list to choose from."""
    return f"SEV{number} – {SEVERITIES[number]}"


def lasts(incident: Incident) -> str:
    """`open 18 min`, `stable after 18 min`, `closed after 18 min`."""
    span = times.span(incident.lasted(context.now()))
    return f"open {span}" if incident.status == "open" else f"{incident.status} after {span}"


def badges(incident: Incident) -> None:
    """Draw status with how long, and severity."""
    icon, colour, meaning = _STATUS[incident.status]
    st.badge(lasts(incident), icon=icon, color=colour, help=meaning)
    st.badge(
        severity(incident.severity),
        color=_SEVERITY_COLOUR[incident.severity],
        help=f"Severity {incident.severity} of 4: {SEVERITIES[incident.severity]}.",
    )


def commander(incident: Incident) -> str:
    """Who leads it, for Markdown."""
    return f"commander: {escaped(incident.commander)}" if incident.commander else NOBODY


def where(incident: Incident) -> str:
    """The services it hurts, for Markdown."""
    return escaped(", ".join(incident.services)) if incident.services else "no service named"
