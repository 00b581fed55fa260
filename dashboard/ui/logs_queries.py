"""The KQL console: tables and their columns, one's own text, its answer as a table or a chart, and what was asked before."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from dashboard import actions, context
from dashboard.ui import accent, charts, errors, filters, operation_words, palette, ranges, tables, times
from services.queries import COMMAND, LIMITS, LONGEST_NAME, Answer, OwnQuery

PURPOSE = "One's own KQL over this workspace's telemetry. Rows are raw and may be about people: every run is in the audit log."
DRAFT = "console-draft"
TEXT = "console-text"
ANSWER = "console-answer"
ANSWER_KEPT_FOR = timedelta(minutes=15)
EXAMPLE = """Requests
| summarize calls = sum(ItemCount), p95 = percentile(DurationMs, 95) by TimeGenerated = bin(TimeGenerated, 1m), Service
| order by TimeGenerated asc
| render timechart"""
HEIGHT = 220
MOST_SERIES = 12


def show() -> None:
    """Write, run, look."""
    st.caption(f"{PURPOSE} {LIMITS}")
    may = context.shown_person().may(COMMAND)
    with filters.bar():
        range_ = ranges.choose()
        _begin_with(range_)
    text = _text()
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        label, icon = accent.label("Run", icon=":material/play_arrow:") if may else ("Run", ":material/play_arrow:")
        pressed = st.button(
            label,
            key="console-run",
            type="primary" if may else "secondary",
            icon=icon,
            disabled=not may,
            help=None if may else "Running one's own KQL needs the role operator: choose another identity.",
        )
        _save(text)
        _delete()
        _portal(text, range_)
    if pressed:
        _run(text, range_)
    _answer()
    _schema()


def open_with(text: str) -> None:
    """Begin with this text, in a callback: the way here from a chart's query."""
    st.session_state[DRAFT] = text
    st.session_state.pop(ANSWER, None)


def _text() -> str:
    # The widget's own value is forgotten while another part is shown; what was typed is not.
    st.session_state[TEXT] = st.session_state.get(DRAFT, EXAMPLE)
    return (
        st.text_area(
            "Query",
            key=TEXT,
            height=HEIGHT,
            help="`Start` and `End` are the range's; `Requests` is every scoring call with its true code.",
            on_change=lambda: st.session_state.update({DRAFT: st.session_state[TEXT]}),
        )
        or ""
    )


def _begin_with(range_: ranges.Range) -> None:
    """Queries to begin with: one's own and others', what one asked before, and the desk's."""
    queries = context.services().queries
    offered: dict[str, Callable[[], str]] = {}
    for own in queries.own():
        offered[_own_label(own)] = partial(str, own.text)
    for asked in queries.history(context.shown_person()):
        first = next(iter(asked.text.strip().splitlines()), "")[:60]
        offered[f"{times.absolute(asked.at)} · {first}"] = partial(str, asked.text)
    for shipped in queries.shipped():
        offered[f"{shipped.name} · of the desk"] = partial(_written_out, shipped.name, range_)

    def take() -> None:
        chosen = st.session_state.get("console-begin")
        if chosen in offered:
            open_with(offered[chosen]())

    st.selectbox(
        "Begin with",
        list(offered),
        index=None,
        key="console-begin",
        placeholder="saved, asked before, or the desk's own",
        on_change=take,
        width=320,
    )


def _written_out(name: str, range_: ranges.Range) -> str:
    """One of the desk's queries as a chart would run it: with the range and all it is built on."""
    return context.services().logs().render(name, start=range_.start, end=range_.end, step=range_.step)


def _run(text: str, range_: ranges.Range) -> None:
    services = context.services()
    st.session_state.pop(ANSWER, None)
    with st.spinner("Running the query"), errors.explained():
        answer = services.queries.run(context.person(), text, start=range_.start, end=range_.end)
        # Rows may hold what callers sent: they lie in this process's memory, the session has the handle.
        st.session_state[ANSWER] = services.live.show(answer, keep_for=ANSWER_KEPT_FOR)


def _answer() -> None:
    handle = st.session_state.get(ANSWER)
    if not handle:
        return
    shown = context.services().live.shown(handle)
    if shown is None:
        st.caption("The answer was kept for 15 minutes and is forgotten now: run the query again.")
        return
    answer: Answer = shown.value
    frame = answer.table.frame()
    if answer.table.partial:
        st.warning(f"This is not all of it: {operation_words.escaped(answer.table.partial)}")
    drawn = _drawn_by(frame)
    look = "Table"
    if drawn is not None:
        look = (
            st.segmented_control(
                "Answer as",
                ["Table", "Chart"],
                default="Chart" if answer.drawn_as not in ("", "table") else "Table",
                required=True,
                key="console-look",
                label_visibility="collapsed",
            )
            or "Table"
        )
    if look == "Chart" and drawn is not None:
        st.plotly_chart(
            _figure(frame, *drawn, as_bars=answer.drawn_as in ("barchart", "columnchart")),
            key="console-chart",
            alt="The answer of the query as a chart.",
            config={"displaylogo": False, "displayModeBar": False},
        )
    else:
        tables.show(
            _plain(frame),
            key="console-rows",
            alt="The rows of the answer.",
            empty="The query ran and gave no row: choose a longer range, or take a condition out.",
        )
    cut = " · there are more rows: narrow it or summarize" if answer.is_cut else ""
    st.caption(f"{len(frame):,} rows in {times.span(answer.table.took_seconds)}{cut}")
    with st.expander("What ran", icon=":material/code:"):
        st.code(answer.table.query, language=None, wrap_lines=True)


def _drawn_by(frame: pd.DataFrame) -> tuple[str, str, list[str]] | None:
    """The column along the axis, the one that tells lines apart (or none), and the measures; None = no chart."""
    numbers = [str(name) for name in frame.columns if pd.api.types.is_numeric_dtype(frame[name])]
    numbers = [name for name in numbers if not pd.api.types.is_bool_dtype(frame[name])]
    moments = [str(name) for name in frame.columns if pd.api.types.is_datetime64_any_dtype(frame[name])]
    words = [str(name) for name in frame.columns if pd.api.types.is_string_dtype(frame[name])]
    if frame.empty or not numbers or not (moments or words):
        return None
    if moments:
        return moments[0], words[0] if words else "", numbers
    return words[0], "", numbers


def _figure(frame: pd.DataFrame, axis: str, by: str, measures: list[str], *, as_bars: bool) -> go.Figure:
    figure = go.Figure()
    groups: list[tuple[str, pd.DataFrame]] = (
        [(str(name), rows) for name, rows in frame.groupby(by, sort=False)] if by else [("", frame)]
    )
    is_time = pd.api.types.is_datetime64_any_dtype(frame[axis])
    series = [(name, measure, rows) for name, rows in groups for measure in measures][:MOST_SERIES]
    for number, (name, measure, rows) in enumerate(series):
        shared: dict[str, Any] = {
            "x": rows[axis].dt.tz_convert(context.zone()) if is_time else rows[axis],
            "y": rows[measure].astype("float64"),
            "name": " ".join(part for part in (name, measure if len(measures) > 1 or not name else "") if part),
        }
        colour = palette.SERIES[number % len(palette.SERIES)]
        if is_time and not as_bars:
            dash = palette.DASHES[number // len(palette.SERIES) % len(palette.DASHES)]
            figure.add_trace(go.Scatter(mode="lines+markers", line={"color": colour, "dash": dash}, **shared))
        else:
            figure.add_trace(go.Bar(marker={"color": colour}, **shared))
    figure.update_layout(
        height=charts.HEIGHT + 60,
        margin={"l": 0, "r": 0, "t": 30, "b": 0},
        showlegend=True,
        legend={"orientation": "h", "yanchor": "bottom", "y": 1.02, "x": 0, "title": None},
        yaxis={"rangemode": "tozero", "title": {"text": measures[0] if len(measures) == 1 else ""}},
    )
    return figure


def _plain(frame: pd.DataFrame) -> pd.DataFrame:
    """What a table can draw: objects of a dynamic column as text."""
    dynamic = {str(name) for name in frame.columns if frame[name].dtype == object}
    return frame.assign(
        **{name: frame[name].map(lambda value: "" if value is None else str(value)) for name in dynamic}
    )


def _save(text: str) -> None:
    actions.button(
        "Save as own",
        lambda asked: context.services().queries.save(asked.by, st.session_state.get("console-name", ""), text),
        key="console-save",
        ask="Everybody sees it under **Begin with**; saving one of the same name again replaces it.",
        detail=_name,
        confirm="Save",
        command=COMMAND,
        started="The query is saved.",
        icon=":material/save:",
    )


def _delete() -> None:
    """Offered for the query one began with, when one saved it oneself."""
    me, chosen = context.shown_person(), st.session_state.get("console-begin")
    mine = next(
        (one for one in context.services().queries.own() if one.person_id == me.id and _own_label(one) == chosen), None
    )
    if mine:
        actions.button(
            "Delete it",
            lambda asked: context.services().queries.delete(asked.by, mine.id),
            key="console-delete",
            ask=f"**{operation_words.escaped(mine.name)}** is offered to nobody any more.",
            confirm="Delete",
            command=COMMAND,
            started="The query is deleted.",
            icon=":material/delete:",
        )


def _own_label(own: OwnQuery) -> str:
    return f"{own.name} · {own.person_name}"


def _name() -> None:
    st.text_input("Name", key="console-name", max_chars=LONGEST_NAME)


def _portal(text: str, range_: ranges.Range) -> None:
    with errors.explained():
        link = context.services().queries.portal_link(text, start=range_.start, end=range_.end)
        if link.address:
            st.link_button("Open in the Azure portal", link.address, icon=":material/open_in_new:")
        else:
            st.caption(link.why_not, width="content")


def _schema() -> None:
    with st.expander("Tables and their columns", icon=":material/table:"):
        for one in context.services().queries.tables():
            st.markdown(f"**{one.name}**: {operation_words.escaped(one.purpose)}")
            st.caption(", ".join(f"{name} {kind}" for name, kind in one.columns))
