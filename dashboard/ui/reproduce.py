"""Reproduce a request: the same input goes to the same bundle on the rehearsal workspace, where nobody is hurt.

    reproduce.panel("wine-prod", key="request", body=known_body)

Telemetry holds answers, not inputs: the body is what the caller sent, pasted here, or what one of our own requests sent.
"""

from __future__ import annotations

import streamlit as st

from dashboard import actions, context
from dashboard.ui import operation, rehearse_result
from services.rehearsal import KIND, NOT_REHEARSED

ICON = ":material/theater_comedy:"


def panel(service: str, *, key: str, body: str = "") -> None:
    """Draw the field of the request's body, the button, and what came of the last one."""
    with st.expander("Reproduce locally", icon=ICON, key=f"{key}-reproduce"):
        st.caption(
            "Sends this request to exactly what runs now, on a local workspace of its own: models, code and environment "
            f"are the same. Telemetry has no inputs, so paste what the caller sent. {NOT_REHEARSED}"
        )
        typed = st.text_area(
            "Body of the request",
            value=body,
            key=f"{key}-body",
            max_chars=rehearse_result.LARGEST_TYPED,
            height=140,
            help="It reaches the worker sealed, is kept for 15 minutes at most and written nowhere.",
        )
        actions.button(
            "Reproduce locally",
            lambda asked: context.services().rehearsals.reproduce(
                asked.by, service, typed, operation_id=asked.operation_id
            ),
            key=f"{key}-start",
            command=KIND,
            then=lambda operation_id: st.session_state.update({_operation_key(key): (service, operation_id)}),
            icon=ICON,
        )
        asked_of, operation_id = st.session_state.get(_operation_key(key), (None, None))
        if operation_id and asked_of == service:
            result(operation_id, key=key)


def result(operation_id: str, *, key: str) -> None:
    """Draw what came of a reproduction: phases and log while it runs, then the answer, its values masked."""
    found = context.services().rehearsals.get(operation_id)
    if not found.operation.is_open:
        rehearse_result.verdict(found)
        rehearse_result.sealed_answer(found.operation, key=key)
    operation.show(operation_id, is_linked=False)


def _operation_key(key: str) -> str:
    return f"{key}-reproduced"
