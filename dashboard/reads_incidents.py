"""Cached reads of the screens Incidents and Incident."""

from __future__ import annotations

from typing import Any

import streamlit as st

from dashboard import context
from services.incident_records import Action, Incident, Note
from services.incident_story import Figures, Story


@st.cache_data(ttl=2, show_spinner=False, max_entries=100)
def page(**wanted: Any) -> list[Incident]:
    """One page of incidents, newest first; the arguments are `Incidents.page`'s."""
    return context.services().incidents.page(**wanted)


@st.cache_data(ttl=2, show_spinner=False, max_entries=100)
def count(**wanted: Any) -> int:
    """How many there are in all."""
    return context.services().incidents.count(**wanted)


@st.cache_data(ttl=2, show_spinner=False)
def open_now() -> list[Incident]:
    """What is not closed yet, the worst first."""
    return context.services().incidents.open()


@st.cache_data(ttl=2, show_spinner=False, max_entries=200)
def find(incident_id: str) -> Incident | None:
    """One incident, or None when there is none of that name."""
    return context.services().incidents.find(incident_id)


@st.cache_data(ttl=2, show_spinner=False, max_entries=50)
def story(incident_id: str) -> Story:
    """Its timeline and its suspects."""
    return context.services().stories.of(incident_id)


@st.cache_data(ttl=4, show_spinner=False, max_entries=50)
def figures(services: tuple[str, ...]) -> Figures | None:
    """How the affected services do just now."""
    return context.services().stories.figures(services)


@st.cache_data(ttl=2, show_spinner=False, max_entries=200)
def notes(incident_id: str) -> list[Note]:
    """What was written down, oldest first."""
    return context.services().incident_notes.notes(incident_id)


@st.cache_data(ttl=2, show_spinner=False, max_entries=200)
def actions(incident_id: str) -> list[Action]:
    """What is to be done after it."""
    return context.services().incident_notes.actions(incident_id)


CHANGED = (page, count, open_now, find, story, notes, actions)
"""What a command on an incident makes out of date."""


def forget() -> None:
    """Empty what a command made out of date."""
    for read in CHANGED:
        read.clear()
