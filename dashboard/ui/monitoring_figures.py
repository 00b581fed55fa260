"""The range in figures: a row per service, beside the charts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dashboard.ui import errors, headings, monitoring_query, ranges, tables, times

if TYPE_CHECKING:
    from services.bootstrap import Desk


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
        monitoring_query.beneath(found, span=range_.span, key="figures")
