"""What needs attention: one line a matter with since when, the last change, who is on it, and where to go."""

from __future__ import annotations

import streamlit as st

from dashboard import actions, context, navigation, reads
from dashboard.ui import alert_panel, headings, incident_open, operation_words, states, times
from services.attention import Matter

MOST_SHOWN = 12
LONGEST_SENTENCE = 150
WORDS = {"operation": "stopped"}


def show() -> None:
    """Show every matter, refreshed by itself, and the way to the alerts and their rules."""
    _list()
    alert_panel.show()


@st.fragment(run_every="5s")
def _list() -> None:
    matters = reads.matters()
    if not matters and reads.services_read_at() is None:
        st.caption("Not known yet: nothing was read from Azure so far.")
        return
    if not matters:
        with st.container(border=True, horizontal=True, vertical_alignment="center"):
            st.markdown(":green[:material/check_circle:] **Nothing needs attention.**", width="content")
        return
    headings.section(
        f":red[:material/priority_high:] {len(matters)} {'needs' if len(matters) == 1 else 'need'} attention"
    )
    for matter in matters[:MOST_SHOWN]:
        _matter(matter)
    if len(matters) > MOST_SHOWN:
        st.caption(f"{len(matters) - MOST_SHOWN} more: they are on the Services screen, worst first.")


def _matter(matter: Matter) -> None:
    with st.container(border=True, key=f"matter-{matter.id.replace(':', '-')}", gap="xsmall"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            states.badge(WORDS.get(matter.kind, matter.kind))
            where = f" · {operation_words.escaped(matter.stage)}" if matter.stage else ""
            st.markdown(f"**{operation_words.escaped(matter.subject)}**{where}", width="content")
            st.space("stretch")
            # Together: on a phone both stand in the line below the name.
            with st.container(horizontal=True, vertical_alignment="center", gap="small", width="content"):
                if matter.alert is not None:
                    incident_open.button(alert=matter.alert, key=f"matter-incident-{matter.alert.id}")
                _on_it(matter)
                _open(matter)
        st.markdown(operation_words.escaped(_short(matter.sentence)))
        st.caption(_since(matter), help=times.hover(matter.since))


def _short(sentence: str) -> str:
    """One line's worth, as a sentence: the whole of Azure's words stands on the service's own page."""
    sentence = sentence[:1].upper() + sentence[1:]
    return sentence if len(sentence) <= LONGEST_SENTENCE else sentence[:LONGEST_SENTENCE].rsplit(" ", 1)[0] + " …"


def _since(matter: Matter) -> str:
    parts = [f"since {times.absolute(matter.since)} ({times.ago(matter.since)})"]
    if matter.last_change is not None:
        change = matter.last_change
        parts.append(
            f"last change: {operation_words.kind(change.kind)}, {change.state}, "
            f"{times.ago(change.requested_at)} by {change.person_name}"
        )
    if matter.taken_by:
        parts.append(f"{matter.taken_by} has it")
    return operation_words.escaped(" · ".join(parts))


def _on_it(matter: Matter) -> None:
    key = f"have-{matter.id.replace(':', '-')}"
    if matter.taken_by == context.shown_person().name:
        actions.button(
            "Let go",
            lambda asked: context.services().attention.let_go(asked.by, matter.id),
            key=f"{key}-no",
            command="attention.take",
            clears=(reads.matters,),
            look="tertiary",
        )
        return
    actions.button(
        "I have it" if not matter.taken_by else "Take over",
        lambda asked: context.services().attention.take(asked.by, matter.id),
        key=key,
        command="attention.take",
        clears=(reads.matters,),
        help="Everyone sees that you are on it.",
    )


def _open(matter: Matter) -> None:
    if matter.subject_kind == "service":
        view = {"anonymous": "Configuration", "waiting": "Access", "failed": "Logs"}.get(matter.kind)
        navigation.link("service", "Open", icon=":material/dns:", name=matter.subject, view=view)
    elif matter.last_change is not None:
        navigation.link("operations", "Open", icon=":material/checklist:", operation=matter.last_change.id)
