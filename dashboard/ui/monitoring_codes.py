"""How codes are counted, in one place: what the caller saw, what the container recorded, and who can see it."""

from __future__ import annotations

import streamlit as st

from services.monitoring.code_map import CODE_MAP, COUNTED_ONCE


def explained() -> None:
    """Show the way to the map of codes."""
    with st.popover("How codes are counted", icon=":material/help:", type="tertiary"):
        st.markdown(
            "The front end answers callers, the container records what it did: the two use different codes. "
            f"{COUNTED_ONCE} What telemetry has not seen is in the front end's log (Container Insights on) and in our "
            "probes and tests."
        )
        st.markdown(_table())


def _table() -> str:
    rows = [
        f"| {one.client} | {one.container} | {one.meaning} | {'telemetry' if one.telemetry else 'front end, probes'} |"
        for one in CODE_MAP
    ]
    head = ("| The caller sees | The container records | What happened | Seen by |", "|---|---|---|---|")
    return "\n".join((*head, *rows))
