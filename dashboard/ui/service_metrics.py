"""The last hour of one service in three charts, and the way to Monitoring."""

from __future__ import annotations

import streamlit as st

from dashboard import context, navigation
from dashboard.ui import monitoring_blind, ranges, traffic_charts
from services.webservices import ListedService


def show(listed: ListedService) -> None:
    """Show rate, latency and errors of the last hour."""
    name = listed.service.name
    monitoring_blind.show([name])
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
    asked = traffic_charts.Asked(range_=range_, services=(name,), ours=ours, bands=traffic_charts.bands(range_, [name]))
    traffic_charts.grid(traffic_charts.MAIN, asked)
