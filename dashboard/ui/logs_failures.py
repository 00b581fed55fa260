"""Failures: what run() raises, grouped by its innermost cause: how often, since when, since which deployment, whose."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import streamlit as st

from dashboard import actions, context, navigation, reads_logs, reads_services
from dashboard.ui import errors, filters, headings, logs_ways, operation_words, ranges, tables, times
from services.failure_groups import FailureGroup

MUTES: dict[str, timedelta] = {"1 hour": timedelta(hours=1), "1 day": timedelta(days=1), "1 week": timedelta(days=7)}
NOT_OURS = "not by the desk"


def show() -> None:
    """The groups of the range, and the one that is chosen."""
    names = [listed.service.name for listed in reads_services.listed()]
    with filters.bar():
        range_ = ranges.choose()
        service = filters.one("Service", names, key="of", every="All services")
        with_muted = filters.switch("Muted too", key="muted", help="Those that nobody wants to hear of for now.")
    with errors.explained():
        found = context.services().failure_groups.of(service, since=range_.start, until=range_.end)
        now = context.now()
        muted = [group for group in found if group.is_muted(now)]
        shown = found if with_muted else [group for group in found if not group.is_muted(now)]
        _table(shown, range_, muted=0 if with_muted else len(muted))


def _table(groups: Sequence[FailureGroup], range_: ranges.Range, *, muted: int) -> None:
    place = tables.choose(
        [_row(group) for group in groups],
        key="failure-groups",
        alt="Failures by their innermost cause, those that happened most first.",
        columns={
            "failure": tables.text("Failure", wide=True),
            "count": tables.number("Times"),
            "trend": st.column_config.BarChartColumn("Trend", y_min=0, help=f"Over {range_.label.lower()}."),
            "last": times.column("Last seen"),
            "first": times.column("First seen"),
            "deployment": tables.text("First in"),
            "services": tables.text("Services"),
            "who": tables.text("Who has it"),
            "place": tables.text("Where", wide=True),
        },
        empty="No exception was seen in this range. Failures without one, such as 401 and 503, are in Monitoring."
        + (f" {muted} muted." if muted else ""),
        next_step=lambda: navigation.link("monitoring", "Monitoring", icon=":material/show_chart:"),
    )
    if groups:
        hidden = f" · {muted} muted" if muted else ""
        st.caption(
            f"From the containers' telemetry; the wrapper the server puts around is taken off, values are hidden{hidden}."
        )
    wanted = filters.wanted("group")
    if place is not None:
        st.query_params["group"] = groups[place].id
    chosen = groups[place] if place is not None else next((group for group in groups if group.id == wanted), None)
    if len(groups) == 1 and not wanted:
        chosen = groups[0]
    if chosen is None and wanted and place is None:
        chosen = context.services().failure_groups.find(wanted, since=range_.start, until=range_.end)
        if chosen is None:
            tables.nothing("The failure this address names is not known here.")
    if chosen:
        _group(chosen)


def _row(group: FailureGroup) -> dict[str, object]:
    return {
        "failure": f"{group.type}: {group.message}" if group.message else group.type,
        "count": group.count,
        "trend": list(group.trend),
        "last": group.last_seen,
        "first": group.first_seen,
        "deployment": _deployment(group),
        "services": ", ".join(group.services),
        "who": group.assigned_to or ("muted" if group.is_muted(context.now()) else ""),
        "place": group.place,
    }


def _deployment(group: FailureGroup) -> str:
    operation = reads_logs.operation(group.first_operation) if group.first_operation else None
    return f"{operation.title}, {times.absolute(operation.requested_at)}" if operation else NOT_OURS


def _group(group: FailureGroup) -> None:
    headings.section(group.type, group.message)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.badge(f"{group.count:,} times in this range", color="red" if group.count else "gray")
        times.show(group.first_seen, before="first seen")
        times.show(group.last_seen, before="last seen")
        if group.assigned_to:
            st.badge(f"{group.assigned_to} has it", icon=":material/person:", color="blue")
        if group.is_muted(context.now()):
            st.badge(f"muted until {times.absolute(group.muted_until)}", icon=":material/notifications_off:")
    if group.place:
        st.markdown(f"Raised in {operation_words.escaped(group.place)}")
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        for service in group.services:
            navigation.link("service", service, icon=":material/dns:", name=service)
        if group.first_operation:
            navigation.link(
                "operations",
                f"First in: {_deployment(group)}",
                icon=":material/checklist:",
                operation=group.first_operation,
            )
        else:
            st.caption(f"First in: a deployment {NOT_OURS}", width="content")
        if group.sample_request:
            logs_ways.button(
                "Look into a request of it",
                key="sample-request",
                view=logs_ways.REQUEST,
                icon=":material/search:",
                request=group.sample_request,
            )
    _who(group)
    if group.stack:
        with st.expander(
            "Stack of one of them, from the script on, its message without values",
            icon=":material/data_object:",
            expanded=True,
        ):
            st.code(group.stack, language=None, wrap_lines=True)


def _who(group: FailureGroup) -> None:
    """Who looks after it, and whether anybody wants to hear of it."""
    groups = context.services().failure_groups
    me = context.shown_person().name
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        chosen = st.selectbox(
            "Who has it",
            list(dict.fromkeys([me, *reads_logs.people()])),
            index=None,
            key=f"assign-{group.id}",
            placeholder=group.assigned_to or "nobody yet",
            accept_new_options=True,
            width=220,
        )
        actions.button(
            "Assign",
            lambda asked: groups.assign(asked.by, group, chosen or asked.by.name),
            key=f"assign-go-{group.id}",
            command="failures.assign",
            started=f"{chosen or me} has it now.",
            icon=":material/person_add:",
        )
        if group.assigned_to:
            actions.button(
                "Give it back",
                lambda asked: groups.assign(asked.by, group, ""),
                key=f"unassign-{group.id}",
                command="failures.assign",
                started="Nobody has it now.",
            )
        if group.is_muted(context.now()):
            actions.button(
                "Unmute",
                lambda asked: groups.mute(asked.by, group, None),
                key=f"unmute-{group.id}",
                command="failures.mute",
                started="It is shown again.",
                icon=":material/notifications:",
            )
            return
        how_long = st.selectbox("Mute for", list(MUTES), key=f"mute-{group.id}", width=120) or next(iter(MUTES))
        actions.button(
            "Mute",
            lambda asked: groups.mute(asked.by, group, context.now() + MUTES[how_long]),
            key=f"mute-go-{group.id}",
            command="failures.mute",
            started=f"Muted for {how_long}.",
            icon=":material/notifications_off:",
        )
