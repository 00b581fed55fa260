"""What stands above an incident: what it is, how bad, how long, who leads it, and what can be done with it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC

import streamlit as st

from dashboard import actions, context, navigation, reads, reads_incidents
from dashboard.ui import headings, incident_words, times
from dashboard.ui.operation_words import escaped
from services.incident_records import LONGEST_TITLE, SEVERITIES, Incident

REPORTS = {
    "md": ("Markdown", ":material/description:", "For a ticket or a wiki: words and tables."),
    "html": ("HTML", ":material/html:", "One file with charts, to be opened anywhere."),
    "json": ("Sources", ":material/data_object:", "What the report is made of; its hash stands in both others."),
}
REVIEW = "Review"


def show(incident: Incident) -> None:
    """Show it, with the commands."""
    headings.title(f"{incident.id} {escaped(incident.title)}", _facts(incident))
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        incident_words.badges(incident)
        if incident.is_focused:
            st.badge("incident mode", icon=":material/bolt:", color="blue", help="Refreshes every 5 s, for everybody.")
        st.markdown(incident_words.commander(incident), width="content")
        st.space("stretch")
        _commands(incident)
    st.caption(_times(incident))
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        for name in incident.services:
            navigation.link("service", name, icon=":material/dns:", name=name)


def _commands(incident: Incident) -> None:
    incidents = context.services().incidents
    me = context.shown_person().name
    with st.container(horizontal=True, vertical_alignment="center", gap="small", width="content"):
        if incident.is_open and incident.commander != me:
            _button(
                "I lead it",
                lambda asked: incidents.lead(asked.by, incident.id),
                "lead",
                ":material/person_raised_hand:",
            )
        if incident.is_open:
            on = not incident.is_focused
            _button(
                "Incident mode" if on else "End incident mode",
                lambda asked: incidents.focus(asked.by, incident.id, on=on),
                "focus",
                ":material/bolt:",
                help="Everybody's screen of it refreshes every 5 s and writes larger.",
            )
        _export(incident)
        _change(incident)
        if incident.status == "open":
            _button(
                "Stable",
                lambda asked: incidents.stabilise(asked.by, incident.id),
                "stable",
                ":material/healing:",
                ask="The trouble is over; its clock stops. The review can be written in peace.",
            )
        else:
            _button(
                "Open again",
                lambda asked: incidents.reopen(asked.by, incident.id),
                "reopen",
                ":material/undo:",
                ask="It was not over, or came back: its clock goes on from its start.",
            )
        if incident.is_open:
            st.button("Close…", key="incident-close", icon=":material/task_alt:", on_click=_review)


def _button(
    label: str,
    run: Callable[[actions.Asked], object],
    key: str,
    icon: str,
    *,
    ask: str | None = None,
    help: str | None = None,
) -> None:
    def command(asked: actions.Asked) -> None:
        run(asked)

    actions.button(
        label,
        command,
        key=f"incident-{key}",
        ask=ask,
        command="incident.change",
        clears=(*reads_incidents.CHANGED, reads.matters),
        icon=icon,
        help=help,
    )


def _export(incident: Incident) -> None:
    if not context.shown_person().may("incident.export"):
        return
    with st.popover("Export", icon=":material/download:", key="incident-export"):
        st.caption("Times in UTC; with the hash of what it was made of. The export is in the audit log.")
        for ending, (label, icon, help) in REPORTS.items():
            st.link_button(label, f"/reports/{incident.id}.{ending}", icon=icon, help=help, key=f"export-{ending}")
        navigation.link("incident", "Wall screen", icon=":material/tv:", id=incident.id, wall="1")


def _change(incident: Incident) -> None:
    key = f"change-{incident.id}"

    def fields() -> None:
        st.text_input("What fails", incident.title, key=f"{key}-title", max_chars=LONGEST_TITLE)
        st.selectbox(
            "Severity",
            list(SEVERITIES),
            index=list(SEVERITIES).index(incident.severity),
            format_func=incident_words.severity_choice,
            key=f"{key}-severity",
        )
        names = {listed.service.name for listed in reads.services()} | set(incident.services)
        st.multiselect("Affected services", sorted(names), list(incident.services), key=f"{key}-services")
        st.text_input("Commander", incident.commander or "", key=f"{key}-commander", help="Empty means nobody.")
        st.datetime_input(
            "Began (UTC)",
            incident.started_at.astimezone(UTC).replace(tzinfo=None),
            key=f"{key}-started",
            step=60,
            help="Suspects are the changes before this, or before the first bad request where telemetry shows one.",
        )

    def run(asked: actions.Asked) -> None:
        state = st.session_state
        began = state.get(f"{key}-started")
        same = incident.started_at.replace(second=0, microsecond=0, tzinfo=None)
        context.services().incidents.change(
            asked.by,
            incident.id,
            title=state.get(f"{key}-title"),
            severity=state.get(f"{key}-severity"),
            services=state.get(f"{key}-services"),
            commander=state.get(f"{key}-commander"),
            # The field knows whole minutes: one that was left alone is not a change.
            started_at=None if began is None or began.replace(second=0) == same else began.replace(tzinfo=UTC),
        )

    actions.button(
        "Change",
        run,
        key=key,
        detail=fields,
        confirm="Save",
        command="incident.change",
        clears=(*reads_incidents.CHANGED, reads.matters),
        icon=":material/edit:",
    )


def _facts(incident: Incident) -> str:
    opened = f"opened by {escaped(incident.opened_by)}"
    return f"{incident_words.where(incident)} · {opened}" + (" from an alert" if incident.alert else "")


def _times(incident: Incident) -> str:
    parts = (
        ("began", incident.started_at),
        ("detected", incident.detected_at),
        ("stable", incident.stable_at),
        ("closed", incident.closed_at),
    )
    return " · ".join(f"{word} {times.absolute(at)}" for word, at in parts if at)


def _review() -> None:
    st.session_state["view"] = REVIEW
