"""Configuration of one service: every field as it is, edited in place, planned, applied, read back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import streamlit as st

from dashboard import actions, context, navigation, reads_services
from dashboard.ui import (
    headings,
    operation,
    operation_words,
    service_fields,
    service_plan,
    service_switches,
    service_words,
    tables,
)
from services.planning.plan import Plan
from services.planning.problems import Problem
from services.planning.wanted import Wanted, settled
from services.webservices import ListedService


def show(listed: ListedService) -> None:
    """Show it."""
    if listed.service.broken or listed.service.compute_type not in ("ACI", "AKS"):
        tables.nothing(
            "It can only be looked at here: "
            + (service_words.problem(listed) or f"it is of type {listed.service.compute_type}.")
        )
        return
    operation.running(subject=listed.service.name, ended=reads_services.forget)
    _last(listed.service.name)
    headings.section("Access and insights", "Each is one safe action, with its plan first.")
    service_switches.show(listed)
    _contents(listed)
    headings.section(
        "Settings",
        "Change what you need: the plan appears beneath, nothing is sent before you apply it."
        if service_fields.may_edit()
        else "As they are now. Changing them needs the role operator.",
    )
    now = context.services().deployments.wanted_now(listed.service.name)
    edits = service_fields.edits(now)
    wanted = _wanted(now, edits)
    problems = context.services().deployments.check(wanted) if edits else []
    if why := service_fields.filled(listed.service.name):
        st.info(f"Filled in, and not applied yet. {operation_words.escaped(why)}", icon=":material/healing:")
    service_fields.show(now, wanted, problems)
    if edits:
        _apply(wanted, problems)


def _wanted(now: Wanted, edits: Mapping[str, Any]) -> Wanted:
    """What the edits make of the service."""
    settings = {name: value for name, value in edits.items() if name not in service_fields.WORDS}
    return replace(
        now,
        configuration=settled({**now.configuration, **settings}, target=now.target),
        tags=edits.get("tags", now.tags),
        description=edits.get("description", now.description).strip(),
    )


def _apply(wanted: Wanted, problems: list[Problem]) -> None:
    deployments = context.services().deployments
    plan = deployments.plan(wanted)
    headings.section("Plan", plan.words)
    service_plan.show(plan, key="configuration-plan")
    service_plan.problems([problem for problem in problems if problem.severity == "error"])
    is_wrong = any(problem.severity == "error" for problem in problems)
    with st.container(horizontal=True):
        _launch(wanted, plan, disabled=is_wrong or plan.action == "none")
        st.button(
            "Discard the changes",
            key="configuration-discard",
            on_click=service_fields.discard,
            args=(wanted.service,),
        )


def _launch(wanted: Wanted, plan: Plan, *, disabled: bool) -> None:
    is_redeploy = plan.action == "redeploy"
    deployments = context.services().deployments
    actions.button(
        "Redeploy" if is_redeploy else "Apply",
        lambda asked: deployments.launch(
            asked.by, wanted, based_on=plan.based_on, reason=asked.reason, operation_id=asked.operation_id
        ),
        key="configuration-apply",
        ask=f"{plan.words}.\n\n**Downtime** {plan.downtime}"
        + (" An update cannot make this change, so the service is replaced." if is_redeploy else ""),
        reason=True,
        command="service.deploy" if is_redeploy else "service.update",
        started="The change has begun.",
        then=lambda _operation: service_fields.discard(wanted.service),
        clears=reads_services.CHANGED,
        look="primary",
        disabled=disabled,
        icon=":material/rocket_launch:" if is_redeploy else ":material/done:",
    )


def _contents(listed: ListedService) -> None:
    service = listed.service
    headings.section("What runs")
    environment = ":".join(part for part in (service.environment_name, service.environment_version) if part)
    tables.show(
        [
            {"what": "Models", "is": service_words.models(service)},
            {"what": "Code", "is": service.entry_script or "none: Azure makes the entry script"},
            {"what": "Environment", "is": environment or "made by Azure"},
            {"what": "Compute", "is": service_words.compute(service)},
        ],
        key="contents",
        alt="Models, code, environment and compute of the service.",
        columns={"what": tables.text("What"), "is": tables.text("Now", wide=True)},
    )
    navigation.link(
        "deploy", "Change models, code or environment", icon=":material/rocket_launch:", service=service.name
    )


def _last(name: str) -> None:
    changes = [one for one in reads_services.operations(name) if one.kind in ("service.update", "service.deploy")]
    if changes:
        service_plan.read_back(changes[0])
