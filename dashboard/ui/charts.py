"""Charts: one builder each, all of one height on one time axis, gaps as gaps.

`rate`, `latency`, `codes`, `replicas`, `split` and `heat` take the frame of the query of their name
(`monitoring.chart("latency", …).frame()`); `lines` takes any frame with `at` (aware UTC), `series`, `value` and perhaps
`n`. A step without a row is unknown, not zero: the line breaks there. `before` is the same frame of the period before,
moved onto this one's axis: it is drawn dashed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from dashboard import context
from dashboard.ui import palette
from dashboard.ui.ranges import Range
from services.monitoring.code_map import NO_ANSWER

HEIGHT = 280
FEW = 6
"""Below so many failures in a step the axis counts one by one."""
MOST_FILLED = 3
"""Up to so many lines have a tint beneath them; more would be mud."""
LEFT, RIGHT, TOP, BOTTOM = 48, 14, 44, 46
"""Room around every plot, in pixels: the same for all, so that a time stands above the same time of the next chart."""
SPLIT_SOURCES = ("front end", "probe", "test")
"""Who measures model time and the rest, the one with the most requests first."""
FLAG = 22
"""The height of the row of flags between the legend and the plot."""


@dataclass(frozen=True, kw_only=True)
class Band:
    """Something that lasted, drawn from its start to its end: a deployment, a rotation, an incident."""

    start: datetime
    end: datetime
    label: str
    colour: str = palette.NEUTRAL
    flag_colour: str = ""
    """Of a flag that stands for several; its own colour when empty."""
    is_label_left: bool = False


def rate(
    frame: pd.DataFrame,
    range_: Range,
    *,
    bands: Iterable[Band] = (),
    before: pd.DataFrame | None = None,
    in_order: bool = False,
) -> go.Figure:
    """Requests a minute over time, a line per service; from the query `request_rate`."""
    return lines(
        _series(frame, "perMinute"),
        range_,
        unit="requests/min",
        bands=bands,
        format_=",.1f",
        before=_before(before, "perMinute"),
        in_order=in_order,
    )


def latency(
    frame: pd.DataFrame,
    range_: Range,
    *,
    bands: Iterable[Band] = (),
    before: pd.DataFrame | None = None,
    in_order: bool = False,
) -> go.Figure:
    """Latency in ms: the three percentiles of one service, of several (or against the period before) only p95."""
    if frame["Service"].nunique() > 1 or before is not None:
        return lines(
            _series(frame, "p95"),
            range_,
            unit="ms (p95)",
            bands=bands,
            format_=",.0f",
            before=_before(before, "p95"),
            in_order=in_order,
        )
    figure = _figure(range_)
    for service, rows in _series(frame, "p95").groupby("series", sort=False):
        for percentile, dash in palette.PERCENTILES.items():
            figure.add_trace(
                _line(
                    rows.assign(value=rows[percentile]),
                    range_,
                    name=percentile,
                    colour=palette.of(str(service)),
                    dash=dash,
                    unit="ms",
                    format_=",.0f",
                )
            )
    return _banded(figure, bands)


def lines(
    frame: pd.DataFrame,
    range_: Range,
    *,
    unit: str,
    bands: Iterable[Band] = (),
    format_: str = ",.2f",
    before: pd.DataFrame | None = None,
    in_order: bool = False,
) -> go.Figure:
    """Any measure over time, a line per series; that of the period before is dashed and thinner.

    A series has the colour of its name, the same on every screen; `in_order` gives them the palette's in turn.
    """
    figure = _figure(range_)
    is_filled = frame["series"].nunique() <= MOST_FILLED
    if before is not None:
        for name, rows in before.groupby("series", sort=False):
            figure.add_trace(
                _line(
                    rows,
                    range_,
                    name=f"{name}, period before",
                    colour=palette.of(str(name)),
                    dash=palette.BEFORE,
                    width=1.5,
                    unit=unit,
                    format_=format_,
                )
            )
    taken: set[str] = set()
    for number, (name, rows) in enumerate(frame.groupby("series", sort=False)):
        colour = palette.SERIES[number % len(palette.SERIES)] if in_order else palette.of(str(name))
        figure.add_trace(
            _line(
                rows,
                range_,
                name=str(name),
                colour=colour,
                # Two services of one colour are told apart by their dashes.
                dash="solid" if colour not in taken else palette.dash(str(name)),
                unit=unit,
                format_=format_,
                is_filled=is_filled,
            )
        )
        taken.add(colour)
    return _banded(figure, bands)


def codes(
    frame: pd.DataFrame, range_: Range, *, bands: Iterable[Band] = (), before: pd.DataFrame | None = None
) -> go.Figure:
    """Failed requests stacked by the code the caller saw and where it was seen; from the query `errors_by_code`."""
    figure = _figure(range_)
    rows = _by_code(frame)
    for (code, source), of_code in rows.groupby(["code", "source"], sort=True):
        colour, pattern = palette.code(str(code), str(source))
        figure.add_trace(
            _bars(
                of_code,
                range_,
                "n",
                name=palette.code_name(str(code), str(source)),
                colour=colour,
                pattern=pattern,
                hover="%{y:,} failed",
            )
        )
    if before is not None and not before.empty:
        total = _by_code(before).groupby("at", as_index=False)[["n"]].sum().rename(columns={"n": "value"})
        figure.add_trace(
            _line(
                total,
                range_,
                name="all, period before",
                colour=palette.NEUTRAL,
                dash=palette.BEFORE,
                width=1.5,
                unit="failed",
                format_=",.0f",
            )
        )
    figure.update_layout(barmode="stack")
    highest = rows.groupby("at")["n"].sum().max() if not rows.empty else 0
    if highest < FEW:
        # Plotly would write half requests on the axis.
        figure.update_yaxes(dtick=1)
    return _banded(figure, bands)


def replicas(
    frame: pd.DataFrame, range_: Range, *, bands: Iterable[Band] = (), before: pd.DataFrame | None = None
) -> go.Figure:
    """How many replicas there are and how many of them are busy, tinted; from the query `replicas`."""
    figure = _figure(range_)
    several = frame["Service"].nunique() > 1
    for service, rows in frame.rename(columns={"TimeGenerated": "at"}).groupby("Service", sort=False):
        drawn = [("replicas", "replicas", "solid", 2.0), ("busy", "busy", "dot", 2.0)]
        if not several and rows["maxReplicas"].notna().any():
            drawn.append(("maxReplicas", "at most", "dashdot", 1.0))
        for column, word, dash, width in drawn:
            line = _line(
                rows.assign(value=rows[column]).drop(columns="n"),
                range_,
                name=str(service) if several else word,
                colour=palette.NEUTRAL if column == "maxReplicas" else palette.of(str(service)),
                dash=dash,
                width=width,
                unit=word,
                format_=",.2f" if column == "busy" else ",.0f",
                is_filled=column == "busy",
            )
            # Ten services have twenty lines: the dotted one goes with the solid one of its colour.
            figure.add_trace(line.update(showlegend=column == "replicas" or not several, legendgroup=str(service)))
    if not frame.empty and float(frame[["replicas", "maxReplicas"]].max().max()) < FEW:
        figure.update_yaxes(dtick=1)
    return _banded(figure, bands)


def split(
    frame: pd.DataFrame, range_: Range, *, bands: Iterable[Band] = (), before: pd.DataFrame | None = None
) -> go.Figure:
    """Where a request's time goes, stacked: the model and the rest where a source tells, else the total alone."""
    figure = _figure(range_)
    source = split_source(frame)
    parts: tuple[tuple[str, str, str], ...] = (("model", "model", ""), ("rest", "everything else", "/"))
    if source == "container":
        parts = (("total", "in the container, not split", ""),)
    rows = _averaged(frame[frame["Source"] == source] if source else frame.iloc[:0], [part[0] for part in parts])
    for number, (column, word, pattern) in enumerate(parts):
        figure.add_trace(
            _bars(
                rows,
                range_,
                column,
                name=word,
                colour=palette.SERIES[number],
                pattern=pattern,
                hover="%{y:,.1f} ms, n = %{customdata:,}",
            )
        )
    figure.update_layout(barmode="stack")
    return _banded(figure, bands)


def split_source(frame: pd.DataFrame) -> str:
    """Which source of the split is drawn: the first that tells model time and the rest apart, else the container."""
    known = set(frame.loc[frame["model"].notna(), "Source"]) if not frame.empty else set()
    there = set(frame["Source"]) if not frame.empty else set()
    return next((name for name in SPLIT_SOURCES if name in known), "container" if "container" in there else "")


def heat(
    frame: pd.DataFrame, range_: Range, *, bands: Iterable[Band] = (), before: pd.DataFrame | None = None
) -> go.Figure:
    """How many requests took how long, over time; from the query `latency_heat`, on a logarithmic scale of time."""
    figure = _figure(range_)
    if not frame.empty:
        counted = frame.groupby(["FromMs", "ToMs", "TimeGenerated"], as_index=False)["n"].sum()
        # A bucket from nothing has no place on a logarithmic scale.
        floor = float(counted["ToMs"].min()) / 2
        edges = np.unique(np.maximum(counted[["FromMs", "ToMs"]].astype("float64").to_numpy().ravel(), floor))
        steps = _steps(range_)
        table = (
            counted.assign(bucket=np.maximum(counted["FromMs"].astype("float64"), floor))
            .pivot_table(index="bucket", columns="TimeGenerated", values="n", aggfunc="sum")
            .reindex(index=edges[:-1], columns=steps)
            .astype("float64")
        )
        words = [f"{low:,.0f}–{high:,.0f} ms" for low, high in pairwise(edges)]
        figure.add_trace(
            go.Heatmap(
                x=_in_zone(pd.Series([*steps, steps[-1] + range_.step])),
                y=edges,
                # One colour a power of ten would hide the rare slow ones; their logarithm shows them.
                z=np.log10(table.to_numpy() + 1),
                customdata=np.dstack([table.to_numpy(), np.repeat(np.array(words)[:, None], len(steps), axis=1)]),
                showscale=False,
                hoverongaps=False,
                hovertemplate="%{customdata[0]:,} requests took %{customdata[1]}<extra></extra>",
            )
        )
        figure.update_yaxes(type="log", rangemode="normal", dtick=1, range=np.log10(edges[[0, -1]]).tolist())
        figure.update_layout(hovermode="closest")
    return _banded(figure, bands)


def on_steps(rows: pd.DataFrame, range_: Range) -> pd.DataFrame:
    """The rows of one series on every step of the range; a step without a row is a gap."""
    return rows.drop_duplicates("at").set_index("at").reindex(_steps(range_)).rename_axis("at").reset_index()


def moved(frame: pd.DataFrame, by: timedelta) -> pd.DataFrame:
    """The rows of an earlier period on the axis of this one."""
    return frame.assign(TimeGenerated=frame["TimeGenerated"] + by) if not frame.empty else frame


def _steps(range_: Range) -> pd.DatetimeIndex:
    return pd.date_range(range_.start, range_.end, freq=range_.step, inclusive="left", tz="UTC")


def _series(frame: pd.DataFrame, value: str) -> pd.DataFrame:
    rows = frame.rename(columns={"TimeGenerated": "at", "Service": "series"})
    return rows.assign(value=rows[value])


def _before(frame: pd.DataFrame | None, value: str) -> pd.DataFrame | None:
    return None if frame is None else _series(frame, value)


def _by_code(frame: pd.DataFrame) -> pd.DataFrame:
    """Failures per step, code and source; a failure in the body of a success and no answer are kinds of their own."""
    code = frame["Code"].astype("string").where(frame["Code"].ge(400).fillna(False), palette.SOFT)
    code = code.mask(frame["Code"].eq(NO_ANSWER).fillna(False), palette.NO_ANSWER)
    source = frame["Source"].astype("string") if "Source" in frame else ""
    rows = frame.assign(code=code, source=source).rename(columns={"TimeGenerated": "at"})
    counted: pd.DataFrame = rows.groupby(["code", "source", "at"], as_index=False)[["n"]].sum()
    return counted


def _averaged(frame: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    """The mean of several services' means, each weighing as much as its requests."""
    weighed = frame.assign(**{name: frame[name].astype("float64") * frame["n"].astype("float64") for name in columns})
    rows = weighed.groupby("TimeGenerated", as_index=False)[[*columns, "n"]].sum()
    rows[columns] = rows[columns].div(rows["n"].astype("float64"), axis=0)
    return rows.rename(columns={"TimeGenerated": "at"})


def _bars(
    rows: pd.DataFrame, range_: Range, column: str, *, name: str, colour: str, pattern: str, hover: str
) -> go.Bar:
    return go.Bar(
        x=_in_zone(rows["at"]),
        y=rows[column].astype("float64"),
        customdata=rows["n"].astype("float64"),
        name=name,
        width=range_.step.total_seconds() * 1000 * 0.9,
        # The bar stands over its step, which begins at its time.
        offset=0,
        marker={
            "color": colour,
            "line": {"width": 0},
            "pattern": {"shape": pattern, "fillmode": "overlay", "fgcolor": "rgba(255,255,255,0.55)", "size": 5},
        },
        hovertemplate=f"{hover}<extra>%{{fullData.name}}</extra>",
    )


def _line(
    rows: pd.DataFrame,
    range_: Range,
    *,
    name: str,
    colour: str,
    dash: str,
    unit: str,
    format_: str,
    width: float = 2,
    is_filled: bool = False,
) -> go.Scatter:
    rows = on_steps(rows, range_)
    # A value between two gaps has no line to it: it is drawn as a point.
    alone = rows["value"].notna() & rows["value"].shift(1).isna() & rows["value"].shift(-1).isna()
    # Plotly would fill a gap too.
    is_filled = is_filled and not _has_gap(rows["value"])
    return go.Scatter(
        x=_in_zone(rows["at"]),
        # Plotly does not know pandas' own kinds of missing numbers.
        y=rows["value"].astype("float64"),
        name=name,
        mode="lines+markers",
        connectgaps=False,
        line={"color": colour, "dash": dash, "width": width},
        fill="tozeroy" if is_filled else None,
        fillcolor=palette.tint(colour) if is_filled else None,
        marker={"color": colour, "size": [5 if single else 0 for single in alone], "line": {"width": 0}},
        customdata=rows["n"].astype("float64") if "n" in rows else None,
        hovertemplate=f"%{{y:{format_}}} {unit}"
        + (", n = %{customdata:,}" if "n" in rows else "")
        + "<extra>%{fullData.name}</extra>",
    )


def _has_gap(values: pd.Series) -> bool:
    first, last = values.first_valid_index(), values.last_valid_index()
    return first is not None and bool(values[(values.index >= first) & (values.index <= last)].isna().any())


def _figure(range_: Range) -> go.Figure:
    figure = go.Figure()
    zone = context.zone()
    figure.update_layout(
        height=HEIGHT,
        margin={"l": LEFT, "r": RIGHT, "t": TOP, "b": BOTTOM},
        hovermode="x unified",
        showlegend=True,
        legend={
            "orientation": "h",
            "yanchor": "bottom",
            "y": 1 + FLAG / (HEIGHT - TOP - BOTTOM),
            "x": 0,
            "title": None,
            "traceorder": "normal",
        },
        xaxis={
            # Every chart of a screen has this one axis: the eye goes straight down from one to the next.
            "range": [range_.start.astimezone(zone), range_.end.astimezone(zone)],
            "title": None,
            "automargin": False,
            "hoverformat": "%Y-%m-%d %H:%M:%S",
            "showspikes": True,
            "spikemode": "across",
            "spikethickness": 1,
            "spikedash": "dot",
            "spikecolor": palette.NEUTRAL,
        },
        yaxis={"title": None, "rangemode": "tozero", "fixedrange": True, "automargin": False, "nticks": 6},
        selectdirection="h",
    )
    return figure


def _banded(figure: go.Figure, bands: Iterable[Band]) -> go.Figure:
    zone = context.zone()
    placed = [(band, band.start.astimezone(zone), band.end.astimezone(zone)) for band in bands]
    # All at once: Plotly checks every shape and label again with each one that is added.
    shapes: list[dict[str, Any]] = []
    for band, start, end in placed:
        upright = {"yref": "paper", "y0": 0, "y1": 1}
        shapes.append(
            {"type": "rect", "x0": start, "x1": end, "fillcolor": band.colour, "opacity": 0.16, "line": {"width": 0}}
            | upright
            | {"layer": "below"}
        )
        # A range of a minute has no width in a chart of a week: its beginning is a line too.
        shapes.append(
            {"type": "line", "x0": start, "x1": start, "line": {"dash": "dot", "width": 1, "color": band.colour}}
            | upright
        )
    figure.update_layout(
        shapes=shapes,
        annotations=[
            {
                "x": end if band.is_label_left else start,
                "y": 1,
                "yref": "paper",
                "text": band.label,
                "showarrow": False,
                "xanchor": "right" if band.is_label_left else "left",
                "yanchor": "bottom",
                "yshift": 2,
                "textangle": 0,
                "bgcolor": band.flag_colour or band.colour,
                "borderpad": 1,
                "font": {"color": palette.ON_FLAG, "size": 11},
            }
            for band, start, end in placed
            if band.label
        ],
    )
    return figure


def _in_zone(at: pd.Series) -> pd.Series:
    return at.dt.tz_convert(str(getattr(context.zone(), "key", "UTC")))
