"""The timeline on screen: newest first, filtered by kind, each entry with the way to where it came from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from dashboard import navigation, reads_incidents
from dashboard.ui import errors, filters, headings, incident_pulse, states, tables, times
from dashboard.ui.operation_words import escaped
from services.incident_records import Incident
from services.timeline import Entry, EntryKind

PAGE = 30
KINDS: Mapping[EntryKind, tuple[str, str]] = {
    "change": ("changes", ":blue[:material/rocket_launch:]"),
    "state": ("states", ":material/swap_horiz:"),
    "alert": ("alerts", ":red[:material/notifications_active:]"),
    "request": ("first bad request", ":red[:material/error:]"),
    "failure": ("new errors", ":red[:material/bug_report:]"),
    "log": ("kept logs", ":material/article:"),
    "note": ("notes", ":material/edit_note:"),
    "incident": ("the incident", ":material/emergency_home:"),
    "record": ("audit", ":material/verified_user:"),
}


def show(incident: Incident) -> None:
    """Show it, refreshed by itself."""
    headings.section("Timeline", "Newest first; it builds itself from what the desk records.")
    words = [word for word, _ in KINDS.values()]
    chosen = filters.several("Kinds", words, key="kinds", help="None means all.")
    kinds = [kind for kind, (word, _) in KINDS.items() if word in chosen]
    st.fragment(_entries, run_every=incident_pulse.every(incident))(incident, kinds)


def _entries(incident: Incident, kinds: Sequence[EntryKind]) -> None:
    with errors.explained():
        found = [one for one in reversed(reads_incidents.story(incident.id).entries) if not kinds or one.kind in kinds]
        if not found:
            tables.nothing("Nothing of these kinds happened: choose others.")
            return
        shown = tables.pages(len(found), key="entries", size=PAGE, what="entries")
        with st.container(key="timeline", gap="xsmall"):
            for entry in found[shown]:
                line(entry)


def line(entry: Entry, *, is_linked: bool = True) -> None:
    """One entry: when, what, what came of it, by whom, and the way to where it came from."""
    icon = KINDS[entry.kind][1]
    text = markdown(entry.text) if entry.kind == "note" else escaped(entry.text)
    state = f" {states.inline(entry.state)}" if entry.state else ""
    person = f" :small[:gray[{escaped(entry.person)}]]" if entry.person else ""
    with st.container(horizontal=True, vertical_alignment="top", gap="small", wrap=False):
        st.markdown(f":small[:gray[{_time(entry)}]] {icon} {text}{state}{person}", width="stretch")
        if is_linked and entry.link and entry.link.screen != "incident":
            navigation.link(entry.link.screen, "Open", **dict(entry.link.query))


def markdown(text: str) -> str:
    """A note as it was written, without pictures: a reader's browser should ask nobody else for anything."""
    return text.replace("![", "\\![")


def _time(entry: Entry) -> str:
    began = escaped(times.absolute(entry.at))
    if entry.ended_at and entry.ended_at > entry.at:
        return f"{began} +{times.span(entry.ended_at - entry.at)}"
    return began
