"""What the Connection screen shows: the workspace, the parts of the desk, each step of the way, and the roles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import streamlit as st

from dashboard.ui import headings, states, tables, times
from services.access import COMMANDS, Person, Role
from services.health import Part

if TYPE_CHECKING:
    from services.bootstrap import Desk


def workspace(desk: Desk) -> None:
    """Which workspace, which credentials."""
    where = desk.azure.coordinates()
    rows = [
        {"what": "Workspace", "is": where.workspace_name},
        {"what": "Resource group", "is": where.resource_group},
        {"what": "Subscription", "is": where.subscription_id},
        {"what": "Tenant", "is": where.tenant_id},
        {"what": "Cloud", "is": "none: the workspace runs on this machine" if desk.is_local else desk.azure.cloud},
        {"what": "The desk reads as", "is": desk.azure.name},
        {"what": "The worker changes as", "is": "local token" if desk.is_local else "the worker's own identity"},
        {
            "what": "Log Analytics workspace",
            "is": desk.azure.logs_workspace_id() or "found through Application Insights",
        },
    ]
    tables.show(
        rows,
        key="connection-workspace",
        alt="The workspace and the credentials.",
        columns={"what": tables.text("What"), "is": tables.text("Is", wide=True)},
    )


def parts(found: Sequence[Part]) -> None:
    """The parts of the desk and when each was last heard."""
    headings.section("Parts", "The worker says that it lives every 5 s; Azure and the telemetry are read by it.")
    for part in found:
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            states.badge("alive" if part.is_well and part.at else "unknown" if part.is_well else "not answering")
            st.markdown(f"**{part.name}**", width="content")
            st.caption(f"last heard {times.ago(part.at)}", help=times.hover(part.at), width="content")
            if part.sentence:
                st.markdown(part.sentence)


def diagnosis(desk: Desk) -> None:
    """Try each step of the way now, on request."""
    headings.section("Try the connection", "Each step from the credential to the telemetry, as the desk itself would.")
    if not st.button("Try now", key="diagnose", icon=":material/network_check:"):
        return
    with st.spinner("Trying each step"):
        found = desk.diagnosis.run()
    tables.show(
        [
            {
                "state": [states.plain("succeeded" if finding.worked else "failed")],
                "step": finding.step,
                "what": finding.what,
                "took": finding.milliseconds,
                "said": finding.sentence,
            }
            for finding in found
        ],
        key="connection-diagnosis",
        alt="Each step of the connection and whether it works.",
        columns={
            "state": states.column(["succeeded", "failed"]),
            "step": tables.text("Step"),
            "what": tables.text("Means that"),
            "took": tables.number("Took", unit="ms"),
            "said": tables.text("Answer", wide=True),
        },
    )


def roles(person: Person) -> None:
    """Which role may do what."""
    headings.section(
        "Roles", f"You are {person.name}, {person.role.word}. Each role may do all that the one before may."
    )
    tables.show(
        [
            {"command": command.replace(".", ": ").replace("_", " "), **{role.word: needed <= role for role in Role}}
            for command, needed in COMMANDS.items()
        ],
        key="connection-roles",
        alt="Which role may use which command.",
        columns={
            "command": tables.text("Command", wide=True),
            **{role.word: st.column_config.CheckboxColumn(role.word.capitalize()) for role in Role},
        },
        height=420,
    )
