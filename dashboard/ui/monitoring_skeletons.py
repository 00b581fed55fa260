"""What keeps the room of something that is still being asked for, when a screen is opened."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import streamlit as st


def first(key: str, *, height: int) -> AbstractContextManager[object]:
    """Show a skeleton while the work inside goes on, unless the widget of that key stands there from a moment ago.

    Streamlit forgets a widget when its screen is left: a refresh, which keeps what is shown, does not move it.
    """
    if key in st.session_state:
        return nullcontext()
    return st.skeleton(height)
