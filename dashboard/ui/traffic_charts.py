"""The charts of scoring traffic: each asks one file of KQL, in a card of its own that the others do not wait for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from dashboard import context, navigation
from dashboard.ui import charts, errors, operation_words, ranges, sources, states, times
from services.monitoring import BLIND_SPOTS, ChartName


@dataclass(frozen=True, kw_only=True)
class Chart:
    """One chart: the query it asks, its title, and what draws it."""

    name: ChartName
    title: str
    figure: Callable[..., go.Figure]
    empty: str


LABEL_SHARE = 0.08
"""A label takes about this share of the chart's width."""
MARKER_WORDS = {
    "service.deploy": "deployed",
    "service.update": "changed",
    "keys.regenerate": "new key",
    "keys.set": "new key",
    "keys.rotate_idle": "rotation",
    "keys.rotate_other": "rotation",
}


def rate(frame: pd.DataFrame, range_: ranges.Range, *, markers: Iterable[charts.Marker] = ()) -> go.Figure:
    """Requests a minute; the step that has not ended yet is left out, or every line would fall at its end."""
    ended = frame[frame["TimeGenerated"] + range_.step <= pd.Timestamp(context.now())] if not frame.empty else frame
    return charts.rate(frame if ended.empty else ended, range_, markers=markers)


def latency(frame: pd.DataFrame, range_: ranges.Range, *, markers: Iterable[charts.Marker] = ()) -> go.Figure:
    """All three percentiles of one service; of several only p95, which the axis says: more lines nobody could tell apart."""
    if frame["Service"].nunique() <= 1:
        return charts.latency(frame, range_, markers=markers)
    rows = frame.rename(columns={"TimeGenerated": "at", "Service": "series", "p95": "value"})
    return charts.lines(rows, range_, unit="ms (p95)", markers=markers, format_=",.0f")


ALL: tuple[Chart, ...] = (
    Chart(
        name="request_rate",
        title="Requests",
        figure=rate,
        empty="No request arrived in this range: choose a longer one, or send a test request.",
    ),
    Chart(
        name="latency",
        title="Latency in the container",
        figure=latency,
        empty="No request arrived in this range, so there is no latency to show.",
    ),
    Chart(
        name="errors_by_code",
        title="Failed requests by true code",
        figure=charts.codes,
        empty="No failed request was seen in this range.",
    ),
)


def card(
    chart: Chart,
    range_: ranges.Range,
    *,
    services: Sequence[str],
    ours: bool,
    markers: Iterable[charts.Marker] = (),
    every: str | None = None,
) -> None:
    """Draw one chart; with `every` it asks again by itself, and only it is drawn anew."""
    draw = st.fragment(_draw, parallel=every is None, run_every=every)
    draw(chart, range_, services=tuple(services), ours=ours, markers=tuple(markers))


def markers(range_: ranges.Range, services: Sequence[str]) -> list[charts.Marker]:
    """What the desk changed in the range, to be drawn on every chart; labels only where they do not cover each other."""
    found: list[charts.Marker] = []
    labelled_at = range_.start - range_.duration
    for one in context.services().monitoring.changes(range_.span, services=services):
        at = one.started_at or one.requested_at
        has_room = at - labelled_at > range_.duration * LABEL_SHARE and range_.end - at > range_.duration * LABEL_SHARE
        if has_room:
            labelled_at = at
        found.append(charts.Marker(at=at, label=MARKER_WORDS.get(one.kind, "change") if has_room else ""))
    return found


def changes(range_: ranges.Range, services: Sequence[str]) -> None:
    """List what the dotted lines of the charts stand for."""
    found = context.services().monitoring.changes(range_.span, services=services)
    if not found:
        return
    with st.expander(
        f"{len(found)} {'change' if len(found) == 1 else 'changes'} by the desk in this range: the dotted lines",
        icon=":material/timeline:",
    ):
        for one in reversed(found):
            with st.container(horizontal=True, vertical_alignment="center", gap="small"):
                st.caption(times.absolute(one.started_at or one.requested_at), width="content")
                states.badge(operation_words.state(one))
                st.markdown(operation_words.escaped(f"{one.title}, by {one.person_name}"), width="content")
                navigation.link("operations", "Open", operation=one.id)


def _draw(
    chart: Chart,
    range_: ranges.Range,
    *,
    services: tuple[str, ...],
    ours: bool,
    markers: tuple[charts.Marker, ...],
) -> None:
    with errors.explained():
        if range_.name in ranges.NAMES:
            # A card that refreshes itself moves on with the clock.
            range_ = ranges.last(range_.name, now=context.now())
        table = context.services().monitoring.chart(chart.name, range_.span, services=services, include_ours=ours)
        if table.partial:
            st.warning(f"This is not all of it: {operation_words.escaped(table.partial)}")
        frame: pd.DataFrame = table.frame()
        charts.draw(
            chart.figure(frame, range_, markers=markers),
            key=f"chart-{chart.name}",
            title=chart.title,
            alt=f"{chart.title} of {', '.join(services) or 'all services'}, {range_.label.lower()}.",
            blind_to=BLIND_SPOTS[chart.name],
            query=table.query,
            empty=chart.empty,
        )
        sources.live(read_at=context.now(), seconds=table.took_seconds)
