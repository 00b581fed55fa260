"""One operation on screen: its phases, log, plan and receipt, refreshed by itself while it runs.

    operation.show(operation_id)              # everything about one
    operation.running(subject="wine-dev")     # a line for each that runs, such as on a service's page

Both survive closing the browser: what they show is in the ledger, and the worker goes on without anybody looking.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import streamlit as st

from dashboard import context, navigation, reads_operations
from dashboard.ui import errors, operation_parts, operation_words, states, times
from services.operations.records import Line, Operation

EVERY = "2s"
LOG_LINES = 200

Ended = Callable[[Operation], None]


def show(operation_id: str, *, ended: Ended | None = None, is_linked: bool = True) -> None:
    """Show one operation: who asked, what it does now, its steps with times, log, plan, receipt, and how to go on.

    `ended` is called once, before the screen is drawn anew, when it ends while somebody looks: to empty cached reads.
    `is_linked` shows the way to its service or model, which that one's own page does not need.
    """
    with errors.explained():
        found = context.services().operations.get(operation_id)
        if not found.is_open:
            _draw(found, is_linked=is_linked)
            return
        st.fragment(_follow, run_every=EVERY)(operation_id, ended=ended, is_linked=is_linked)


def running(*, subject: str = "", empty: str = "", ended: Callable[[], None] | None = None) -> None:
    """Show a line for each operation that waits, runs or has stopped, with the way to it; `empty` when there is none."""
    found = _running_of(subject)
    st.fragment(_follow_all, run_every=EVERY if any(operation.is_open for operation in found) else "10s")(
        subject, empty=empty, ended=ended, before={operation.id for operation in found}
    )


def line(operation: Operation) -> str:
    """One that runs as a line of Markdown: `deploying 2/5 Deploy wine: building the environment, 48 s (usually 70 s)`."""
    behind = context.services().operations.behind(operation)
    took = operation_words.duration(operation, now=context.now(), usual=_usual(operation))
    badge = states.inline(operation_words.state(operation), detail=operation_words.progress(operation))
    doing = behind or operation_words.doing(operation)
    return f"{badge} **{operation_words.escaped(operation.title)}**: {operation_words.escaped(doing)}, {took}"


def _follow(operation_id: str, *, ended: Ended | None, is_linked: bool) -> None:
    found = context.services().operations.get(operation_id)
    _draw(found, is_linked=is_linked)
    if not found.is_open:
        reads_operations.running.clear()
        if ended:
            ended(found)
        st.rerun()


def _follow_all(subject: str, *, empty: str, ended: Callable[[], None] | None, before: set[str]) -> None:
    found = _running_of(subject)
    if not found and empty:
        st.caption(empty)
    for operation in found:
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.markdown(line(operation), width="content")
            navigation.link("operations", "Open", icon=":material/checklist:", operation=operation.id)
    if before != {operation.id for operation in found}:
        if ended:
            ended()
        st.rerun()


def _running_of(subject: str) -> list[Operation]:
    return [found for found in reads_operations.running() if not subject or found.subject == subject]


def _draw(found: Operation, *, is_linked: bool) -> None:
    with st.container(key=f"operation-{found.id}", gap="small"):
        _head(found)
        operation_parts.trouble(found)
        lines = context.services().operations.lines(found.id)
        operation_parts.steps(found, lines)
        operation_parts.receipt(found, is_linked=is_linked)
        operation_parts.ways_on(found, is_linked=is_linked)
        _log(found, lines)
        operation_parts.plan(found)


def _head(found: Operation) -> None:
    behind = context.services().operations.behind(found)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(f"**{operation_words.escaped(found.title)}**", width="content")
        states.badge(operation_words.state(found), detail=operation_words.progress(found))
        took = operation_words.duration(found, now=context.now(), usual=_usual(found))
        st.markdown(
            f":material/timer: {took}", width="content", help="From being asked for, beside what is usual here."
        )
    if behind:
        st.markdown(f":orange-badge[:material/hourglass_empty: waits] {operation_words.escaped(behind)}")
    reason = f", because: {operation_words.escaped(found.reason)}" if found.reason else ""
    st.caption(
        f"Asked for by {operation_words.escaped(found.person_name)} ({found.role}) {times.both(found.requested_at)}{reason}",
        help=f"Operation {found.id}; {times.hover(found.requested_at)}",
    )


def _log(found: Operation, lines: list[Line]) -> None:
    if not lines:
        return
    is_telling = found.is_open or found.state == "failed"
    count = f"the last {LOG_LINES} of {len(lines)} lines" if len(lines) > LOG_LINES else f"{len(lines)} lines"
    lines = lines[-LOG_LINES:]
    with (
        st.expander(
            f"Log, {count}, {times.zone_name()}",
            icon=":material/article:",
            expanded=is_telling,
            key=f"operation-log-{found.id}",
        ),
        st.container(height=min(280, 60 + 24 * len(lines)), autoscroll=True, border=False),
    ):
        st.code(operation_words.log_text(lines), language=None, wrap_lines=True)


def _usual(found: Operation) -> timedelta | None:
    return reads_operations.usual_duration(found.kind, str(found.arguments.get("target") or ""))
