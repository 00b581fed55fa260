"""What is around every screen: whose workspace this is, who I am, in which time zone, and what does not answer."""

from __future__ import annotations

import streamlit as st

from dashboard import context, identity, reads
from dashboard.ui import errors, faults_bar, times
from services.access import Person
from services.errors import Invalid, Unavailable


def wait_for_services() -> None:
    """Go on when the services are open; until then say what is missing and look again by itself."""
    try:
        context.services()
    except Unavailable as error:
        errors.show(error)
        _look_again()
        st.stop()


@st.fragment(run_every="2s")
def _look_again() -> None:
    try:
        context.services()
    except Unavailable:
        st.caption("Looking again every 2 s.")
    else:
        st.rerun()


def keep_address() -> None:
    """Keep the workspace in the address, and stop when the address is about another one."""
    connected = address_of(context.services().workspace)
    asked = st.query_params.get("ws")
    if asked is None:
        st.query_params["ws"] = connected
    elif asked != connected:
        raise Invalid(
            f"This address is about the workspace {asked}; this desk is connected to {connected}. "
            "Open it on the other desk, or remove ?ws= from the address."
        )


def address_of(workspace: str) -> str:
    """How a workspace (subscription/group/name) stands in an address: group and name."""
    return "/".join(workspace.split("/")[1:])


def is_wall() -> bool:
    """Whether the screen hangs on a wall (`?wall=1`): nobody can reach its menu, its identity or its time zone."""
    return st.query_params.get("wall") == "1"


def local_mark() -> None:
    """Show the mark "LOCAL – no cloud", which every screen of a local workspace carries."""
    if context.services().is_local:
        st.badge(
            "LOCAL – no cloud",
            icon=":material/computer:",
            color="violet",
            help="The workspace runs on this machine; nothing here is on Azure and nothing is billed.",
        )


def header(person: Person) -> None:
    """Show the line above every screen."""
    desk = context.services()
    subscription, group, name = desk.workspace.split("/")
    # Two groups that stay together: on a phone each is a line.
    frame = st.container(
        horizontal=True, horizontal_alignment="distribute", vertical_alignment="center", gap="xsmall", key="frame"
    )
    with frame.container(horizontal=True, vertical_alignment="center", gap="xsmall", width="content"):
        local_mark()
        st.badge(name, color="gray", help=f"Workspace {name}, resource group {group}, subscription {subscription}.")
        st.badge(
            desk.azure.name,
            icon=":material/vpn_key:",
            color="gray",
            help="The credential with which the desk reads; changes are made by the worker with its own.",
        )
    with frame.container(horizontal=True, vertical_alignment="center", gap="xsmall", width="content"):
        with st.container(width="content"):
            _freshness()
        st.segmented_control(
            "Time zone",
            ["UTC", "local"],
            default="UTC",
            required=True,
            key="tz",
            bind="query-params",
            label_visibility="collapsed",
            help=f"Local is {getattr(context.local_zone(), 'key', 'UTC')}, as your browser says.",
        )
        identity.chooser(person)


@st.fragment(run_every="5s")
def bars(title: str) -> None:
    """Say which part does not answer, and in the tab's title how much needs attention.

    Refreshed by itself, and nothing else on the screen with it.
    """
    count = len(reads.matters())
    st.set_page_config(page_title=f"({count}) {title}" if count else title)
    for part in reads.heartbeats():
        if not part.is_well:
            look = st.error if part.name == "worker" else st.warning
            look(part.sentence, icon=":material/heart_broken:")
    faults_bar.show()


@st.fragment(run_every="5s")
def _freshness() -> None:
    """Say how old the inventory is."""
    azure = next((part for part in reads.heartbeats() if part.name == "Azure"), None)
    st.caption(
        f"updated {times.ago(azure.at)}" if azure and azure.at else "not read yet",
        help=times.hover(azure.at) if azure else None,
        width="content",
    )
