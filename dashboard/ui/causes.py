"""What probably happened, how that is known, and what helps; the button opens the right form, filled in."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from dashboard.ui import headings, remedies
from dashboard.ui.operation_words import escaped
from services.classifier import Cause

TITLE = "What probably happened"


def show(causes: Sequence[Cause], *, key: str = "causes", title: bool = True) -> None:
    """Show the causes, the most particular first; nothing when there are none."""
    if not causes:
        return
    if title:
        headings.section(TITLE)
    first, *others = causes
    _one(first, key=key)
    if others:
        count = "One more thing" if len(others) == 1 else f"{len(others)} more things"
        with st.expander(f"{count} seen at the same time", key=f"{key}-others"):
            for cause in others:
                _one(cause, key=key)


def _one(cause: Cause, *, key: str) -> None:
    icon = ":material/lightbulb:" if cause.is_known else ":material/help:"
    with st.container(border=True, key=f"{key}-{cause.id}-box", gap="small"):
        st.markdown(f"{icon} **{escaped(cause.title)}**  \n{escaped(cause.cause)}")
        if not cause.is_known and cause.raw:
            st.code(cause.raw, language=None, wrap_lines=True)
        st.markdown(f":material/healing: {escaped(cause.remedy)}")
        remedies.show(cause, key=key)
        if cause.is_known:
            st.caption(f"Seen: {escaped(cause.shown_by)}")
        elif cause.shown_by:
            st.caption(f"Not looked at: {escaped(cause.shown_by)}")
