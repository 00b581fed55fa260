"""Deploy, after the launch: the operation, and the way back to the form with everything that was typed."""

from __future__ import annotations

import streamlit as st

from dashboard import context, navigation
from dashboard.ui import deploy_draft as draft
from dashboard.ui import operation, rehearse_result
from services.operations.records import Operation
from services.planning.wanted import Wanted
from services.rehearsal import KIND as REHEARSAL

KINDS = ("service.deploy", "service.update")


def show(operation_id: str) -> None:
    """Draw the operation and what can be done from here."""
    found = context.services().operations.get(operation_id)
    if found.kind == REHEARSAL:
        rehearse_result.show(operation_id)
        return
    operation.show(operation_id, is_linked=False)
    with st.container(horizontal=True, vertical_alignment="center"):
        if found.kind in KINDS and not found.is_open:
            st.button(
                "Change and launch again",
                key="deploy-again",
                icon=":material/edit:",
                on_click=_again,
                args=(found,),
                help="Back to the form as it was launched. Secrets have to be typed again.",
            )
        if found.state == "succeeded":
            navigation.link("service", f"Open {found.subject}", icon=":material/dns:", name=found.subject)
        navigation.link("deploy", "Deploy another", icon=":material/add:")


def _again(found: Operation) -> None:
    """Fill the form with what this operation was asked for."""
    wanted = Wanted.from_json(found.arguments["wanted"])
    exists = context.services().webservices.find(wanted.service) is not None
    draft.load(
        {
            **draft.of(wanted),
            "changing": wanted.service if exists else None,
            # What did not start is replaced as a whole: there is nothing running to be updated.
            "redeploy": exists and found.kind == "service.deploy" and found.state == "failed",
        }
    )
    st.query_params.pop("operation", None)
    draft.start_from(("service", wanted.service) if exists else None)
