"""What stands around the charts: which services they are blind to, and the figures of the range as a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import streamlit as st

from dashboard import navigation
from dashboard.ui import errors, headings, ranges, tables, times

if TYPE_CHECKING:
    from services.bootstrap import Desk

MOST_NAMED = 6


def show(desk: Desk, services: Sequence[str]) -> None:
    """Say for which services nothing can be seen, because their Application Insights is off."""
    off = desk.monitoring.insights_off(services)
    if not off:
        return
    named = ", ".join(off[:MOST_NAMED]) + (f" and {len(off) - MOST_NAMED} more" if len(off) > MOST_NAMED else "")
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(
            f":orange-badge[:material/visibility_off: blind] Application Insights is off for {named}: "
            "these charts cannot see them.",
            width="content",
        )
        navigation.link("service", f"Turn it on for {off[0]}", name=off[0], view="Configuration")


def table(desk: Desk, range_: ranges.Range, services: Sequence[str], *, ours: bool) -> None:
    """The range in figures, a row per service: what one would send to a colleague."""
    with errors.explained():
        headings.section(
            "In figures", f"{range_.label}, per service; the percentiles are of the requests counted beside them."
        )
        found = desk.monitoring.chart("service_summary", range_.span, services=services, include_ours=ours)
        rows = [
            {
                "service": row["Service"],
                "n": row["n"],
                "errors": row["errors"],
                "rate": 100 * row["errors"] / row["n"] if row["n"] else None,
                "soft": row["soft"],
                "p50": row["p50"],
                "p95": row["p95"],
                "p99": row["p99"],
                "last": row["lastRow"],
            }
            for row in found.dicts()
        ]
        tables.show(
            rows,
            key="monitoring-figures",
            alt="Requests, failures and latency per service in the chosen range.",
            columns={
                "service": tables.text("Service", pinned=True),
                "n": tables.number("Requests"),
                "errors": tables.number("Failed"),
                "rate": tables.number("Failed", unit="%", decimals=2),
                "soft": tables.number(
                    "Failed inside a 200", help="Answered with 200, though the answer itself says that it failed."
                ),
                "p50": tables.number("p50", unit="ms", help="Whole milliseconds; 0 means below 1 ms."),
                "p95": tables.number("p95", unit="ms"),
                "p99": tables.number("p99", unit="ms"),
                "last": times.column("Last request"),
            },
            empty="Telemetry has no request of these services in this range.",
        )
        with st.expander("Query", icon=":material/code:", key="figures-query"):
            st.code(found.query, language=None, wrap_lines=True)
