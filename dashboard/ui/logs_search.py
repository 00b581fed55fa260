"""Search: what all services printed and raised, by their telemetry, with a text in it."""

from __future__ import annotations

import streamlit as st

from dashboard import context, reads_services
from dashboard.ui import errors, filters, logs_ways, ranges, tables, times
from services.traces import MOST, Trace

PURPOSE = (
    "What services print and raise, across all of them. Values are masked, they may be about people; "
    "a print carries no request id."
)


def show() -> None:
    """The newest lines that fit."""
    st.caption(PURPOSE)
    names = [listed.service.name for listed in reads_services.listed()]
    with filters.bar():
        range_ = ranges.choose()
        service = filters.one("Service", names, key="of", every="All services")
        text = filters.text("Text", key="find", placeholder="any case")
    with errors.explained():
        found = context.services().traces.search(
            context.person(), text, start=range_.start, end=range_.end, service=service
        )
        place = tables.choose(
            [_row(trace) for trace in found],
            key="traces",
            alt="What services printed and raised, newest first.",
            columns={
                "at": times.column("When", relative=False),
                "service": tables.text("Service"),
                "kind": tables.text("Kind"),
                "text": tables.text("Text", wide=True),
                "request": tables.text("Request id"),
            },
            empty="Nothing with this text was printed or raised in this range: telemetry is some seconds behind, "
            "and a service without Application Insights sends none.",
        )
        if len(found) >= MOST:
            st.caption(f"Only the newest {MOST} are shown: narrow the range or the text.")
        if place is not None and found[place].request_id:
            logs_ways.button(
                "Look into its request",
                key="trace-request",
                view=logs_ways.REQUEST,
                icon=":material/search:",
                request=found[place].request_id,
            )
        elif place is not None:
            st.caption("A print carries no request id: look at what happened around its time.")


def _row(trace: Trace) -> dict[str, object]:
    return {
        "at": trace.at,
        "service": trace.service,
        "kind": trace.kind,
        "text": trace.text,
        "request": trace.request_id,
    }
