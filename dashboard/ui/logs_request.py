"""The request inspector: one call by its id: codes, answer, exception, what was printed close to it, the front end's line."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from dashboard import actions, context, navigation, reads_logs, reads_services
from dashboard.ui import errors, filters, headings, logs_ways, operation_words, ranges, reproduce, tables, times
from services.request_inspector import Call, Inspection

PURPOSE = (
    "One call by its request id (x-request-id of the answer) or its client request id. Values are masked: they may be "
    "about people."
)
LONGEST = "30d"
NO_ANSWER = (
    "Telemetry has no answer of it: it may not have arrived yet, or the service is told not to keep answers "
    "(APP_INSIGHTS_LOG_RESPONSE_ENABLED)."
)


def show() -> None:
    """Ask for an id, and show all about it."""
    st.caption(PURPOSE)
    with filters.bar():
        range_ = ranges.choose()
        wanted = filters.text("Request id", key="request", placeholder="request id or client request id")
    if not wanted:
        tables.nothing("Type the id of a request, or come here from a failure, a chart or a test.")
        return
    with errors.explained():
        found = context.services().request_inspector.find(context.person(), wanted, start=range_.start, end=range_.end)
        if not found:
            _not_found(range_)
            return
        _call(_one_of(found))


def _not_found(range_: ranges.Range) -> None:
    def look_longer() -> None:
        st.button(
            "Look in the last 30 days", key="look-longer", on_click=lambda: st.session_state.update(range=LONGEST)
        )

    is_longest = range_.name == LONGEST
    tables.nothing(
        "No call with this id is in the telemetry of this range. What the front end refused (401, 413, 503) is there only "
        "where Container Insights is on.",
        next_step=None if is_longest else look_longer,
    )


def _one_of(found: Sequence[Call]) -> Call:
    """A client request id may have been used more than once."""
    if len(found) == 1:
        return found[0]
    place = tables.choose(
        [
            {
                "at": call.at,
                "service": call.service,
                "code": str(call.client_code or call.container_code or ""),
                "ms": call.duration_ms,
                "id": call.request_id,
            }
            for call in found
        ],
        key="calls-of-id",
        alt="The calls with this id, newest first.",
        columns={
            "at": times.column("When", relative=False),
            "service": tables.text("Service"),
            "code": tables.text("Code"),
            "ms": tables.number("Took", unit="ms", decimals=1),
            "id": tables.text("Request id"),
        },
    )
    if place is None:
        st.caption("Several calls have this id: the newest is shown; choose a row for another.")
    return found[place or 0]


def _call(call: Call) -> None:
    person = context.person()
    masked = reads_logs.inspection(call, person)
    handle_key = f"unmasked-{call.request_id or call.client_request_id}-{call.at.isoformat()}"
    _facts(masked.call)
    if context.services().request_inspector.unmasked(st.session_state.get(handle_key, "")):
        st.fragment(_unmasked, run_every="1s")(handle_key)
    else:
        st.session_state.pop(handle_key, None)
        _masked(masked, handle_key)
    if reads_services.find(call.service):
        reproduce.panel(call.service, key="request")


def _masked(found: Inspection, handle_key: str) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        actions.button(
            "Unmask for a minute",
            lambda asked: context.services().request_inspector.unmask(asked.by, found.call),
            key="unmask",
            ask="The values of this request are shown to you for a minute. That you looked at them is written to the audit "
            "log first.",
            confirm="Unmask",
            command="values.unmask",
            then=lambda handle: st.session_state.update({handle_key: handle}),
            icon=":material/visibility:",
        )
        st.caption("Values are masked.", width="content")
    _contents(found)


def _unmasked(handle_key: str) -> None:
    shown = context.services().request_inspector.unmasked(st.session_state.get(handle_key, ""))
    if shown is None:
        st.session_state.pop(handle_key, None)
        st.rerun()
    found, until = shown
    left = max(0, round((until - context.now()).total_seconds()))
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(f":material/timer: masked again in {left} s", width="content")
        st.button("Mask now", key="mask-now", on_click=_mask, args=(handle_key,))
    _contents(found)


def _mask(handle_key: str) -> None:
    context.services().request_inspector.hide(st.session_state.pop(handle_key, ""))


def _facts(call: Call) -> None:
    with st.container(horizontal=True):
        st.metric("At the caller", call.client_code or "not known", width="content")
        st.metric("In the container", call.container_code or "never reached", width="content")
        if call.duration_ms is not None:
            st.metric("Took", f"{call.duration_ms:,.1f} ms", width="content")
        if call.run_ms is not None:
            st.metric("In run()", f"{call.run_ms:,.1f} ms", width="content")
    if call.is_soft_failure:
        st.caption(":material/report: It was answered 200, and the body is an error.")
    if call.is_ours:
        st.caption(":material/science: A probe or a test of this desk.")
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        times.show(call.at)
        navigation.link("service", call.service, icon=":material/dns:", name=call.service)
        logs_ways.button(
            "Its log", key="log-of-request", view=logs_ways.LOG, icon=":material/article:", of=call.service
        )
    tables.show(
        [
            {"what": "Request id", "is": call.request_id or "none"},
            {"what": "Client request id", "is": call.client_request_id or "none"},
            {"what": "Replica", "is": call.replica or "none"},
            {"what": "Time", "is": times.hover(call.at)},
            {
                "what": "Front end",
                "is": (call.reason or "passed it on")
                if call.in_front_end_log
                else "no line: Container Insights is off, or it is on ACI",
            },
        ],
        key="request-facts",
        alt="The ids, the replica and the time of this call.",
        columns={"what": tables.text("What"), "is": tables.text("Is", wide=True)},
    )


def _contents(found: Inspection) -> None:
    if found.raised:
        headings.section("What run() raised", operation_words.escaped(f"{found.raised}: {found.message}"))
        if found.place:
            st.markdown(f"In {operation_words.escaped(found.place)}")
        if found.group:
            logs_ways.button(
                "All failures of this kind",
                key="group-of-request",
                view=logs_ways.FAILURES,
                icon=":material/stacks:",
                group=found.group,
            )
        with st.expander("Stack", icon=":material/data_object:"):
            st.code(found.stack, language=None, wrap_lines=True)
    headings.section("Answer")
    if found.answer is None:
        st.caption(NO_ANSWER)
    elif not found.answer:
        st.caption("The body was empty.")
    else:
        st.code(found.answer, language=None, wrap_lines=True, height="content" if len(found.answer) < 1000 else 320)
    headings.section(
        "Printed close to it", "Close in time, not linked: a print carries no request id, so it may be another call's."
    )
    tables.show(
        [{"at": line.at, "text": line.text} for line in found.prints],
        key="prints-of-request",
        alt="What the service printed close to this call, oldest first.",
        columns={"at": times.column("When", relative=False), "text": tables.text("Text", wide=True)},
        empty="Nothing was printed close to it.",
    )
