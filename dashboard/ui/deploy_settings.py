"""Deploy, steps 3 and 4: resources and scaling, access and insights, and what is seldom touched."""

from __future__ import annotations

import streamlit as st

from dashboard.ui import deploy_draft as draft
from dashboard.ui.deploy_fields import Form
from services.planning.access_rules import is_anonymous
from services.planning.wanted import Wanted


def resources(form: Form) -> None:
    """Draw step 3."""
    form.group("resources")
    if form.target == "AKS":
        form.group("scaling")
        form.folded("Timeouts and concurrency", "limits")
        form.folded("Liveness probe", "probes")
    form.folded("Region and address" if form.target == "ACI" else "Namespace and mounting", "network")


def access(form: Form, wanted: Wanted) -> None:
    """Draw step 4."""
    form.group("access")
    _anonymous(wanted)
    form.group("insights")
    if form.target == "ACI":
        form.folded("TLS and encryption", "tls")
    else:
        st.caption("On AKS, TLS is set on the cluster, for all services at once.")


def _anonymous(wanted: Wanted) -> None:
    """The second, explicit step to an endpoint anyone may call."""
    if not is_anonymous(wanted.configuration, target=wanted.target):
        draft.put("anonymous", False)
        return
    name = wanted.service or "this service"
    st.checkbox(
        f"Yes, anyone who knows the address shall be able to call {name}, without key or token",
        key=draft.key("anonymous"),
        persist_state="session",
    )
