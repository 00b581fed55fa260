"""Charts: one builder each, all of one height on one time axis, gaps as gaps, and what they cannot see said beneath.

`rate`, `latency` and `codes` take the frame of the query of their name (`monitoring.chart("latency", …).frame()`);
`lines` takes any frame with `at` (aware UTC), `series`, `value` and perhaps `n`. `draw` shows the figure. A step without
a row is unknown, not zero: the line breaks there.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from dashboard import context
from dashboard.ui import palette
from dashboard.ui.ranges import Range

HEIGHT = 260
FEW = 6
"""Below so many failures in a step the axis counts one by one."""


@dataclass(frozen=True, kw_only=True)
class Marker:
    """Something that happened, drawn as an upright line: a deployment, a rotation, a roll-back."""

    at: datetime
    label: str
    colour: str = palette.NEUTRAL
    is_label_left: bool = False


def rate(frame: pd.DataFrame, range_: Range, *, markers: Iterable[Marker] = ()) -> go.Figure:
    """Requests a minute over time, a line per service; from the query `request_rate`."""
    rows = frame.rename(columns={"TimeGenerated": "at", "Service": "series", "perMinute": "value"})
    return lines(rows, range_, unit="requests/min", markers=markers, format_=",.1f")


def latency(frame: pd.DataFrame, range_: Range, *, markers: Iterable[Marker] = ()) -> go.Figure:
    """Latency in ms, a line per service and percentile, told apart by their dashes; from the query `latency`."""
    figure = _figure(range_, unit="ms")
    several = frame["Service"].nunique() > 1
    for service, rows in frame.rename(columns={"TimeGenerated": "at"}).groupby("Service", sort=False):
        for percentile, dash in palette.PERCENTILES.items():
            figure.add_trace(
                _line(
                    rows.assign(value=rows[percentile]),
                    range_,
                    name=f"{service} {percentile}" if several else percentile,
                    colour=palette.of(str(service)),
                    dash=dash,
                    unit="ms",
                    format_=",.0f",
                )
            )
    return _marked(figure, markers)


def lines(
    frame: pd.DataFrame, range_: Range, *, unit: str, markers: Iterable[Marker] = (), format_: str = ",.2f"
) -> go.Figure:
    """Any measure over time, a line per series."""
    figure = _figure(range_, unit=unit)
    for name, rows in frame.groupby("series", sort=False):
        figure.add_trace(
            _line(
                rows,
                range_,
                name=str(name),
                colour=palette.of(str(name)),
                dash=palette.dash(str(name)),
                unit=unit,
                format_=format_,
            )
        )
    return _marked(figure, markers)


def codes(frame: pd.DataFrame, range_: Range, *, markers: Iterable[Marker] = ()) -> go.Figure:
    """Failed requests stacked by the code the caller saw; from the query `errors_by_code`. No failures, no bar."""
    figure = _figure(range_, unit="failed requests")
    # A failure in the body of a success has a success's code, and is a kind of its own.
    series = frame["Code"].astype("string").where(frame["Code"].ge(400).fillna(False), "soft")
    rows = frame.assign(series=series).groupby(["series", "TimeGenerated"], as_index=False)["n"].sum()
    for name, of_code in rows.groupby("series", sort=True):
        colour, pattern = palette.code(str(name))
        figure.add_trace(
            go.Bar(
                x=_in_zone(of_code["TimeGenerated"]),
                y=of_code["n"].astype("float64"),
                name="failed inside a 200" if name == "soft" else str(name),
                width=range_.step.total_seconds() * 1000 * 0.9,
                # The bar stands over its step, which begins at its time.
                offset=0,
                marker={
                    "color": colour,
                    "line": {"width": 0},
                    "pattern": {
                        "shape": pattern,
                        "fillmode": "overlay",
                        "fgcolor": "rgba(255,255,255,0.5)",
                        "size": 5,
                    },
                },
                hovertemplate="%{y:,} failed<extra>%{fullData.name}</extra>",
            )
        )
    figure.update_layout(barmode="stack")
    highest = rows.groupby("TimeGenerated")["n"].sum().max() if not rows.empty else 0
    if highest < FEW:
        # Plotly would write half requests on the axis.
        figure.update_yaxes(dtick=1)
    return _marked(figure, markers)


def draw(
    figure: go.Figure,
    *,
    key: str,
    title: str,
    alt: str,
    blind_to: str = "",
    query: str | None = None,
    empty: str = "No requests in this range: choose a longer one, or send a test request.",
) -> None:
    """Show a chart under its title, with what it cannot see and the query it ran; words instead of an empty chart."""
    st.markdown(f"**{title}**")
    if any(len(trace["x"]) for trace in figure.data):
        st.plotly_chart(figure, key=key, alt=alt, config={"displaylogo": False, "displayModeBar": False})
    else:
        with st.container(border=True, height=HEIGHT, vertical_alignment="center", horizontal_alignment="center"):
            st.markdown(f":material/show_chart: {empty}", width="content")
    if blind_to:
        st.caption(f":material/visibility_off: {blind_to}")
    if query:
        with st.expander("Query", icon=":material/code:", key=f"{key}-query"):
            st.code(query, language=None, wrap_lines=True)


def on_steps(rows: pd.DataFrame, range_: Range) -> pd.DataFrame:
    """The rows of one series on every step of the range; a step without a row is a gap."""
    steps = pd.date_range(range_.start, range_.end, freq=range_.step, inclusive="left", tz="UTC")
    return rows.drop_duplicates("at").set_index("at").reindex(steps).rename_axis("at").reset_index()


def _line(
    rows: pd.DataFrame, range_: Range, *, name: str, colour: str, dash: str, unit: str, format_: str
) -> go.Scatter:
    rows = on_steps(rows, range_)
    # A value between two gaps has no line to it: it is drawn as a point.
    alone = rows["value"].notna() & rows["value"].shift(1).isna() & rows["value"].shift(-1).isna()
    return go.Scatter(
        x=_in_zone(rows["at"]),
        # Plotly does not know pandas' own kinds of missing numbers.
        y=rows["value"].astype("float64"),
        name=name,
        mode="lines+markers",
        connectgaps=False,
        line={"color": colour, "dash": dash, "width": 2},
        marker={"color": colour, "size": [5 if single else 0 for single in alone], "line": {"width": 0}},
        customdata=rows["n"].astype("float64") if "n" in rows else None,
        hovertemplate=f"%{{y:{format_}}} {unit}"
        + (", n = %{customdata:,}" if "n" in rows else "")
        + "<extra>%{fullData.name}</extra>",
    )


def _figure(range_: Range, *, unit: str) -> go.Figure:
    figure = go.Figure()
    zone = context.zone()
    figure.update_layout(
        height=HEIGHT,
        margin={"l": 0, "r": 0, "t": 30, "b": 0},
        hovermode="x unified",
        showlegend=True,
        legend={
            "orientation": "h",
            "yanchor": "bottom",
            "y": 1.02,
            "x": 0,
            "title": None,
            "traceorder": "normal",
        },
        xaxis={
            # Every chart of a screen has this one axis: the eye goes straight down from one to the next.
            "range": [range_.start.astimezone(zone), range_.end.astimezone(zone)],
            "title": None,
            "automargin": True,
            "hoverformat": "%Y-%m-%d %H:%M:%S",
        },
        yaxis={"title": {"text": unit}, "rangemode": "tozero", "fixedrange": True},
    )
    return figure


def _marked(figure: go.Figure, markers: Iterable[Marker]) -> go.Figure:
    zone = context.zone()
    placed = [(marker, marker.at.astimezone(zone)) for marker in markers]
    # All at once: Plotly checks every line and label again with each one that is added.
    figure.update_layout(
        shapes=[
            {
                "type": "line",
                "x0": at,
                "x1": at,
                "yref": "paper",
                "y0": 0,
                "y1": 1,
                "line": {"dash": "dot", "width": 1, "color": marker.colour},
            }
            for marker, at in placed
        ],
        annotations=[
            {
                "x": at,
                "y": 1,
                "yref": "paper",
                "text": marker.label,
                "showarrow": False,
                "xanchor": "right" if marker.is_label_left else "left",
                "xshift": -3 if marker.is_label_left else 3,
                "yanchor": "top",
                "textangle": 0,
            }
            for marker, at in placed
            if marker.label
        ],
    )
    return figure


def _in_zone(at: pd.Series) -> pd.Series:
    return at.dt.tz_convert(str(getattr(context.zone(), "key", "UTC")))
