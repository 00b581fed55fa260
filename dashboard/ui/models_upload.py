"""The upload of a model's file: one at a time in this process, copied to the file store in blocks and let go at once.

Streamlit keeps an uploaded file in memory: a gigabyte must be there once, not once for everybody, and not for long.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import datetime, timedelta

import streamlit as st
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.typing import UploadedFile

from dashboard import context
from dashboard.ui import errors, times
from dashboard.ui.operation_words import escaped
from services.access import require
from services.files import FETCHED_KEPT_FOR, MODEL_LIMIT, StoredFile
from services.operations.desk import new_id

TURN_LASTS = timedelta(minutes=10)
"""How long an uploader may stand open before somebody else may take the turn."""

_KEPT = "model-upload"


@dataclass(frozen=True, kw_only=True)
class Holder:
    """Who uploads just now."""

    ticket: str
    name: str
    since: datetime


class Turn:
    """Whose turn it is to upload; shared by all sessions."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._holder: Holder | None = None

    def take(self, ticket: str, name: str, *, now: datetime) -> Holder:
        """Take the turn if it is free, or long past; who has it now."""
        with self._lock:
            if self._holder is None or now - self._holder.since > TURN_LASTS:
                self._holder = Holder(ticket=ticket, name=name, since=now)
            return self._holder

    def holder(self, *, now: datetime) -> Holder | None:
        """Who has the turn."""
        with self._lock:
            held = self._holder
            return held if held and now - held.since <= TURN_LASTS else None

    def give_back(self, ticket: str) -> None:
        """Let the next one upload."""
        with self._lock:
            if self._holder and self._holder.ticket == ticket:
                self._holder = None


@st.cache_resource(show_spinner=False)
def turn() -> Turn:
    """The one turn of this process."""
    return Turn()


def choose() -> StoredFile | None:
    """Show the way to upload a file, and give it once it is kept."""
    there = kept()
    if there:
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.markdown(f":material/draft: **{escaped(there.name)}**, {there.size:,} bytes", width="content")
            st.button("Choose another file", key="model-upload-again", on_click=forget, type="tertiary")
        return there
    holder, now = turn().holder(now=context.now()), context.now()
    if holder is None:
        st.button("Upload a file", icon=":material/upload:", key="model-upload-turn", on_click=_take)
        st.caption(f"One file of up to {MODEL_LIMIT >> 30} GB; several files as one zip.")
    elif holder.ticket != _ticket():
        st.info(
            f"{holder.name} began to upload a file {times.span(now - holder.since)} ago, and one goes at a time: "
            f"it is free again when that is done, {times.span(TURN_LASTS)} after the beginning at the latest.",
            icon=":material/hourglass_empty:",
        )
        st.button("Look again", key="model-upload-look")
    else:
        _receive()
    return None


def kept() -> StoredFile | None:
    """The file that was uploaded and is not registered yet."""
    if _KEPT not in st.session_state:
        return None
    sha256, name = st.session_state[_KEPT]
    return context.services().files.find(sha256, name)


def forget() -> None:
    """Begin anew, with no file."""
    st.session_state.pop(_KEPT, None)


def _receive() -> None:
    uploaded = st.file_uploader(
        "The model's file",
        key=f"model-file-{_ticket()}",
        max_upload_size=MODEL_LIMIT >> 20,
        help="A folder is uploaded as one zip and may be unpacked again.",
    )
    if uploaded is None:
        return
    with errors.explained():
        person = context.person()
        require(person, "model.register")
        stored = context.services().files.keep(
            uploaded, name=uploaded.name, purpose="model", by=person, limit=MODEL_LIMIT, keep_for=FETCHED_KEPT_FOR
        )
        st.session_state[_KEPT] = (stored.sha256, stored.name)
    _let_go(uploaded)
    turn().give_back(_ticket())
    st.session_state.pop("model-upload-ticket", None)
    if _KEPT in st.session_state:
        st.rerun()


def _let_go(uploaded: UploadedFile) -> None:
    run = get_script_run_ctx()
    uploaded.close()
    if run and isinstance(run.uploaded_file_mgr, MemoryUploadedFileManager):
        run.uploaded_file_mgr.remove_file(run.session_id, uploaded.file_id)


def _take() -> None:
    turn().take(_ticket(), context.person().name, now=context.now())


def _ticket() -> str:
    made: str = st.session_state.setdefault("model-upload-ticket", new_id())
    return made
