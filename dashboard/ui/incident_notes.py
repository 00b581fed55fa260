"""Notes: what is typed is kept while it is typed, in the ledger and by person, so that nothing loses it."""

from __future__ import annotations

import streamlit as st

from dashboard import actions, context, reads_incidents
from dashboard.ui import headings
from services.incident_records import Incident

HELP = (
    "Markdown. Keys and tokens in it are taken out. What you type is kept as a draft, also over a reload or a sign-out."
)


def show(incident: Incident) -> None:
    """Show the field for a note; notes themselves stand in the timeline."""
    if not context.shown_person().may("incident.note"):
        return
    headings.section("Write it down", "What you see and try, while you do: the notes stand in the timeline.")
    _field(incident)


@st.fragment
def _field(incident: Incident) -> None:
    place = f"{incident.id}-note"
    several = st.toggle(
        "Several lines", key=f"{place}-several", help="A draft of several lines is kept when you leave the field."
    )
    area(place, "Note", several=several)
    actions.button(
        "Add the note",
        lambda asked: _add(asked, incident, place),
        key=f"{place}-add",
        command="incident.note",
        clears=reads_incidents.CHANGED,
        icon=":material/add_comment:",
    )


def area(place: str, label: str, *, several: bool = True, placeholder: str = "") -> str:
    """A field whose text is a draft of this person's until it is sent; what stands in it."""
    key = f"draft-{place}"
    if key not in st.session_state:
        st.session_state[key] = context.services().drafts.find(context.person(), place)
    if several:
        typed = st.text_area(
            label, key=key, help=HELP, placeholder=placeholder, on_change=_keep, args=(place,), height=110
        )
    else:
        typed = st.text_input(
            label, key=key, help=HELP, placeholder=placeholder, on_change=_keep, args=(place,), live=True
        )
    return (typed or "").strip()


def sent(place: str) -> None:
    """Empty a field whose text was sent."""
    context.services().drafts.drop(context.person(), place)
    st.session_state[f"draft-{place}"] = ""


def _keep(place: str) -> None:
    context.services().drafts.keep(context.person(), place, st.session_state.get(f"draft-{place}") or "")


def _add(asked: actions.Asked, incident: Incident, place: str) -> None:
    context.services().incident_notes.note(asked.by, incident.id, st.session_state.get(f"draft-{place}") or "")
    sent(place)
