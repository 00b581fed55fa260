"""The KQL beneath a chart, as it ran: its rows, copy, the Azure portal, edit it in the console, save it as one's own."""

from __future__ import annotations

import streamlit as st

from dashboard import context, navigation
from dashboard.ui import errors, logs_queries, tables
from services.azuremonitor.tables import Table
from services.errors import DeskError
from services.monitoring import Span
from services.queries import COMMAND, LONGEST_NAME

HEIGHT = 240
NEEDS = "This needs the role operator: rows are raw. Choose another identity, or ask someone who has it."


def beneath(table: Table, *, span: Span, key: str) -> None:
    """Show what a chart asked; nothing of it is made before somebody opens it."""
    opened = st.expander("Query", icon=":material/code:", key=key_of(key), type="compact", on_change="rerun")
    if not opened.open:
        return
    with opened:
        st.code(table.query, language=None, wrap_lines=True)
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            is_run = st.toggle("Its rows", key=f"{key}-rows", help="What the query gave, as a table with CSV.")
            _edit(table.query, key=key)
            _save(table.query, key=key)
            _portal(table.query, span)
        if is_run:
            tables.show(
                table.frame(),
                key=f"{key}-table",
                alt="The rows the chart is drawn from.",
                empty="The query ran and gave no row.",
                height=HEIGHT,
            )


def key_of(key: str) -> str:
    """The key of what opens the query beneath a chart."""
    return f"{key}-query"


def _edit(query: str, *, key: str) -> None:
    may = context.shown_person().may(COMMAND)
    st.button(
        "Edit and run",
        key=f"{key}-edit",
        icon=":material/edit:",
        type="tertiary",
        on_click=_open_console,
        args=(query,),
        disabled=not may,
        help="Opens it in the console of Logs, with the same range." if may else NEEDS,
    )


def _open_console(query: str) -> None:
    logs_queries.open_with(query)
    navigation.open_filtered("logs", {"view": "Queries"})


def _save(query: str, *, key: str) -> None:
    may = context.shown_person().may(COMMAND)
    with st.popover(
        "Save as own", icon=":material/save:", type="tertiary", disabled=not may, help=None if may else NEEDS
    ):
        st.text_input("Name", key=f"{key}-name", max_chars=LONGEST_NAME)
        st.button("Save", key=f"{key}-save", on_click=_keep, args=(query, key))
        said = st.session_state.pop(f"{key}-saved", None)
        if isinstance(said, DeskError):
            errors.show(said)
        elif said:
            st.success(said, icon=":material/check:")


def _keep(query: str, key: str) -> None:
    name = st.session_state.get(f"{key}-name") or ""
    try:
        context.services().queries.save(context.person(), name, query)
    except DeskError as error:
        st.session_state[f"{key}-saved"] = error
    else:
        st.session_state[f"{key}-saved"] = f"Saved as {name.strip()}: it is offered in the console of Logs."


def _portal(query: str, span: Span) -> None:
    with errors.explained():
        link = context.services().queries.portal_link(query, start=span.start, end=span.end)
        if link.address:
            st.link_button("Open in the Azure portal", link.address, icon=":material/open_in_new:", type="tertiary")
        else:
            st.caption(f":material/open_in_new: {link.why_not}", width="content")
