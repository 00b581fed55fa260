"""How the affected services do now, and since before it began: figures, errors by code and latency with what happened."""

from __future__ import annotations

from datetime import timedelta

import plotly.graph_objects as go
import streamlit as st

from dashboard import context, reads, reads_incidents
from dashboard.ui import charts, errors, headings, monitoring_events, ranges, service_words, states, tables, times
from services.errors import DeskError
from services.incident_records import Incident
from services.incident_story import Figures
from services.webservices import ListedService

BEFORE = timedelta(minutes=20)
"""So much of the time before it began is drawn, to compare with."""
SHORTEST = timedelta(minutes=30)
CLOSELY, USUALLY = "5s", "15s"


def every(incident: Incident) -> str | None:
    """How often an incident's screen asks again; a closed one stays as it is."""
    if not incident.is_open:
        return None
    return CLOSELY if incident.is_focused else USUALLY


def figures(incident: Incident) -> None:
    """Show states and the last five minutes; larger in incident mode."""
    st.fragment(_figures, run_every=every(incident))(incident)


def chart(incident: Incident) -> None:
    """Show errors and latency from before it began until now."""
    st.fragment(_charts, run_every=every(incident))(incident)


def range_of(incident: Incident) -> ranges.Range:
    """From a while before it began until now, or until a while after it was over."""
    end = min(context.now(), incident.closed_at + BEFORE) if incident.closed_at else context.now()
    start = min(incident.started_at - BEFORE, end - SHORTEST)
    return ranges.between(max(start, end - timedelta(days=30)), end)


def affected(incident: Incident) -> list[ListedService]:
    """The affected services that are there, the worst first."""
    return [listed for listed in reads.services() if listed.service.name in incident.services]


def asked(incident: Incident) -> Figures | None:
    """The last five minutes; None when telemetry has nothing or does not answer, which is said here."""
    try:
        return reads_incidents.figures(incident.services)
    except DeskError as error:
        errors.show(error)
        return None


def texts(found: Figures | None) -> list[tuple[str, str, str]]:
    """The figures as label, value and what they mean."""
    window = "of the last 5 min, our own probes and tests left out"
    if found is None:
        return [
            (label, "–", f"Not known: no request was recorded {window}.") for label in ("Errors", "p95", "Requests")
        ]
    return [
        ("Errors", service_words.share(found.error_share), f"{found.errors:,} of {found.requests:,} failed, {window}."),
        ("p95", service_words.milliseconds(found.p95_ms), f"The slowest affected service's p95 {window}."),
        ("Requests", f"{found.requests:,}", f"Recorded requests {window}."),
    ]


def _figures(incident: Incident) -> None:
    listed = affected(incident)
    if not incident.services:
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        for one in listed:
            states.badge(one.word, detail=one.service.name if len(listed) > 1 else "")
        st.caption(f"last 5 min, asked {times.absolute(context.now())}", width="content")
    found = asked(incident)
    with st.grid(3, min_column_width=100):
        for label, value, help in texts(found):
            if incident.is_focused:
                with st.container(border=True, gap="xsmall"):
                    st.caption(f"{label}, last 5 min", help=help)
                    st.title(value, anchor=False)
            else:
                st.metric(f"{label}, last 5 min", value, help=help)


def _charts(incident: Incident) -> None:
    if not incident.services:
        return
    headings.section("Errors and latency", "Of the affected services; the bands are what happened meanwhile.")
    with errors.explained():
        draw(incident)


def draw(incident: Incident, *, key: str = "incident") -> None:
    """Draw both charts over one axis of time."""
    range_ = range_of(incident)
    bands = monitoring_events.bands(monitoring_events.happened(range_, incident.services), range_)
    monitoring = context.services().monitoring
    failed = monitoring.chart("errors_by_code", range_.span, services=incident.services)
    slow = monitoring.chart("latency", range_.span, services=incident.services)
    _plot(
        charts.codes(failed.frame(), range_, bands=bands), f"{key}-codes", "Failed requests by code", "failed request"
    )
    _plot(charts.latency(slow.frame(), range_, bands=bands), f"{key}-latency", "Latency in the container", "request")


def _plot(figure: go.Figure, key: str, title: str, what: str) -> None:
    st.markdown(f"**{title}**")
    if any(len(trace["x"]) for trace in figure.data):
        st.plotly_chart(figure, key=key, alt=title, config={"displaylogo": False, "displayModeBar": False})
    else:
        tables.nothing(f"No {what} is in the telemetry of this time.", icon=":material/show_chart:")
