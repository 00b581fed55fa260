"""Incident: one incident: what it is, what may have done it, what happened so far, and its review."""

from __future__ import annotations

import streamlit as st

from dashboard import frame, navigation, reads_incidents
from dashboard.ui import (
    errors,
    filters,
    headings,
    incident_header,
    incident_notes,
    incident_pulse,
    incident_review,
    incident_suspects,
    incident_timeline,
    incident_wall,
    incident_words,
    operation,
    tables,
)

NOW = "Incident"
SENTENCE = "One incident: what it is, what may have done it, what happened so far, and its review."

incident_id = filters.wanted("id")
found = reads_incidents.find(incident_id) if incident_id else None
if found is None:
    headings.title("Incident", SENTENCE)
    tables.nothing(
        f"There is no incident {incident_id} here." if incident_id else "This address does not say which incident.",
        next_step=lambda: navigation.link("incidents", "All incidents", icon=incident_words.ICON),
    )
    st.stop()
if frame.is_wall():
    incident_wall.show(found.id)
    st.stop()

navigation.link("incidents", "All incidents", icon=incident_words.ICON)
incident_header.show(found)
view = filters.view("View", [NOW, incident_header.REVIEW])
if view == incident_header.REVIEW:
    incident_review.show(found)
else:
    # Drawn first is what is there at once; what the telemetry has to be asked for fills its place when it comes.
    pulse = st.container()
    left, right = st.columns([3, 2], gap="medium")
    with right:
        incident_notes.show(found)
    with left, errors.explained():
        incident_suspects.show(reads_incidents.story(found.id))
    with right:
        incident_timeline.show(found)
    with pulse:
        incident_pulse.figures(found)
        for name in found.services:
            operation.running(subject=name, ended=reads_incidents.forget)
    with left:
        incident_suspects.causes_of(found)
        incident_pulse.chart(found)
