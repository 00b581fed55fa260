"""The last hour of one service in three small charts, and the way to Monitoring."""

from __future__ import annotations

import streamlit as st

from dashboard import context, navigation
from dashboard.ui import ranges, service_header, service_words, traffic_charts
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
    markers = traffic_charts.markers(range_, [name])
    for chart in traffic_charts.ALL:
        with st.container(border=True):
            traffic_charts.card(chart, range_, services=[name], ours=ours, markers=markers)
