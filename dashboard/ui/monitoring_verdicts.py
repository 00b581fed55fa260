"""What changed in a range and what it did: the legend of the charts' bands, with a before/after verdict for each change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from dashboard import context, navigation
from dashboard.ui import errors, monitoring_events, monitoring_skeletons, operation_words, times
from dashboard.ui.monitoring_events import Event
from dashboard.ui.states import Colour
from services.marker_verdicts import COMPARED_KINDS, MarkerVerdict
from services.verdicts import RULE, Word

MOST_JUDGED = 12
"""So many of the newest changes get a verdict at once; each asks the telemetry twice."""
LEGEND_HEIGHT = 44
"""As high as the closed legend: the charts beneath it do not jump when the verdicts are there."""
_LOOKS: Mapping[Word, tuple[Colour, str]] = {
    "worse": ("red", ":material/trending_down:"),
    "better": ("green", ":material/trending_up:"),
    "same": ("gray", ":material/trending_flat:"),
    "not enough data": ("gray", ":material/help:"),
}
_ORDER: tuple[Word, ...] = ("worse", "better", "same", "not enough data")


@st.cache_data(ttl=60, max_entries=500, show_spinner=False)
def verdict(operation: str) -> MarkerVerdict:
    """The verdict on one change, at most a minute old."""
    return context.services().marker_verdicts.of_id(operation)


def legend(events: Sequence[Event], *, drawn_before: str, every: str | None) -> None:
    """Show what the bands of the charts stand for; with `every` it looks again by itself.

    `drawn_before` is the key of a widget that stands on the screen once it was drawn.
    """
    if not events:
        st.caption(
            ":material/timeline: The desk changed none of these services in this range, and no incident touches it."
        )
        return
    st.fragment(_legend, parallel=True, run_every=every)(tuple(events), drawn_before)


def badge(found: MarkerVerdict) -> None:
    """Draw a verdict as a badge: the word, and on hover its figures and samples."""
    colour, icon = _LOOKS[found.verdict.word]
    st.badge(found.verdict.word, color=colour, icon=icon, help=" ".join((found.verdict.sentence, found.note)).strip())


def rule() -> None:
    """Show how a verdict comes about, for whoever asks."""
    with st.popover("How a verdict is made", icon=":material/balance:", type="tertiary"):
        st.markdown(operation_words.escaped(RULE))


def _legend(events: tuple[Event, ...], drawn_before: str) -> None:
    judged = [event for event in events if event.operation and event.operation.kind in COMPARED_KINDS][-MOST_JUDGED:]
    found: dict[int, MarkerVerdict] = {}
    with errors.explained(), monitoring_skeletons.first(drawn_before, height=LEGEND_HEIGHT):
        for event in judged:
            if event.operation:
                found[event.number] = verdict(event.operation.id)
    words = [verdict.verdict.word for verdict in found.values()]
    counted = " · ".join(f"{words.count(word)} {word}" for word in _ORDER if word in words)
    label = f"{len(events)} {'change' if len(events) == 1 else 'changes'} in this range: the bands of the charts"
    with st.expander(
        f"{label} · {counted}" if counted else label,
        icon=":material/timeline:",
        expanded="worse" in words,
        key="monitoring-legend",
    ):
        for event in reversed(events):
            _row(event, found.get(event.number))
        if len(judged) == MOST_JUDGED:
            st.caption(f"Verdicts are for the newest {MOST_JUDGED}: choose a shorter range for the earlier ones.")
        rule()


def _row(event: Event, found: MarkerVerdict | None) -> None:
    with st.container(border=True, gap="xsmall"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.badge(f"{event.number} {event.word}", icon=event.icon, color=monitoring_events.badge_colour(event))
            st.markdown(f"**{operation_words.escaped(event.title)}**", width="content")
            st.caption(_when(event), help=times.hover(event.start), width="content")
            if event.by:
                st.caption(f"by {operation_words.escaped(event.by)}", width="content")
            if event.operation:
                navigation.link("operations", "Open", operation=event.operation.id)
            elif event.incident:
                navigation.link("incident", "Open", id=event.incident)
        if found is None:
            return
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            badge(found)
            words = found.verdict.sentence
            if found.verdict.word == "not enough data" and found.note:
                # Why there is nothing to say is all there is to say.
                words = found.note
            st.markdown(operation_words.escaped(words), width="content")
        if found.note and words != found.note:
            st.caption(operation_words.escaped(found.note))


def _when(event: Event) -> str:
    if event.is_open:
        return f"since {times.absolute(event.start)}"
    return f"{times.absolute(event.start)}, took {times.span(event.end - event.start)}"
