"""Who is here, what time it is, and the services: what every screen and route starts from."""

from __future__ import annotations

import gc
from collections.abc import Mapping
from datetime import UTC, datetime, tzinfo
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import streamlit as st

from services import access
from services.settings import Settings

if TYPE_CHECKING:
    from services.bootstrap import Desk

COOKIE = "desk_session"
"""Names the row of the session table; a random id, HttpOnly and SameSite=Strict."""


@st.cache_resource(show_spinner=False)
def settings() -> Settings:
    """The settings this process was started with."""
    return Settings()


@st.cache_resource(show_spinner=False, on_release=lambda desk: desk.close())
def services() -> Desk:
    """The services, opened once for the whole process and shared by everybody."""
    # Imported here: it brings SQLAlchemy, DBOS and Azure's clients, which a route that only says "alive" does not need.
    from services.bootstrap import desk

    return desk(settings())


@st.cache_resource(show_spinner=False)
def settle(page: str) -> bool:
    """Once a page, take what is loaded by now out of the garbage collector's sight: Streamlit collects after every run."""
    gc.collect()
    gc.freeze()
    return True


def person(cookies: Mapping[str, str] | None = None) -> access.Person:
    """Who is asking: a screen passes nothing, a route passes its request's cookies. No session: a viewer."""
    return _person_of(_session() if cookies is None else cookies.get(COOKIE))


def shown_person() -> access.Person:
    """Who is asking, at most 2 s old: for greying out buttons, never for running a command."""
    return _shown(_session())


@st.cache_data(ttl=2, max_entries=1000, show_spinner=False)
def _shown(session: str | None) -> access.Person:
    return _person_of(session)


def _session() -> str | None:
    cookie = st.context.cookies.get(COOKIE)
    # A screen opened without a browser (AppTest) has no cookies; only server-side code can write into the state.
    return cookie if isinstance(cookie, str) else st.session_state.get(COOKIE)


def _person_of(session: str | None) -> access.Person:
    if not settings().is_local:
        return access.LOCAL_OPERATOR
    return services().sessions.find(session) or access.ANONYMOUS_VIEWER


def now() -> datetime:
    """The time, aware, in UTC."""
    return datetime.now(UTC)


def zone() -> tzinfo:
    """The time zone times are shown in: UTC, or the browser's when the person switched to local."""
    return local_zone() if st.session_state.get("tz") == "local" else UTC


def local_zone() -> tzinfo:
    """The browser's time zone; UTC when it did not say."""
    try:
        return ZoneInfo(st.context.timezone or "UTC")
    except (ZoneInfoNotFoundError, ValueError):
        return UTC
