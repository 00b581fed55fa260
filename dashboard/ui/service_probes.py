"""Probes of one service: what is sent by itself and how often, and the history of every probe and test request."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta

import streamlit as st

from dashboard import actions, context, reads_watching
from dashboard.ui import headings, operation_words, tables, times
from services.probes import (
    DEFAULT_EVERY,
    LONGEST_DEADLINE,
    LONGEST_EVERY,
    SHORTEST_EVERY,
    Coverage,
    ProbePlan,
    ProbeResult,
    expected_from,
)
from services.webservices import ListedService

SHOWN = timedelta(days=1)
MOST_SHOWN = 500


def show(listed: ListedService, *, body: Callable[[], str]) -> None:
    """Show the plan, the way to change it, and the history; `body` gives what a first plan begins with."""
    name = listed.service.name
    headings.section(
        "Probe",
        "A small request the worker sends by itself, tagged desk-probe-…, which charts leave out. It sees what a caller "
        "sees: a refused key, a full queue, a dead replica, none of which is in the container's telemetry.",
    )
    plan = reads_watching.probe_plan(name)
    _plan(plan)
    with st.container(horizontal=True, gap="small"):
        _change(name, plan, body)
        if plan is not None:
            _switch(plan)
    _history(name)


def _plan(plan: ProbePlan | None) -> None:
    if plan is None:
        st.markdown(":gray[:material/radar: No probe is set up.]")
        return
    word = ":green[:material/radar: On]" if plan.is_on else ":gray[:material/toggle_off: Off]"
    expected = " and the expected part in its body" if plan.expected_json is not None else ""
    st.markdown(
        f"{word}: every {times.span(plan.every_seconds)}, expecting {plan.expected_status}{expected} within "
        f"{plan.deadline_seconds:g} s."
    )
    if plan.at is not None:
        st.caption(operation_words.escaped(f"set by {plan.person_name}, {times.both(plan.at)}"))


def _switch(plan: ProbePlan) -> None:
    wanted = ProbePlan(
        service=plan.service,
        body=plan.body,
        every_seconds=plan.every_seconds,
        deadline_seconds=plan.deadline_seconds,
        expected_status=plan.expected_status,
        expected_json=plan.expected_json,
        is_on=not plan.is_on,
    )
    actions.button(
        "Switch it off" if plan.is_on else "Switch it on",
        lambda asked: context.services().probes.set_plan(asked.by, wanted),
        key="probe-switch",
        command="probe.plan",
        started="The probe is off." if plan.is_on else "The probe is on: the first is sent at once.",
        clears=reads_watching.PROBES,
        look="tertiary",
    )


def _change(name: str, plan: ProbePlan | None, body: Callable[[], str]) -> None:
    actions.button(
        "Change the probe" if plan else "Set up a probe",
        lambda asked: _save(asked, name),
        key="probe-set",
        ask="It runs with the service's own key or token, which nobody gets to see. It costs what a request costs.",
        detail=lambda: _fields(plan, body),
        confirm="Save and switch on",
        command="probe.plan",
        started="The probe is on: the first is sent at once.",
        clears=reads_watching.PROBES,
        icon=":material/radar:",
    )


def _fields(plan: ProbePlan | None, body: Callable[[], str]) -> None:
    st.text_area(
        "Body (application/json)",
        plan.body if plan else body(),
        key="probe-body",
        height=140,
        help="It begins with the body of the test request above.",
    )
    with st.container(horizontal=True, gap="small"):
        st.number_input(
            "Every (s)",
            SHORTEST_EVERY,
            LONGEST_EVERY,
            plan.every_seconds if plan else DEFAULT_EVERY,
            step=15,
            key="probe-every",
        )
        st.number_input(
            "Answer within (s)",
            0.1,
            LONGEST_DEADLINE,
            plan.deadline_seconds if plan else 10.0,
            step=1.0,
            format="%.1f",
            key="probe-deadline",
        )
        st.number_input("Status", 100, 599, plan.expected_status if plan else 200, key="probe-status")
    st.text_input(
        "Expected part of the answer (JSON, may be empty)",
        json.dumps(plan.expected_json, ensure_ascii=False) if plan and plan.expected_json is not None else "",
        key="probe-expected",
        placeholder='{"predict": [1]}',
        help="The answer may have more than this. Lists have to be as long. Its body itself is never kept.",
    )


def _save(asked: actions.Asked, name: str) -> None:
    state = st.session_state
    context.services().probes.set_plan(
        asked.by,
        ProbePlan(
            service=name,
            body=state["probe-body"],
            every_seconds=int(state["probe-every"]),
            deadline_seconds=float(state["probe-deadline"]),
            expected_status=int(state["probe-status"]),
            expected_json=expected_from(state["probe-expected"]),
            is_on=True,
        ),
    )


@st.fragment(run_every="10s")
def _history(name: str) -> None:
    now = context.now()
    # To the minute: everybody who looks in the same minute reads the same rows.
    since = (now - SHOWN).replace(second=0, microsecond=0)
    results = reads_watching.probe_results(name, since, MOST_SHOWN)
    headings.section(
        "Probes and test requests", f"The last 24 h, at most {MOST_SHOWN}, newest first; kept for 30 days."
    )
    if results:
        st.caption(_coverage(reads_watching.coverage(name)))
    tables.show(
        [_row(result) for result in results],
        key=f"probes-{name}",
        alt="Every probe and test request of the last day with its status, times, and whether telemetry has it.",
        columns={
            "at": times.column("Sent", relative=False),
            "what": tables.text("What"),
            "result": tables.text("Result"),
            "status": tables.text("Status"),
            "ms": tables.number("Until the answer", unit="ms", decimals=1),
            "run": tables.number("In run()", unit="ms", decimals=1),
            "telemetry": tables.text("In telemetry"),
            "failure": tables.text("What was wrong", wide=True),
            "id": tables.text("Client request id"),
        },
        empty="Nothing was sent in the last 24 h: send a test request, or set up a probe.",
    )


def _row(result: ProbeResult) -> dict[str, object]:
    arrival = result.arrival(context.now())
    seen = f"after {times.span(result.seen_at - result.at)}" if result.seen_at is not None else arrival
    good = result.passed if result.passed is not None else result.status is not None and result.status < 400
    return {
        "at": result.at,
        "what": result.purpose,
        "result": "● as expected" if good else "✕ failed",
        "status": str(result.status or "none"),
        "ms": result.milliseconds,
        "run": result.model_milliseconds,
        "telemetry": seen,
        "failure": result.failure,
        "id": result.client_request_id,
    }


def _coverage(coverage: Coverage) -> str:
    if coverage.share is None:
        return "How much of this reaches the telemetry is not known yet: nothing of the last hour is due there."
    lag = f", half of them within {times.span(coverage.lag)}" if coverage.lag is not None else ""
    due = coverage.arrived + coverage.missing
    return (
        f"{100 * coverage.share:.0f} % of the {due} that a container answered in the last hour "
        f"are in the telemetry{lag}."
    )
