"""The screens, their sections and their addresses; one line here makes a screen."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlencode

import streamlit as st

from dashboard import context

PAGES = Path(__file__).resolve().parent.parent / "pages"

BOUND = ("tz", "range", "from", "to")
"""Parts of the address that belong to a widget: Streamlit keeps them itself within a session, and lets nobody else."""


@dataclass(frozen=True, kw_only=True)
class Screen:
    """One screen: a script in `pages/`, where it stands in the menu, and what it is for."""

    name: str
    title: str
    icon: str
    help: str
    section: str
    is_listed: bool = True
    is_local: bool = False
    """Whether it makes sense with the local workspace alone."""


SCREENS: tuple[Screen, ...] = (
    Screen(
        section="Operate",
        name="overview",
        title="Overview",
        icon=":material/monitor_heart:",
        help="What needs attention, and where everything runs.",
    ),
    Screen(
        section="Operate",
        name="services",
        title="Services",
        icon=":material/dns:",
        help="Every web service of the workspace, worst first.",
    ),
    Screen(
        section="Operate",
        name="service",
        title="Service",
        icon=":material/dns:",
        help="One service: its state, configuration, access, logs, tests and history.",
        is_listed=False,
    ),
    Screen(
        section="Operate",
        name="incidents",
        title="Incidents",
        icon=":material/emergency_home:",
        help="What is open now, and every incident that was, with its timeline and its review.",
    ),
    Screen(
        section="Operate",
        name="incident",
        title="Incident",
        icon=":material/emergency_home:",
        help="One incident: what may have done it, what happened so far, and its review.",
        is_listed=False,
    ),
    Screen(
        section="Operate",
        name="operations",
        title="Operations",
        icon=":material/checklist:",
        help="What is running, what ran, and the audit log of who did what.",
    ),
    Screen(
        section="Observe",
        name="monitoring",
        title="Monitoring",
        icon=":material/show_chart:",
        help="Request rate, latency and errors by true code, with the query beneath each chart.",
    ),
    Screen(
        section="Observe",
        name="logs",
        title="Logs",
        icon=":material/article:",
        help="Container logs and those kept before, failures by cause, one request, a search, a KQL console.",
    ),
    Screen(
        section="Ship",
        name="models",
        title="Models",
        icon=":material/deployed_code:",
        help="Every registered model version, and where each one is deployed.",
    ),
    Screen(
        section="Ship",
        name="model",
        title="Model version",
        icon=":material/deployed_code:",
        help="One model version: its tags, files and deployments.",
        is_listed=False,
    ),
    Screen(
        section="Ship",
        name="deploy",
        title="Deploy",
        icon=":material/rocket_launch:",
        help="Launch a service or redeploy one: the plan comes first, then the launch.",
    ),
    Screen(
        section="Platform",
        name="connection",
        title="Connection",
        icon=":material/cable:",
        help="Which workspace, which credential, and what it may do.",
    ),
    Screen(
        section="Platform",
        name="faults",
        title="Faults",
        icon=":material/science:",
        help="Make the local workspace fail on purpose, to practise.",
        is_local=True,
    ),
)


@cache
def _page(name: str) -> st.Page:
    screen = next(screen for screen in SCREENS if screen.name == name)
    return st.Page(
        PAGES / f"{name}.py",
        title=screen.title,
        icon=screen.icon,
        help=screen.help,
        default=name == SCREENS[0].name,
        visibility="visible" if screen.is_listed else "hidden",
    )


def sections() -> dict[str, list[st.Page]]:
    """All screens by section, for `st.navigation`."""
    found: dict[str, list[st.Page]] = {}
    for screen in SCREENS:
        if screen.is_local and not context.settings().is_local:
            continue
        # A copy: `st.navigation` marks a page as the one to run, and that of two people at a time would run once only.
        found.setdefault(screen.section, []).append(copy(_page(screen.name)))
    return found


def go(screen: str, /, **query: str | None) -> NoReturn:
    """Go to another screen, keeping workspace, time zone and range: `go("service", name="wine-dev")`.

    For ids, not for filters: what is bound to a widget is set through `st.session_state` in a callback.
    """
    st.switch_page(_page(screen), query_params=_address(query))


def link(screen: str, label: str, /, *, icon: str | None = None, help: str | None = None, **query: str | None) -> None:
    """Show a link to another screen, keeping workspace, time zone and range."""
    st.page_link(_page(screen), label=label, icon=icon, help=help, query_params=_address(query))


def filtered(screen: str, label: str, /, *, key: str, icon: str | None = None, **filters: Any) -> None:
    """Show the way to another screen with its filters set, which a link cannot do within a session."""
    st.button(label, key=key, icon=icon, type="tertiary", on_click=open_filtered, args=(screen, filters))


def open_filtered(screen: str, filters: dict[str, Any]) -> None:
    """Go to another screen with its filters set; for a callback."""
    st.session_state.update(filters)
    st.switch_page(_page(screen))


def href(screen: str, /, **query: str | None) -> str:
    """Give the address of another screen, for a link inside a table or a sentence; it opens a session of its own."""
    path = "/" if screen == SCREENS[0].name else f"/{screen}"
    bound = {name: st.query_params[name] for name in BOUND if name in st.query_params}
    parts = _address(query) | bound
    return f"{path}?{urlencode(parts)}" if parts else path


def _address(query: dict[str, str | None]) -> dict[str, str]:
    """The workspace, and what is given."""
    kept = {"ws": st.query_params["ws"]} if "ws" in st.query_params else {}
    return kept | {name: value for name, value in query.items() if value is not None}
