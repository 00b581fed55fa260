"""Previous logs: what a container had written before it was replaced or its state changed, also of services that are gone."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

import streamlit as st

from dashboard import context, navigation, reads_logs, reads_services
from dashboard.ui import errors, filters, operation_words, states, tables, times
from services.access import ANONYMOUS_VIEWER
from services.container_logs import SEVERITIES, LogLine, matching
from services.log_snapshots import LogSnapshot

PURPOSE = (
    "Kept before each deployment, after it, and whenever the state changed: Azure itself forgets them. For 90 days."
)
HEIGHT = 560
AROUND = 8
"""How many lines are drawn before and after a line that is linked to."""


def show() -> None:
    """Choose a service, also one that is gone, and read what was kept."""
    st.caption(PURPOSE)
    names = [listed.service.name for listed in reads_services.listed()]
    gone = reads_logs.gone()
    linked = context.services().log_snapshots.find(filters.wanted("snapshot") or "")
    if linked and "of" not in st.query_params and "of" not in st.session_state:
        # An address may name the log alone.
        st.session_state["of"] = linked.service
    name = filters.one(
        "Service", [*names, *gone], key="of", every="Choose a service", help="Those that are gone come last."
    )
    if not name:
        tables.nothing("Choose a service to see which of its logs are kept.")
        return
    if name in gone:
        st.caption(f":material/delete: {operation_words.escaped(name)} is gone; these are its last logs.")
    of(name)


def of(name: str) -> None:
    """The kept logs of one service; one of them is read beneath."""
    kept = reads_logs.snapshots(name)
    chosen = choose(name)
    if chosen:
        st.query_params["snapshot"] = chosen.id
    wanted = filters.wanted("snapshot")
    chosen = chosen or next((one for one in kept if one.id == wanted), None)
    if chosen:
        _read(chosen, kept)
    elif wanted:
        tables.nothing("The log this address names is not kept any more, or it is another service's.")
    elif kept:
        st.caption("Choose a row to read that log.")


def choose(name: str) -> LogSnapshot | None:
    """The kept logs of one service as a table; the one whose row was chosen."""
    kept = reads_logs.snapshots(name)
    place = tables.choose(
        [_row(one) for one in kept],
        key=f"snapshots-{name}",
        alt=f"The kept logs of {name}, newest first.",
        columns={
            "at": times.column("When", relative=False),
            "why": tables.text("Why"),
            "state": states.column(one.state for one in kept),
            "operation": tables.text("Operation", wide=True),
            "part": tables.text("Part"),
            "lines": tables.number("Lines"),
            "size": tables.size(),
        },
        empty="No log of it was kept yet: one is kept with the next deployment or change of state.",
        height=min(36 + tables.ROW * len(kept), 260) if kept else None,
    )
    return None if place is None else kept[place]


def _row(one: LogSnapshot) -> dict[str, object]:
    operation = reads_logs.operation(one.operation) if one.operation else None
    return {
        "at": one.at,
        "why": one.why,
        "state": [states.plain(one.state)],
        "operation": operation.title if operation else "",
        "part": "init container" if one.is_init else "container",
        "lines": one.lines,
        "size": one.size,
    }


def _read(one: LogSnapshot, kept: Sequence[LogSnapshot]) -> None:
    with filters.bar():
        severities = filters.several("Severity", list(SEVERITIES), key="severity")
        text = filters.text("Text", key="find", placeholder="any case")
        line = st.number_input(
            "Line",
            min_value=0,
            value=0,
            key="line",
            bind="query-params",
            width=filters.NARROW,
            help="The address then leads to this line; 0 = none.",
        )
        others = [other.id for other in kept if other.id != one.id]
        labels = {other.id: _label(other) for other in kept}
        beside = (
            st.selectbox(
                "Compare with",
                ["", *others],
                key=f"beside-{one.service}",
                format_func=lambda id_: labels.get(id_, "nothing"),
                width=300,
            )
            if others
            else None
        )
    with errors.explained():
        lines = context.services().log_snapshots.read(context.person(), one.id)
        _about(one)
        if line:
            _line(lines, int(line))
        other = next((other for other in kept if other.id == beside), None)
        if other is None:
            _text(lines, severities, text)
            return
        left, right = st.columns(2)
        with left:
            st.caption(f"**{_label(one)}**")
            _text(lines, severities, text)
        with right:
            st.caption(f"**{_label(other)}**")
            _text(context.services().log_snapshots.read(context.person(), other.id), severities, text)


def _about(one: LogSnapshot) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        states.badge(one.state)
        st.caption(f"{one.why}, {times.both(one.at)}", width="content")
        if one.operation:
            navigation.link("operations", "Its operation", icon=":material/checklist:", operation=one.operation)
        if context.shown_person() == ANONYMOUS_VIEWER:
            st.caption("Choose an identity to save it.", width="content")
        else:
            st.link_button(f"Save {one.file}", f"/files/{one.sha256}/{quote(one.file)}", icon=":material/download:")


def _line(lines: Sequence[LogLine], number: int) -> None:
    """The line that is linked to, and what stands around it."""
    if number > len(lines):
        st.caption(f"This log has {len(lines):,} lines: there is no line {number:,}.")
        return
    first = max(number - AROUND, 1)
    shown = lines[first - 1 : number + AROUND]
    st.code(
        "\n".join(
            f"{'▶' if place == number else ' '} {place:>5}  {line.text}"
            for place, line in enumerate(shown, start=first)
        ),
        language=None,
        wrap_lines=True,
    )


def _text(lines: Sequence[LogLine], severities: Sequence[str], text: str) -> None:
    numbers = {id(line): place for place, line in enumerate(lines, start=1)}
    shown = matching(lines, severities=severities, text=text, hide_probes=False)
    if not shown:
        tables.nothing("No line fits: clear a filter.")
        return
    with st.container(height=HEIGHT, border=True):
        st.code("\n".join(f"{numbers[id(line)]:>5}  {line.text}" for line in shown), language=None, wrap_lines=True)
    st.caption(f"{len(shown):,} of {len(lines):,} lines; their numbers stay, keys and tokens are hidden")


def _label(one: LogSnapshot) -> str:
    part = ", init" if one.is_init else ""
    return f"{times.absolute(one.at)} · {one.why} · {one.state}{part}"
