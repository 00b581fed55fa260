"""Errors on screen: a desk error is its sentence, anything else a reference into the log; never a traceback."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

from services.errors import DeskError

LOG = logging.getLogger("desk.errors")

_LOOK: dict[str, tuple[str, str]] = {
    "invalid": ("This cannot be done as it is written", ":material/edit_note:"),
    "not found": ("This is not there", ":material/search_off:"),
    "conflict": ("Something else is in the way", ":material/call_split:"),
    "forbidden": ("You may not do this", ":material/lock:"),
    "unavailable": ("No answer", ":material/cloud_off:"),
}


def show(error: DeskError) -> None:
    """Show one of the five kinds: what happened and what to do next."""
    sentence(error.kind, error.sentence, error.detail)


def sentence(kind: str, text: str, detail: str | None = None) -> None:
    """The same from its parts, for an error that was kept over a rerun."""
    title, icon = _LOOK.get(kind, ("This did not work", ":material/error:"))
    (st.warning if kind in ("not found", "conflict") else st.error)(text, title=title, icon=icon)
    if detail:
        with st.expander("What Azure said"):
            st.code(detail, language=None, wrap_lines=True)


@contextmanager
def explained() -> Iterator[None]:
    """Show a desk error that ends the work inside as its sentence, where that work was being drawn."""
    try:
        yield
    except DeskError as error:
        show(error)


def explain(error: Exception) -> bool:
    """Show whatever a screen did not catch; Streamlit asks this for every script, fragment and callback."""
    if isinstance(error, DeskError):
        show(error)
        return True
    reference = secrets.token_hex(3)
    LOG.error("Reference %s", reference, exc_info=error)
    st.error(
        f"The desk made a mistake; nothing you started is lost. Try again; if it stays, look for reference {reference} "
        "in the desk's log.",
        title=f"Something went wrong here, reference {reference}",
        icon=":material/bug_report:",
    )
    return True
