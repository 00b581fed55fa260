"""Monitoring: request rate, latency and errors by true code, per service and compared, with the query beneath each chart."""

from __future__ import annotations

import streamlit as st

from dashboard import context, reads_services
from dashboard.ui import filters, headings, monitoring_notes, ranges, traffic_charts

headings.title(
    "Monitoring",
    "Request rate, latency and errors by true code, from the custom properties of the telemetry: "
    "its standard columns say success for every failure of a v1 service.",
)

names = [listed.service.name for listed in reads_services.listed()]
with filters.bar():
    range_ = ranges.choose()
    chosen = filters.several("Services", names, key="services", help="Several are compared; none means all.")
    ours = filters.switch("With our probes and tests", key="ours", help="Requests of this desk itself.")
    follow = filters.switch("Refresh", key="refresh", value=True, help="Ask again every 30 s; a custom range stays.")

monitoring_notes.show(context.services(), chosen)
every = "30s" if follow and range_.name in ranges.NAMES else None
markers = traffic_charts.markers(range_, chosen)
traffic_charts.changes(range_, chosen)
for chart in traffic_charts.ALL:
    with st.container(border=True):
        traffic_charts.card(chart, range_, services=chosen, ours=ours, markers=markers, every=every)
monitoring_notes.table(context.services(), range_, chosen, ours=ours)
