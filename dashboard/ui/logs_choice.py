"""The quick way to a log: the services that are worst off, one press each."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from dashboard import navigation
from dashboard.ui import states
from services.webservices import ListedService

MOST = 8


def worst(listed: Sequence[ListedService]) -> None:
    """Offer the logs of the first services of the list, which has the worst first."""
    for found in listed[:MOST]:
        name = found.service.name
        with st.container(horizontal=True, vertical_alignment="center", gap="small", key=f"log-of-{name}"):
            states.badge(found.word)
            navigation.filtered("logs", name, key=f"read-log-{name}", icon=":material/article:", of=name)
    if len(listed) > MOST:
        st.caption(f"{len(listed) - MOST} more are in the choice above.")
