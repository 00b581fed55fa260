"""Two people open the same screen at the same moment."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

TOGETHER_SECONDS = 30


def screen() -> None:
    """A desk with one short screen, whose people all wait for one another before it is drawn."""
    import streamlit as st

    from dashboard import navigation

    page = st.navigation([page for pages in navigation.sections().values() for page in pages])
    st.session_state["together"].wait()
    page._page = lambda: st.write("drawn")
    page.run()


@pytest.mark.parametrize("people", [2, 5])
def test_everybody_sees_it(people: int) -> None:
    together = threading.Barrier(people, timeout=TOGETHER_SECONDS)
    windows = [AppTest.from_function(screen, default_timeout=TOGETHER_SECONDS) for _ in range(people)]
    for window in windows:
        window.session_state["together"] = together

    drawing: list[Any] = [threading.Thread(target=window.run) for window in windows]
    for thread in drawing:
        thread.start()
    for thread in drawing:
        thread.join()

    assert [[text.value for text in window.markdown] for window in windows] == [["drawn"]] * people
    assert not any(window.exception for window in windows)
