"""Objectives of one service: what it shall reach, where it stands, and how much of its error budget is left."""

from __future__ import annotations

import streamlit as st

from dashboard import actions, context, reads_watching
from dashboard.ui import errors, headings, operation_words, service_words, tables, times
from services.objectives import (
    AVAILABILITY_TAG,
    DEFAULT_DAYS,
    DEFAULT_SHARE,
    LATENCY_TAG,
    LONGEST_DAYS,
    Budget,
    Objective,
    Standing,
)
from services.webservices import ListedService


def show(listed: ListedService) -> None:
    """Show the objective and its budget, and the way to set it."""
    name = listed.service.name
    objective = context.services().objectives.of(name, listed.service.tags)
    headings.section("Objectives")
    if objective is None:
        tables.nothing(
            f"None is set: set one here, or as the tags {AVAILABILITY_TAG} (99.9) and {LATENCY_TAG} (250).",
            next_step=lambda: _set(name, None),
            icon=":material/flag:",
        )
        return
    with errors.explained():
        _standing(listed, reads_watching.standing(objective))
    _set(name, objective)


def _standing(listed: ListedService, standing: Standing) -> None:
    objective = standing.objective
    with st.grid(2, min_column_width=240):
        if standing.availability:
            _budget(
                "Availability",
                f"{100 * standing.availability.wanted:g} % of the requests succeed",
                standing.availability,
                "failed",
            )
        if standing.latency:
            _budget(
                "Latency",
                f"{100 * standing.latency.wanted:g} % of the answers take at most {objective.latency_ms:,.0f} ms",
                standing.latency,
                "were slower",
            )
    source = "from its tags" if objective.source == "tags" else f"set by {objective.person_name}"
    said = (
        f"Over {objective.window_days} days, {source}. Counted from the containers' telemetry, and the front end's log "
        "where there is one: what neither saw is not in it."
    )
    if service_words.insights(listed.service) == "off":
        said += " Application Insights is off: nothing new is counted."
    st.caption(operation_words.escaped(said))
    with st.expander("Query", icon=":material/code:", key="objective-query"):
        st.code(standing.query, language=None, wrap_lines=True)


def _budget(title: str, wanted: str, budget: Budget, bad: str) -> None:
    with st.container(border=True, gap="xsmall"):
        st.markdown(f"**{title}**: {wanted}")
        if budget.left is None or budget.reached is None:
            st.markdown(":gray[:material/help: Not known: the telemetry has no request in this window.]")
            return
        left = budget.left
        colour, icon = (
            ("green", "check_circle") if left > 0.25 else ("orange", "warning") if left >= 0 else ("red", "error")
        )
        words = f"{100 * left:.0f} % of the error budget is left" if left >= 0 else "the error budget is overspent"
        st.markdown(f":{colour}[:material/{icon}: {words}]")
        st.progress(min(1.0, max(0.0, left)))
        allowed = (1 - budget.wanted) * budget.total
        st.caption(
            f"Reached {100 * budget.reached:.3f} %: {budget.bad:,} of {budget.total:,} {bad}, {allowed:,.1f} may."
        )


def _set(name: str, objective: Objective | None) -> None:
    actions.button(
        "Change the objective" if objective else "Set an objective",
        lambda asked: _save(asked, name),
        key="objective-set",
        ask="What is set here wins over the tags. Both fields empty: the tags count again.",
        detail=lambda: _fields(objective),
        confirm="Save",
        command="objective.set",
        started="The objective is saved.",
        clears=(reads_watching.standing,),
        icon=":material/flag:",
        look="tertiary" if objective else "secondary",
    )


def _fields(objective: Objective | None) -> None:
    availability = objective.availability if objective else None
    st.number_input(
        "Availability (% of requests that succeed)",
        50.0,
        99.999,
        100 * availability if availability is not None else None,
        step=0.1,
        format="%.3f",
        key="objective-availability",
        placeholder="none",
    )
    with st.container(horizontal=True, gap="small"):
        st.number_input(
            "Latency, at most (ms)",
            1.0,
            300_000.0,
            objective.latency_ms if objective else None,
            step=10.0,
            format="%.0f",
            key="objective-latency",
            placeholder="none",
        )
        st.number_input(
            "for this share of the answers (%)",
            50.0,
            99.9,
            100 * (objective.latency_share if objective else DEFAULT_SHARE),
            step=1.0,
            format="%.1f",
            key="objective-share",
        )
    st.number_input(
        "Window (days)",
        1,
        LONGEST_DAYS,
        objective.window_days if objective else DEFAULT_DAYS,
        key="objective-days",
    )
    if objective is not None and objective.at is not None:
        st.caption(f"Last set by {objective.person_name}, {times.both(objective.at)}.")


def _save(asked: actions.Asked, name: str) -> None:
    state = st.session_state
    availability, latency = state["objective-availability"], state["objective-latency"]
    context.services().objectives.set(
        asked.by,
        Objective(
            service=name,
            availability=round(availability / 100, 7) if availability is not None else None,
            latency_ms=latency,
            latency_share=round(state["objective-share"] / 100, 5),
            window_days=int(state["objective-days"]),
        ),
    )
