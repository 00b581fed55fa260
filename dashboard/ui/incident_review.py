"""The review: what happened, what helped, who does what until when; with it an incident is closed."""

from __future__ import annotations

from datetime import date

import streamlit as st

from dashboard import actions, context, reads, reads_incidents
from dashboard.ui import headings, incident_notes, tables
from dashboard.ui.incident_timeline import markdown
from dashboard.ui.operation_words import escaped
from services.incident_records import Action, Incident


def show(incident: Incident) -> None:
    """Show it: to be written while the incident is not closed, to be read afterwards."""
    _said(incident)
    _actions(incident)


def _said(incident: Incident) -> None:
    headings.section("Review", "Written once it is over, so that it does not come back.")
    if incident.review and not incident.is_open:
        st.markdown("**What happened**")
        st.markdown(markdown(incident.review.what_happened))
        st.markdown("**What helped**")
        st.markdown(markdown(incident.review.what_helped))
        return
    if not context.shown_person().may("incident.close"):
        tables.nothing("It is not written yet: whoever closes the incident writes it.")
        return
    happened, helped = f"{incident.id}-happened", f"{incident.id}-helped"
    incident_notes.area(happened, "What happened", placeholder="What failed, for whom, and why")
    incident_notes.area(helped, "What helped", placeholder="What was done that ended it; what would have helped sooner")

    def close(asked: actions.Asked) -> None:
        context.services().incidents.close(
            asked.by,
            incident.id,
            what_happened=st.session_state.get(f"draft-{happened}") or "",
            what_helped=st.session_state.get(f"draft-{helped}") or "",
        )
        incident_notes.sent(happened)
        incident_notes.sent(helped)

    actions.button(
        "Close the incident",
        close,
        key="incident-close-now",
        command="incident.close",
        clears=(*reads_incidents.CHANGED, reads.matters),
        started=f"{incident.id} is closed.",
        look="primary",
        icon=":material/task_alt:",
    )


def _actions(incident: Incident) -> None:
    headings.section("Actions", "What is to be done afterwards, by whom and until when.")
    found = reads_incidents.actions(incident.id)
    if not found:
        tables.nothing("No action yet.")
    for action in found:
        _action(incident, action)
    if context.shown_person().may("incident.change"):
        _add(incident)


def _action(incident: Incident, action: Action) -> None:
    done = action.done_at is not None
    with st.container(
        border=True, horizontal=True, vertical_alignment="center", gap="small", key=f"action-{action.id}"
    ):
        st.markdown(
            f"{':green[:material/task_alt:]' if done else ':material/circle:'} {escaped(action.text)}", width="content"
        )
        st.caption(f"{escaped(action.owner)} · {_due(action)}", width="content")
        st.space("stretch")

        def tick(asked: actions.Asked) -> None:
            context.services().incident_notes.finish_action(asked.by, incident.id, action.id, done=not done)

        actions.button(
            "Not done" if done else "Done",
            tick,
            key=f"action-done-{action.id}",
            command="incident.change",
            clears=reads_incidents.CHANGED,
            look="tertiary",
        )


def _due(action: Action) -> str:
    if action.done_at:
        return f"done {action.done_at:%Y-%m-%d}"
    if action.due is None:
        return "no date"
    late = " – late" if action.due < context.now().date() else ""
    return f"until {action.due:%Y-%m-%d}{late}"


def _add(incident: Incident) -> None:
    key = f"action-{incident.id}"
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        st.text_input("What is to be done", key=f"{key}-text", max_chars=500, width=360)
        st.text_input("Owner", key=f"{key}-owner", max_chars=100, width=174)
        st.date_input("Until", None, key=f"{key}-due", width=150)

        def add(asked: actions.Asked) -> None:
            due = st.session_state.get(f"{key}-due")
            context.services().incident_notes.add_action(
                asked.by,
                incident.id,
                text=st.session_state.get(f"{key}-text", ""),
                owner=st.session_state.get(f"{key}-owner", ""),
                due=due if isinstance(due, date) else None,
            )
            for name in ("text", "owner"):
                st.session_state[f"{key}-{name}"] = ""
            st.session_state[f"{key}-due"] = None

        actions.button(
            "Add the action",
            add,
            key=f"{key}-add",
            command="incident.change",
            clears=reads_incidents.CHANGED,
            icon=":material/add_task:",
        )
