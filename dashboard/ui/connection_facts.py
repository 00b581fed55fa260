"""What the Connection screen shows: the workspace, the parts of the desk, each step of the way, and the roles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import streamlit as st

from dashboard.ui import headings, states, tables, times
from services.access import COMMANDS, Person
from services.health import Part

if TYPE_CHECKING:
    from services.bootstrap import Desk

WORDS: Mapping[str, str] = {
    "services.look": "Look at services",
    "models.look": "Look at models",
    "operations.look": "Look at operations",
    "audit.look": "Look at the audit log",
    "logs.follow": "Read and follow logs",
    "charts.look": "Look at charts",
    "failures.assign": "Say who looks after a failure",
    "failures.mute": "Mute a failure",
    "values.unmask": "Unmask a request's values",
    "queries.edit": "Run and save one's own queries",
    "service.deploy": "Deploy a service",
    "service.update": "Update a service",
    "service.delete": "Delete a service",
    "service.bundle": "Keep what runs as a bundle",
    "service.rehearse": "Rehearse a deployment, reproduce a request",
    "service.test": "Send a test request",
    "service.make_anonymous": "Make a service anonymous",
    "attention.take": "Say “I have it”",
    "probe.plan": "Set up probes",
    "objective.set": "Set objectives",
    "alert.rule": "Change the rules of alerts",
    "keys.reveal": "Reveal keys",
    "keys.token": "Fetch a token",
    "keys.regenerate": "Regenerate a key",
    "keys.set": "Set a key of one's own",
    "keys.rotate": "Rotate keys",
    "model.register": "Register a model",
    "model.edit": "Edit tags and description",
    "model.delete": "Delete a model version",
    "model.download": "Download a model's files",
    "environment.register": "Register an environment",
    "compute.create": "Create a cluster",
    "switch.flip": "Turn sample traffic on or off",
    "fault.begin": "Begin a fault on purpose",
    "fault.end": "End a fault on purpose",
    "operation.retry": "Let a stopped operation go on",
    "incidents.look": "Look at incidents",
    "incident.open": "Open an incident",
    "incident.change": "Lead an incident and change its facts",
    "incident.note": "Write notes about an incident",
    "incident.close": "Close an incident with its review",
    "incident.export": "Export an incident's report",
    "audit.export": "Export the audit log",
}
"""What the roles allow, in the words of the screens."""


def workspace(desk: Desk) -> None:
    """Which workspace, which credentials."""
    where = desk.azure.coordinates()
    rows = [
        {"what": "Workspace", "is": where.workspace_name},
        {"what": "Resource group", "is": where.resource_group},
        {"what": "Subscription", "is": where.subscription_id},
        {"what": "Tenant", "is": where.tenant_id},
        {"what": "Cloud", "is": "none, it runs on this machine" if desk.is_local else desk.azure.cloud},
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
    headings.section(
        "Parts",
        "The worker gives a sign of life every 5 s; it reads Azure about every 15 s and the telemetry once a minute.",
    )
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
            # Wide enough for its longest word.
            "state": {**states.column(["succeeded", "failed"]), "width": 115},
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
            {"command": command_words(command), "from": needed.word, "you": person.role >= needed, "logged": command}
            for command, needed in COMMANDS.items()
        ],
        key="connection-roles",
        alt="Which role may use which command.",
        columns={
            "command": {**tables.text("What"), "width": 215},
            "from": tables.text("From role"),
            "you": st.column_config.CheckboxColumn("You may", width="small"),
            "logged": tables.text("In the audit log", help="The action's name in the audit log."),
        },
        height=tables.ROW * (len(COMMANDS) + 1) + 2,
    )


def command_words(command: str) -> str:
    """A command as a person says it."""
    return WORDS.get(command, command.replace(".", ": ").replace("_", " "))
