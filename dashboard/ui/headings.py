"""The title of a screen with the sentence that says what it is for."""

from __future__ import annotations

import streamlit as st


def title(text: str, sentence: str, *, icon: str | None = None) -> None:
    """Show the one title of a screen and what the screen is for."""
    st.title(text, anchor=False, icon=icon)
    st.caption(sentence)


def section(text: str, sentence: str | None = None) -> None:
    """Show the heading of a part of a screen."""
    # The level below the title: a screen reader's list of headings has no holes.
    st.header(text, anchor=False)
    if sentence:
        st.caption(sentence)
