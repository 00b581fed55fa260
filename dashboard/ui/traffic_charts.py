"""The charts of scoring traffic: each asks one file of KQL, in a card of its own that the others do not wait for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from dashboard import context, navigation
from dashboard.ui import charts, errors, operation_words, ranges, sources, states, times
from services.monitoring import BLIND_SPOTS, ChartName
from services.operations.records import Operation


@dataclass(frozen=True, kw_only=True)
class Chart:
    """One chart: the query it asks, its title, and what draws it."""

    name: ChartName
    title: str
    figure: Callable[..., go.Figure]
    empty: str


LABEL_SHARE = 0.12
"""A label with the room around it takes about this share of the chart's width."""
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
    """What the desk changed in the range, to be drawn on every chart."""
    return marked(context.services().monitoring.changes(range_.span, services=services), range_)


def marked(changes: Iterable[Operation], range_: ranges.Range) -> list[charts.Marker]:
    """A line for each change, oldest first; those close together share one label, so that none covers another."""
    groups: list[list[Operation]] = []
    for one in changes:
        if groups and _began(one) - _began(groups[-1][-1]) <= range_.duration * LABEL_SHARE:
            groups[-1].append(one)
        else:
            groups.append([one])
    middle = range_.start + range_.duration / 2
    return [marker for group in groups for marker in _lines_of(group, is_late=_began(group[-1]) >= middle)]


def _lines_of(group: list[Operation], *, is_late: bool) -> Iterator[charts.Marker]:
    """The lines of one group; its label points to the chart's middle, where its edge cannot cut it off."""
    words = {MARKER_WORDS.get(one.kind, "change") for one in group}
    word = words.pop() if len(words) == 1 else "changes"
    label = f"{word} ×{len(group)}" if len(group) > 1 else word
    labelled = group[0] if is_late else group[-1]
    for one in group:
        yield charts.Marker(at=_began(one), label=label if one is labelled else "", is_label_left=is_late)


def _began(one: Operation) -> datetime:
    return one.started_at or one.requested_at


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
                st.caption(times.absolute(_began(one)), width="content")
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
