"""One safe action each: Application Insights, key or token authentication; and, apart from them, making it anonymous."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import streamlit as st

from dashboard import actions, context, reads_services
from dashboard.ui import service_plan, service_words
from services.planning.wanted import Wanted
from services.webservices import ListedService

_REFUSED = "Clients that send anything else are answered 401 from then on."


def show(listed: ListedService) -> None:
    """Show the switches that fit this service."""
    now = context.services().deployments.wanted_now(listed.service.name)
    is_aks = now.target == "AKS"
    with st.container(horizontal=True, gap="small"):
        _insights(listed, now)
        if listed.service.auth != "key":
            _switch(
                "Turn key authentication on" if listed.service.auth == "none" else "Switch to keys",
                now,
                {"auth_enabled": True} | ({"token_auth_enabled": False} if is_aks else {}),
                key="auth-key",
                ask=f"Callers need one of two keys. {_REFUSED}",
                icon=":material/key:",
                look="primary" if listed.service.auth == "none" else "secondary",
            )
        if is_aks and listed.service.auth != "token":
            _switch(
                "Switch to tokens",
                now,
                {"auth_enabled": False, "token_auth_enabled": True},
                key="auth-token",
                ask=f"Callers fetch a token with their Entra ID identity; it expires. {_REFUSED}",
                icon=":material/token:",
            )
        if listed.service.auth != "none":
            _switch(
                "Make anonymous…",
                now,
                {"auth_enabled": False} | ({"token_auth_enabled": False} if is_aks else {}),
                key="auth-none",
                ask=":red[:material/no_encryption: **Anyone who knows the address can call it**], without any key, until "
                "authentication is turned on again.",
                icon=":material/no_encryption:",
                typed=now.service,
                anonymous=True,
                command="service.make_anonymous",
                look="tertiary",
            )


def insights(listed: ListedService) -> None:
    """Show the switch of Application Insights alone, where charts miss it."""
    _insights(listed, context.services().deployments.wanted_now(listed.service.name))


def _insights(listed: ListedService, now: Wanted) -> None:
    is_on = service_words.insights(listed.service) == "on"
    _switch(
        "Turn Application Insights off" if is_on else "Turn Application Insights on",
        now,
        {"enable_app_insights": not is_on},
        key="insights",
        ask="Nothing is recorded any more: this service loses its charts, and failures go unseen."
        if is_on
        else "Requests, traces and exceptions are recorded from then on; the first rows arrive after some minutes.",
        icon=":material/visibility_off:" if is_on else ":material/insights:",
    )


def _switch(
    label: str,
    now: Wanted,
    settings: Mapping[str, Any],
    *,
    key: str,
    ask: str,
    icon: str,
    typed: str | None = None,
    anonymous: bool = False,
    command: str = "service.update",
    look: actions.Look = "secondary",
) -> None:
    deployments = context.services().deployments
    wanted = replace(now, configuration={**now.configuration, **settings}, anonymous_confirmed=anonymous)
    plan = deployments.plan(wanted)
    actions.button(
        label,
        lambda asked: deployments.launch(
            asked.by, wanted, based_on=plan.based_on, reason=asked.reason, operation_id=asked.operation_id
        ),
        key=f"switch-{key}-{now.service}",
        ask=ask,
        detail=lambda: service_plan.show(plan, key=f"plan-{key}"),
        confirm="Apply",
        typed=typed,
        command=command,
        started="The change has begun.",
        clears=reads_services.CHANGED,
        icon=icon,
        look=look,
    )
