"""What to do where nothing can be seen: turn Application Insights on, and be told when data flows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import streamlit as st

from dashboard import actions, context, navigation, reads_services
from dashboard.ui import errors, monitoring_trust, operation_words, service_switches, times
from services.monitoring.trust import Awaited, ServiceTrust

MOST_OFFERED = 3
SILENT_FOR = timedelta(minutes=10)
"""After so long without a row it is worth asking whether data flows at all."""
LOOK_EVERY = "2s"


def show(services: Sequence[str]) -> None:
    """Say for which services there is no telemetry, and offer what helps; all services (none chosen) in one line."""
    with errors.explained():
        trust = context.services().monitoring.trust(services)
        if not services:
            _all(trust.insights_off)
            return
        for one in trust.services[:MOST_OFFERED]:
            if one.insights is False:
                _off(one)
            elif (one.insights and _is_silent(one)) or one.service in _awaited():
                _silent(one)
        _rest(trust.insights_off[MOST_OFFERED:])


def _all(off: Sequence[str]) -> None:
    if not off:
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        _badge(f"Application Insights is off for {monitoring_trust.named(off)}: no telemetry, which is not zero.")
        navigation.filtered(
            "monitoring", f"Look at {off[0]} alone", key="blind-first", icon=":material/insights:", services=[off[0]]
        )


def _rest(off: Sequence[str]) -> None:
    if off:
        _badge(f"No telemetry: Application Insights is off for {monitoring_trust.named(off)} too.")


def _off(one: ServiceTrust) -> None:
    listed = reads_services.find(one.service)
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        _badge(f"No telemetry: Application Insights is off for {one.service}. What is not recorded is not zero.")
        if listed and listed.service.compute_type in ("ACI", "AKS"):
            service_switches.insights(listed)


def _silent(one: ServiceTrust) -> None:
    with st.container(border=True):
        awaited = _awaited().get(one.service)
        if awaited is None or awaited.is_over(context.now()):
            with st.container(horizontal=True, vertical_alignment="center"):
                st.markdown(
                    operation_words.escaped(
                        f"{one.service} has no row of the last {times.span(SILENT_FOR)}: nobody called it, or its data does not flow."
                    ),
                    width="content",
                )
                actions.button(
                    "Tell me when data flows",
                    lambda asked: _ask(asked, one.service),
                    key=f"await-{one.service}",
                    command="service.test",
                    icon=":material/notifications:",
                    help="Sends one small tagged request, and looks for its row until it is there.",
                )
        if awaited:
            st.fragment(_wait, run_every=None if awaited.is_over(context.now()) else LOOK_EVERY)(one.service)


def _ask(asked: actions.Asked, service: str) -> None:
    _awaited()[service] = context.services().monitoring.await_data(asked.by, service)


def _wait(service: str) -> None:
    """Look once more, and say what came of it."""
    before = _awaited()[service]
    with errors.explained():
        if not before.is_over(context.now()):
            _awaited()[service] = context.services().monitoring.look_for(before)
    awaited = _awaited()[service]
    if awaited.seen_at and awaited.lag is not None:
        st.success(
            f"Data flows: the request of {times.absolute(awaited.sent_at)} was seen {times.span(awaited.lag)} later.",
            icon=":material/check_circle:",
        )
        if not before.seen_at:
            st.toast(f"Data flows from {service}.", icon=":material/check_circle:")
    elif awaited.is_over(context.now()):
        st.warning(
            f"No row of the request of {times.absolute(awaited.sent_at)} came until {times.absolute(awaited.until)}. "
            f"It was answered {awaited.status or 'not at all'}: look at the container's log, and try again.",
            icon=":material/hourglass_disabled:",
        )
    else:
        st.caption(
            f":material/hourglass_top: Sent {times.ago(awaited.sent_at)}, answered {awaited.status or 'not at all'}; "
            f"looking for its row every 2 s until {times.absolute(awaited.until)}."
        )


def _is_silent(one: ServiceTrust) -> bool:
    return one.last_row_at is None or context.now() - one.last_row_at > SILENT_FOR


def _awaited() -> dict[str, Awaited]:
    """The requests whose rows this person waits for, by service."""
    found: dict[str, Awaited] = st.session_state.setdefault("monitoring-awaited", {})
    return found


def _badge(sentence: str) -> None:
    st.markdown(
        f":orange-badge[:material/visibility_off: blind] {operation_words.escaped(sentence)}",
        width="content",
    )
