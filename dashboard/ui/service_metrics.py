"""The last hour of one service in three small charts, and the way to Monitoring."""

from __future__ import annotations

import streamlit as st

from dashboard import context, navigation
from dashboard.ui import charts, errors, operation_words, ranges, service_header, service_words
from services.monitoring import BLIND_SPOTS, ChartName, Span
from services.webservices import ListedService


def show(listed: ListedService) -> None:
    """Show rate, latency and errors of the last hour."""
    name = listed.service.name
    if service_words.insights(listed.service) == "off":
        st.warning(
            "Application Insights is off: nothing is recorded, and these charts are blind.",
            icon=":material/visibility_off:",
        )
        service_header.open_view("Turn it on under Configuration", "Configuration", key="metrics-configuration")
    with st.container(horizontal=True, vertical_alignment="center"):
        ours = st.toggle(
            "With our own probes and tests",
            key="ours",
            bind="query-params",
            help="Requests of this desk itself; left out, they do not flatter the figures.",
        )
        st.space("stretch")
        navigation.filtered(
            "monitoring",
            "Longer ranges and comparison in Monitoring",
            key="to-monitoring",
            icon=":material/show_chart:",
            services=[name],
        )
    range_ = ranges.last("1h", now=context.now())
    markers = _markers(name, range_)
    left, right = st.columns(2)
    with left:
        _chart("request_rate", "Requests", name, range_, ours=ours, markers=markers)
        _chart("errors_by_code", "Errors by code", name, range_, ours=ours, markers=markers)
    with right:
        _chart("latency", "Latency in the container", name, range_, ours=ours, markers=markers)


@st.fragment(parallel=True)
def _chart(
    chart: ChartName, title: str, name: str, range_: ranges.Range, *, ours: bool, markers: list[charts.Marker]
) -> None:
    with errors.explained():
        span = Span(start=range_.start, end=range_.end, step=range_.step)
        table = context.services().monitoring.chart(chart, span, services=[name], include_ours=ours)
        if table.partial:
            st.warning(f"This is not all of it: {operation_words.escaped(table.partial)}")
        figure = _FIGURES[chart](table.frame(), range_, markers=markers)
        charts.draw(
            figure,
            key=f"service-{chart}",
            title=title,
            alt=f"{title} of {name} in the last hour.",
            blind_to=BLIND_SPOTS[chart],
            query=table.query,
            empty=_EMPTY[chart],
        )


def _markers(name: str, range_: ranges.Range) -> list[charts.Marker]:
    span = Span(start=range_.start, end=range_.end, step=range_.step)
    found = context.services().monitoring.changes(span, services=[name])
    return [charts.Marker(at=one.requested_at, label=operation_words.kind(one.kind)) for one in found]


_EMPTY = {
    "request_rate": "No request was recorded in the last hour: send a test request, or look again in a minute.",
    "latency": "No request was recorded in the last hour.",
    "errors_by_code": "No failed request was recorded in the last hour.",
}
_FIGURES = {"request_rate": charts.rate, "latency": charts.latency, "errors_by_code": charts.codes}
