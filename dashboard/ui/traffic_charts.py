"""The charts of scoring traffic: each asks one file of KQL, in a card of its own that the others do not wait for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from dashboard import context
from dashboard.ui import (
    charts,
    errors,
    monitoring_codes,
    monitoring_events,
    monitoring_query,
    monitoring_skeletons,
    monitoring_trust,
    operation_words,
    ranges,
)
from services.azuremonitor.tables import Table
from services.errors import DeskError
from services.monitoring import ChartName, Leading
from services.monitoring.trust import Trust
from services.monitoring.versions import labelled

Compare = Literal["", "the period before", "versions"]
COMPARISONS: tuple[Compare, ...] = ("the period before", "versions")


@dataclass(frozen=True, kw_only=True)
class Chart:
    """One chart: the query it asks, its title and unit, and what draws it."""

    name: ChartName
    title: str
    unit: str
    figure: Callable[..., go.Figure]
    empty: str
    compares: tuple[Compare, ...] = ()
    """What else can be drawn beside it."""
    is_per_service: bool = False
    """Whether it draws a line per service: then only of the busiest, where nobody chose and all are too many."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What all charts of a screen are about."""

    range_: ranges.Range
    services: tuple[str, ...]
    ours: bool = False
    bands: tuple[charts.Band, ...] = ()
    compare: Compare = ""

    @property
    def of_whom(self) -> str:
        """The services in words."""
        return ", ".join(self.services) or "all services"


def rate(frame: pd.DataFrame, range_: ranges.Range, **drawn: object) -> go.Figure:
    """Requests a minute; the step that has not ended yet is left out, or every line would fall at its end."""
    ended = frame[frame["TimeGenerated"] + range_.step <= pd.Timestamp(context.now())] if not frame.empty else frame
    return charts.rate(frame if ended.empty else ended, range_, **drawn)  # type: ignore[arg-type]


ALL: tuple[Chart, ...] = (
    Chart(
        name="request_rate",
        title="Requests",
        unit="a minute",
        figure=rate,
        empty="No request arrived in this range: choose a longer one, or send a test request.",
        compares=COMPARISONS,
        is_per_service=True,
    ),
    Chart(
        name="latency",
        title="Latency in the container",
        unit="ms",
        figure=charts.latency,
        empty="No request arrived in this range, so there is no latency to show.",
        compares=COMPARISONS,
        is_per_service=True,
    ),
    Chart(
        name="errors_by_code",
        title="Failed requests by true code",
        unit="a step",
        figure=charts.codes,
        empty="No failed request was seen in this range.",
        compares=("the period before",),
    ),
    Chart(
        name="replicas",
        title="Replicas and how many are busy",
        unit="dotted: busy ones",
        figure=charts.replicas,
        empty="No replica answered in this range.",
        is_per_service=True,
    ),
    Chart(
        name="latency_split",
        title="Where the time goes",
        unit="ms on average",
        figure=charts.split,
        empty="No request arrived in this range, so there is no time to split.",
    ),
    Chart(
        name="latency_heat",
        title="How long requests take",
        unit="ms, stronger colour = more requests",
        figure=charts.heat,
        empty="No request arrived in this range, so there is no latency to show.",
    ),
)
NARROWEST = 400
"""Below so many pixels charts stand beneath each other."""
MAIN = ALL[:3]
"""What a glance at one service needs."""


def grid(shown: Sequence[Chart], asked: Asked, *, every: str | None = None) -> None:
    """Draw charts beside and beneath each other, all at once: none waits for another."""
    with st.grid(2, min_column_width=NARROWEST, gap="small"):
        for chart in shown:
            with st.container(border=True, gap="xsmall"):
                card(chart, asked, every=every)


def card(chart: Chart, asked: Asked, *, every: str | None = None) -> None:
    """Draw one chart; with `every` it asks again by itself, and only it is drawn anew."""
    st.fragment(_draw, parallel=True, run_every=every)(chart, asked)


def wait_for_first(asked: Asked) -> None:
    """Wait until the first chart has its answer: what stands beneath the charts must not take its time from them.

    It is the question that the chart asks anyway, and one answer serves both.
    """
    chart = ALL[0]
    # Where there is no answer, the chart itself says why.
    with suppress(DeskError):
        leading = _leading(chart, asked)
        _ask(chart, replace(asked, services=leading.services) if leading else asked)


def bands(range_: ranges.Range, services: Sequence[str]) -> tuple[charts.Band, ...]:
    """What happened in the range, to be drawn on every chart."""
    return tuple(monitoring_events.bands(monitoring_events.happened(range_, services), range_))


def drawn(chart: Chart) -> str:
    """The key of a widget that stands in the chart's card once it was drawn."""
    return monitoring_query.key_of(_key(chart))


def _key(chart: Chart) -> str:
    return f"chart-{chart.name}"


def _draw(chart: Chart, asked: Asked) -> None:
    if asked.range_.name in ranges.NAMES:
        # A card that refreshes itself moves on with the clock.
        asked = replace(asked, range_=ranges.last(asked.range_.name, now=context.now()))
    key = _key(chart)
    with errors.explained():
        _title(chart)
        with monitoring_skeletons.first(drawn(chart), height=charts.HEIGHT):
            leading = _leading(chart, asked)
            drawn_of = replace(asked, services=leading.services) if leading else asked
            table = _ask(chart, drawn_of)
            trust = context.services().monitoring.trust(asked.services)
            frame: pd.DataFrame = table.frame()
            figure = _figure(chart, drawn_of, frame)
        if table.partial:
            st.warning(f"This is not all of it: {operation_words.escaped(table.partial)}")
        if any(len(trace["x"]) for trace in figure.data):
            _plot(figure, key=key, alt=f"{chart.title} of {asked.of_whom}, {asked.range_.label.lower()}.")
        else:
            with st.container(height=charts.HEIGHT, vertical_alignment="center", horizontal_alignment="center"):
                st.markdown(f":material/show_chart: {_empty(chart, trust)}", width="content")
        if leading:
            st.caption(f":material/filter_list: {_which(leading)}")
        for sentence in _notes(chart, asked, frame):
            st.caption(f":material/visibility_off: {operation_words.escaped(sentence)}")
        monitoring_trust.line(trust, read_at=context.now(), seconds=table.took_seconds)
        monitoring_query.beneath(table, span=asked.range_.span, key=key)


def _title(chart: Chart) -> None:
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.markdown(f"**{chart.title}** :small[:gray[{chart.unit}]]", width="content")
        if chart.name == "errors_by_code":
            monitoring_codes.explained()


def _leading(chart: Chart, asked: Asked) -> Leading | None:
    """Which services are drawn, where nobody chose and all of them would be mud."""
    if asked.services or not chart.is_per_service:
        return None
    return context.services().monitoring.leading(asked.range_.span, include_ours=asked.ours)


def _which(leading: Leading) -> str:
    return (
        f"Drawn are the {len(leading.services)} of {leading.of:,} services with the most requests in this range: choose "
        "others above, all of them are in the figures below."
    )


def _ask(chart: Chart, asked: Asked) -> Table:
    monitoring = context.services().monitoring
    if chart.name == "errors_by_code":
        return monitoring.errors(asked.range_.span, services=asked.services, include_ours=asked.ours)
    if chart.name == "latency_split":
        return monitoring.latency_split(asked.range_.span, services=asked.services)
    return monitoring.chart(chart.name, asked.range_.span, services=asked.services, include_ours=asked.ours)


def _empty(chart: Chart, trust: Trust) -> str:
    if trust.services and len(trust.insights_off) == len(trust.services):
        return "No telemetry: Application Insights is off."
    return chart.empty


def _figure(chart: Chart, asked: Asked, frame: pd.DataFrame) -> go.Figure:
    draw = partial(chart.figure, range_=asked.range_, bands=asked.bands)
    if asked.compare not in chart.compares:
        return draw(frame)
    if asked.compare == "the period before":
        earlier = _ask(chart, replace(asked, range_=asked.range_.before)).frame()
        return draw(frame, before=charts.moved(earlier, asked.range_.duration))
    if asked.compare == "versions" and len(asked.services) == 1:
        ran = context.services().monitoring.versions(asked.services[0], asked.range_.span)
        return draw(labelled(frame, ran).drop(columns="Service").rename(columns={"Version": "Service"}), in_order=True)
    return draw(frame)


def _notes(chart: Chart, asked: Asked, frame: pd.DataFrame) -> list[str]:
    """What this chart cannot see or does not draw."""
    is_split = chart.name == "latency_split"
    found = [
        _split_in_words(frame)
        if is_split
        else context.services().monitoring.blind_spot(chart.name, services=asked.services)
    ]
    if asked.compare and asked.compare not in chart.compares:
        found.append(f"This chart is not compared with {asked.compare}.")
    if asked.compare == "versions" and len(asked.services) != 1 and asked.compare in chart.compares:
        found.append("Versions are compared within one service: choose one.")
    return [sentence for sentence in found if sentence]


def _split_in_words(frame: pd.DataFrame) -> str:
    source = charts.split_source(frame)
    if not source:
        return ""
    n = int(frame.loc[frame["Source"] == source, "n"].sum())
    if source == "container":
        return (
            f"Only the total, of {n:,} requests in the containers' telemetry, which does not tell model time from the rest. "
            "Container Insights, a probe or a test request does."
        )
    names = {"front end": "the front end's log", "probe": "our probes", "test": "our test requests"}
    return f"Measured by {names[source]}, n = {n:,}."


def _plot(figure: go.Figure, *, key: str, alt: str) -> None:
    is_touched = "Mobi" in (st.context.headers.get("User-Agent") or "")
    # A finger that wants to scroll past a chart must not choose a range in it.
    figure.update_layout(dragmode=False if is_touched else "select")
    st.plotly_chart(
        figure,
        key=key,
        alt=alt,
        config={"displaylogo": False, "displayModeBar": False},
        on_select=partial(_brushed, key),
        selection_mode="box",
    )


def _brushed(key: str) -> None:
    """What was brushed becomes the range of every chart, and of the address."""
    boxes = st.session_state[key]["selection"]["box"]
    if not boxes:
        return
    zone = context.zone()
    start, end = sorted(pd.Timestamp(at).tz_localize(zone).to_pydatetime() for at in boxes[0]["x"])
    ranges.zoom(start, end)
    st.rerun()
