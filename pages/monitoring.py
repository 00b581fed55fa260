"""Monitoring: rate, latency, errors by true code, replicas, compared and with what changed, the query beneath each chart."""

from __future__ import annotations

import streamlit as st

from dashboard import context, reads_services
from dashboard.ui import (
    filters,
    headings,
    monitoring_blind,
    monitoring_events,
    monitoring_figures,
    monitoring_objectives,
    monitoring_verdicts,
    ranges,
    traffic_charts,
)

headings.title(
    "Monitoring",
    "Request rate, latency and errors by true code, from the custom properties of the telemetry: "
    "its standard columns say success for every failure of a v1 service. Draw across a chart to zoom all of them.",
)

CHARTS, OBJECTIVES = "Charts", "Objectives"

names = [listed.service.name for listed in reads_services.listed()]
view = filters.view("Part", [CHARTS, OBJECTIVES], help="The charts, or the objectives of all services.")
with filters.bar():
    range_ = ranges.choose()
    ranges.back()
    chosen = filters.several("Services", names, key="services", help="Several are compared; none means all.")
    compare = filters.one("Compare with", traffic_charts.COMPARISONS, key="compare", every="nothing")
    ours = filters.switch("With our probes and tests", key="ours", help="Requests of this desk itself.")
    follow = filters.switch("Refresh", key="refresh", value=True, help="Ask again every 30 s; a custom range stays.")

every = "30s" if follow and range_.name in ranges.NAMES else None
events = monitoring_events.happened(range_, chosen)
asked = traffic_charts.Asked(
    range_=range_,
    services=tuple(chosen),
    ours=ours,
    bands=tuple(monitoring_events.bands(events, range_)),
    compare=compare or "",
)
if view == OBJECTIVES:
    monitoring_objectives.show(chosen)
    st.stop()
monitoring_blind.show(chosen)
monitoring_verdicts.legend(events, drawn_before=traffic_charts.drawn(traffic_charts.ALL[0]), every=every)
traffic_charts.grid(traffic_charts.ALL, asked, every=every)
traffic_charts.wait_for_first(asked)
monitoring_figures.table(context.services(), range_, chosen, ours=ours)
