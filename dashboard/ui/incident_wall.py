"""An incident on a wall screen: no controls, a huge state, the figures, the charts and the end of the timeline."""

from __future__ import annotations

import plotly.graph_objects as go
import streamlit as st

from dashboard import context, frame, reads_incidents
from dashboard.ui import errors, incident_pulse, incident_timeline, incident_words, states, times
from dashboard.ui.operation_words import escaped
from services.incident_records import Incident

TAIL = 8
HUGE = 76
"""Points; the longest word still fits on a phone."""
COLOURS = {"open": "#DC2626", "stable": "#D97706", "closed": "#059669"}


def show(incident_id: str) -> None:
    """Show it, refreshed by itself for as long as it hangs there."""
    st.fragment(_draw, run_every=incident_pulse.CLOSELY)(incident_id)


def _draw(incident_id: str) -> None:
    with errors.explained():
        incident = context.services().incidents.get(incident_id)
        _state(incident)
        st.title(f"{incident.id} {escaped(incident.title)}", anchor=False)
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            frame.local_mark()
            incident_words.badges(incident)
            st.markdown(incident_words.commander(incident), width="content")
            for listed in incident_pulse.affected(incident):
                states.badge(listed.word, detail=listed.service.name)
        with st.grid(3, min_column_width=110):
            for label, value, _ in incident_pulse.texts(incident_pulse.asked(incident)):
                with st.container(border=True, gap="xsmall"):
                    st.caption(f"{label}, last 5 min")
                    st.title(value, anchor=False)
        charts, tail = st.columns([3, 2], gap="medium")
        with charts, errors.explained():
            incident_pulse.draw(incident, key="wall")
        with tail:
            for entry in reversed(reads_incidents.story(incident.id).entries[-TAIL:]):
                incident_timeline.line(entry, is_linked=False)
        st.caption(f"asked {times.absolute(context.now())}, again every 5 s")


def _state(incident: Incident) -> None:
    figure = go.Figure()
    figure.add_annotation(
        text=f"<b>{incident.status.upper()}</b>",
        x=0,
        y=0.5,
        xref="paper",
        yref="paper",
        xanchor="left",
        showarrow=False,
        font={"size": HUGE, "color": COLOURS[incident.status]},
    )
    figure.update_xaxes(visible=False)
    figure.update_yaxes(visible=False)
    figure.update_layout(height=HUGE + 24, margin={"l": 0, "r": 0, "t": 0, "b": 0})
    word = f"{incident.id} is {incident.status}"
    st.plotly_chart(figure, key="wall-state", alt=word, config={"displayModeBar": False, "staticPlot": True})
