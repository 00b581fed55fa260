"""Objectives of all services in one table: what was reached, and how much of the error budget is left."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from dashboard import context, navigation, reads_services, reads_watching
from dashboard.ui import errors, headings, tables
from services.objectives import Budget, Standing

MOST_ASKED = 20
"""Each asks the telemetry of up to a month."""


def show(services: Sequence[str]) -> None:
    """Show where these services (none = all) stand; those without an objective are named."""
    headings.section(
        "Objectives",
        "From the tags slo-availability and slo-p95-ms, or set on a service. The budget is what may go wrong within the "
        "window; below zero it is overspent. Without telemetry nothing is known, and nothing is said to be kept.",
    )
    listed = [one for one in reads_services.listed() if not services or one.service.name in services]
    wanted = [context.services().objectives.of(one.service.name, one.service.tags) for one in listed]
    known = [objective for objective in wanted if objective]
    rows: list[dict[str, Any]] = []
    with errors.explained():
        for objective in known[:MOST_ASKED]:
            rows += _rows(reads_watching.standing(objective))
    tables.show(
        sorted(rows, key=lambda row: (row["left"] is None, row["left"] or 0.0)),
        key="objectives",
        alt="Objectives, what was reached and the error budget left, per service.",
        columns={
            "service": tables.text("Service", pinned=True),
            "objective": tables.text("Objective"),
            "state": tables.text("State"),
            "left": tables.number("Budget left", unit="%", decimals=1, help="Of the bad requests the window allows."),
            "reached": tables.number("Reached", unit="%", decimals=3),
            "bad": tables.number("Bad requests"),
            "total": tables.number("Requests"),
            "window": tables.number("Window", unit="days"),
            "source": tables.text("Set by"),
        },
        empty="No service here has an objective yet: open one and set it in its Summary.",
        next_step=lambda: navigation.link("services", "Choose a service", icon=":material/dns:"),
    )
    if len(known) > MOST_ASKED:
        st.caption(f"The first {MOST_ASKED} of {len(known)}: choose services above to see the others.")
    without = [one.service.name for one, objective in zip(listed, wanted, strict=True) if objective is None]
    if known and without:
        st.caption(
            f"Without an objective: {', '.join(without[:MOST_ASKED])}{' …' if len(without) > MOST_ASKED else ''}."
        )


def _rows(found: Standing) -> list[dict[str, Any]]:
    objective = found.objective
    rows = []
    if found.availability and objective.availability is not None:
        rows.append(_row(found, f"{100 * objective.availability:g} % answered well", found.availability))
    if found.latency and objective.latency_ms is not None:
        share = 100 * objective.latency_share
        rows.append(_row(found, f"{share:g} % within {objective.latency_ms:,.0f} ms", found.latency))
    return rows


def _row(found: Standing, words: str, budget: Budget) -> dict[str, Any]:
    return {
        "service": found.objective.service,
        "objective": words,
        "state": {True: "✓ kept", False: "✕ overspent", None: "? not known"}[budget.is_kept],
        "left": None if budget.left is None else 100 * budget.left,
        "reached": None if budget.reached is None else 100 * budget.reached,
        "bad": budget.bad,
        "total": budget.total,
        "window": found.objective.window_days,
        "source": "tags" if found.objective.source == "tags" else found.objective.person_name,
    }
