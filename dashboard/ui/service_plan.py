"""A plan on screen: what a change does field by field, the downtime, what to mind; and what came of the last one."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from dashboard.ui import operation_words, tables, times
from services.operations.records import Operation
from services.planning.plan import Plan
from services.planning.plan import show as value
from services.planning.problems import Problem

EFFECTS = {"live": "at once", "restart": "restarts the replicas", "redeploy": "needs a redeploy"}


def show(plan: Plan, *, key: str) -> None:
    """Show what will happen."""
    tables.show(
        [
            {
                "field": change.label,
                "before": value(change.before),
                "after": value(change.after),
                "effect": EFFECTS[change.effect],
            }
            for change in plan.changes
        ],
        key=key,
        alt="The plan: each field with its value before and after, and the effect of the change.",
        columns={
            "field": tables.text("Field"),
            "before": tables.text("Before"),
            "after": tables.text("After"),
            "effect": tables.text("Effect"),
        },
        empty="Nothing changes.",
    )
    icon = ":red[:material/power_off:]" if plan.action == "redeploy" else ":material/schedule:"
    st.markdown(f"{icon} **Downtime** {operation_words.escaped(plan.downtime)}")
    if plan.keys_resent:
        st.markdown(":material/key: The present keys are sent along: clients keep working with them.")
    for warning in plan.warnings:
        st.markdown(f":orange[:material/warning: {operation_words.escaped(warning)}]")


def problems(found: Sequence[Problem], *fields: str) -> None:
    """Show what the rules say about these fields, or about all when none is named."""
    for problem in found:
        if fields and problem.field not in fields:
            continue
        icon, colour = (":material/error:", "red") if problem.severity == "error" else (":material/warning:", "orange")
        st.markdown(f":{colour}[{icon} {operation_words.escaped(problem.sentence)}]")


def read_back(operation: Operation) -> None:
    """Show of the last change what was asked and what Azure has now."""
    if operation.state != "succeeded" or not operation.receipt or "mismatches" not in operation.receipt:
        return
    mismatches: list[str] = operation.receipt["mismatches"]
    asked = operation.receipt.get("asked") or []
    title = f"Last change, {times.ago(operation.ended_at)} by {operation.person_name}: " + (
        "Azure has everything as it was asked" if not mismatches else f"{len(mismatches)} not as asked"
    )
    icon = ":material/check_circle:" if not mismatches else ":material/difference:"
    with st.expander(title, icon=icon, expanded=bool(mismatches)):
        tables.show(
            [
                {
                    "field": change["label"],
                    "asked": value(change["after"]),
                    "got": next(
                        (said.rpartition(", got ")[2] for said in mismatches if said.startswith(change["label"] + ":")),
                        value(change["after"]),
                    ),
                }
                for change in asked
            ],
            key=f"read-back-{operation.id}",
            alt="Each changed field: what was asked and what Azure has.",
            columns={"field": tables.text("Field"), "asked": tables.text("Asked"), "got": tables.text("Got")},
        )
        for said in mismatches:
            st.markdown(f":orange[:material/difference: {operation_words.escaped(said)}]")
