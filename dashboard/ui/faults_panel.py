"""Faults on purpose: what holds, and the form that begins one. Both are operations of the worker."""

from __future__ import annotations

from typing import Any

import streamlit as st

from dashboard import actions, context, reads, reads_causes, reads_operations
from dashboard.ui import errors, headings, operation, tables, times
from dashboard.ui.operation_words import escaped
from services.azureml.local_admin import Fault
from services.faults import BY_NAME, KINDS, FaultKind, words

MINUTES = (1, 2, 5, 10, 30, 60)
CHANGED = (reads_causes.faults, reads_operations.running)
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


@st.fragment(run_every="2s")
def now() -> None:
    """Show what holds, each with its end."""
    headings.section("What goes wrong now")
    with errors.explained():
        held = reads_causes.faults()
        if not held:
            tables.nothing("Nothing goes wrong on purpose.", icon=":material/check_circle:")
        for fault in held:
            _held(fault)
    for under_way in reads_operations.running():
        if under_way.subject_kind == "fault":
            st.markdown(operation.line(under_way))


def begin() -> None:
    """Show the form."""
    headings.section("Begin one", "It ends by itself after its time, or when somebody ends it above.")
    name = st.selectbox(
        "What goes wrong",
        [kind.name for kind in KINDS],
        format_func=_words_of,
        key="fault-kind",
        persist_state="session",
        width=520,
    )
    kind = BY_NAME[name]
    st.caption(kind.help)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        service = _service(kind)
        minutes = st.selectbox(
            "How long", MINUTES, index=2, format_func=_minutes, key="fault-minutes", persist_state="session", width=130
        )
        parameters = {parameter: _FIELDS[parameter]() for parameter in kind.parameters}
    about = f" of {service}" if service else ""
    actions.button(
        "Begin it",
        lambda asked: context.services().faults.begin(
            asked.by,
            kind.name,
            service=service,
            seconds=60.0 * minutes,
            parameters=_sent(parameters),
            reason=asked.reason,
            operation_id=asked.operation_id,
        ),
        key="fault-begin",
        ask=f"**{escaped(kind.words)}**{escaped(about)}, for {_minutes(minutes)}. {escaped(kind.help)}",
        command="fault.begin",
        started="The fault begins.",
        clears=CHANGED,
        look="primary",
        icon=":material/science:",
        disabled=kind.needs_service and not service,
    )


def _held(fault: Fault) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key=f"fault-{fault.id}"):
        st.markdown(f":orange[:material/science:] **{escaped(words(fault))}**", width="content")
        st.badge(f"ends {times.ago(fault.until)}", color="gray", help=times.hover(fault.until))
        actions.button(
            "End it",
            lambda asked: context.services().faults.end(
                asked.by, fault, reason=asked.reason, operation_id=asked.operation_id
            ),
            key=f"fault-end-{fault.id}",
            command="fault.end",
            started="The fault ends.",
            clears=CHANGED,
            icon=":material/stop_circle:",
        )


def _service(kind: FaultKind) -> str | None:
    if not (kind.needs_service or kind.may_name_service):
        return None
    chosen: str | None = st.selectbox(
        "Service",
        [listed.service.name for listed in reads.services()],
        index=None,
        key="fault-service",
        placeholder="Choose one" if kind.needs_service else "All",
        persist_state="session",
        width=240,
    )
    return chosen


def _words_of(name: str) -> str:
    return f"{BY_NAME[name].words} · {name}"


def _minutes(minutes: int) -> str:
    return f"{minutes} min"


def _milliseconds() -> Any:
    return st.number_input(
        "Slower by (ms)", min_value=1, max_value=600_000, value=1000, step=100, key="fault-milliseconds", width=150
    )


def _rate() -> Any:
    return st.number_input(
        "Share of the calls (%)", min_value=1, max_value=100, value=100, step=5, key="fault-rate", width=170
    )


def _count() -> Any:
    return st.number_input(
        "How many requests", min_value=1, value=None, step=1, placeholder="every one", key="fault-count", width=170
    )


def _method() -> Any:
    return st.selectbox("Method", METHODS, index=None, placeholder="any", key="fault-method", width=120)


def _path() -> Any:
    return st.text_input(
        "Path",
        placeholder="/services$",
        key="fault-path",
        width=200,
        help="A regular expression that is searched for in the request's path; empty is every one.",
    )


_FIELDS = {"milliseconds": _milliseconds, "rate": _rate, "count": _count, "method": _method, "path": _path}


def _sent(parameters: dict[str, Any]) -> dict[str, Any]:
    """As the admin API takes them: a share is a number up to 1, and all of it is said by leaving it out."""
    sent = {name: value for name, value in parameters.items() if value not in (None, "")}
    if "rate" in sent:
        sent["rate"] = sent["rate"] / 100
    if sent.get("rate") == 1:
        del sent["rate"]
    return sent
