"""Delete one service: what goes, what stays, its name typed."""

from __future__ import annotations

import streamlit as st

from dashboard import actions, context, navigation, reads_services
from dashboard.ui import headings, service_words
from services.webservices import ListedService


def show(listed: ListedService) -> None:
    """Show what deleting does, and the button that asks first."""
    service, name = listed.service, listed.service.name
    headings.section(
        "Delete this service", "Azure cannot bring it back; the desk keeps what is needed to deploy it again."
    )
    summary = listed.summary
    calls = f"{summary.requests:,} requests in the last hour" if summary else "calls of the last hour not known"
    st.markdown(
        f"- **Goes:** its address, both keys, its replicas and their logs ({calls}). A service of the same name gets new keys.\n"
        f"- **Stays:** the model versions ({service_words.models(service)}), telemetry, the audit log, and the bundles under "
        "History."
    )

    def delete(asked: actions.Asked) -> str:
        return context.services().webservices.delete(
            asked.by, name, typed_name=name, reason=asked.reason, operation_id=asked.operation_id
        )

    actions.button(
        "Delete…",
        delete,
        key=f"delete-{name}",
        ask=f"**{name}** is deleted and its address stops answering.",
        confirm="Delete",
        typed=name,
        reason=True,
        command="service.delete",
        started=f"Deleting {name} has begun.",
        then=lambda operation: navigation.go("operations", operation=operation),
        clears=reads_services.CHANGED,
        icon=":material/delete:",
    )
