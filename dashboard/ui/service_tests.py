"""Test requests to one service: a body, one raw attempt, and everything of the answer."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import streamlit as st

from dashboard import context, reads_watching
from dashboard.ui import accent, errors, headings, operation_words, service_probes, tables
from services.testing import LONGEST_WAIT_SECONDS, Sent
from services.webservices import ListedService

BODY_HEIGHT = 220


def show(listed: ListedService) -> None:
    """Show the form, the last answer, the probe, and the history of both."""
    name = listed.service.name
    headings.section(
        "Test request",
        "One raw request with the service's own key or token, which nobody gets to see; never repeated behind your back. "
        "It is tagged desk-test-…, so that charts can leave it out, and written to the audit log.",
    )
    if not context.person().may("service.test"):
        st.info("Sending needs the role operator. Choose another identity, or ask someone who has it.")
    elif not listed.service.scoring_uri:
        tables.nothing("It has no address yet: wait until it has started once.")
        return
    else:
        _form(listed)
        sent = st.session_state.get(f"test-{name}")
        if sent:
            _answer(sent)
    service_probes.show(listed, body=lambda: draft(listed))


def draft(listed: ListedService) -> str:
    """The body as it is being written here; it begins with the service's own sample."""
    key = _draft_key(listed.service.name)
    if key not in st.session_state:
        st.session_state[key] = _sample(listed)
    return str(st.session_state[key])


def _draft_key(name: str) -> str:
    return f"test-draft-{name}"


def _form(listed: ListedService) -> None:
    name = listed.service.name
    body_key, draft_key = f"test-body-{name}", _draft_key(name)
    # The widget's own value is forgotten while another view is shown; what was typed is not.
    st.session_state[body_key] = draft(listed)
    body = st.text_area(
        "Body (application/json)",
        key=body_key,
        height=BODY_HEIGHT,
        on_change=lambda: st.session_state.update({draft_key: st.session_state[body_key]}),
    )
    _check(body)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        seconds = st.number_input(
            "Wait at most (s)", 1, int(LONGEST_WAIT_SECONDS), 30, key=f"test-wait-{name}", width=160
        )
        words, icon = accent.label("Send", icon=":material/send:")
        pressed = st.button(words, key="test-send", type="primary", icon=icon)
        st.button(
            "Take the sample again",
            key="test-sample",
            help="From the service's own swagger document.",
            on_click=lambda: st.session_state.pop(draft_key, None),
        )
    if pressed:
        with st.spinner("Waiting for the answer"), errors.explained():
            answer = context.services().testing.try_out(context.person(), name, body, deadline=float(seconds))
            st.session_state[f"test-{name}"] = _plain(answer)
            reads_watching.probe_results.clear()


def _sample(listed: ListedService) -> str:
    with errors.explained():
        return context.services().testing.sample(context.person(), listed.service.name)
    return '{"data": []}'


def _check(body: str) -> None:
    """Say beside the field that it is no JSON; it can be sent all the same, to see what the service makes of it."""
    reason = context.services().testing.body_remark(body)
    if reason:
        st.markdown(f":orange[:material/warning: {operation_words.escaped(reason)}]")


def _answer(sent: dict[str, Any]) -> None:
    meaning = sent["meaning"]
    headings.section("Answer")
    word = f"{sent['status']}" if sent["status"] is not None else "No answer"
    look = st.success if meaning["is_good"] else st.error
    look(
        f"**At the client:** {operation_words.escaped(meaning['at_client'])}  \n"
        f"**In the container:** {operation_words.escaped(meaning['in_container'])}",
        title=f"{word} in {sent['milliseconds']:,.0f} ms",
        icon=":material/check_circle:" if meaning["is_good"] else ":material/error:",
    )
    _times(sent)
    shown = context.services().testing.body(sent["body"])
    if shown is None:
        st.caption("The body was kept for a minute and is forgotten now: send it again to see it.")
    elif shown.value:
        text = context.services().testing.pretty(shown.value)
        st.code(text, language=None, wrap_lines=True, height="content" if len(text) < 500 else 320)
        if sent["is_cut"]:
            st.caption("Only the first 256 kB are shown.")
    else:
        st.caption("The body was empty.")
    with st.expander(f"Headers ({len(sent['headers'])})", icon=":material/list:"):
        st.code("\n".join(f"{name}: {value}" for name, value in sorted(sent["headers"].items())), language=None)
    st.caption(f"Client request id {sent['client_request_id']}")


def _times(sent: dict[str, Any]) -> None:
    total, model = sent["milliseconds"], sent["model_milliseconds"]
    with st.container(horizontal=True):
        st.metric("Until the answer", f"{total:,.1f} ms", width="content")
        if model is None:
            st.caption("The answer does not say how long run() took (x-ms-run-fn-exec-ms).", width="content")
            return
        st.metric("In run()", f"{model:,.1f} ms", width="content", help="The header x-ms-run-fn-exec-ms.")
        st.metric(
            "Around it",
            f"{max(total - model, 0):,.1f} ms",
            width="content",
            help="Network, the front end with its queue, and the server around run().",
        )


def _plain(sent: Sent) -> dict[str, Any]:
    """What the session keeps: no body, which lies behind its handle."""
    return asdict(sent)
