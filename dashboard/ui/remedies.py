"""The button of a remedy: it opens the form that helps, filled in; nothing is changed before a person applies it."""

from __future__ import annotations

import streamlit as st

from dashboard import context, navigation, reads_services
from dashboard.ui import deploy_draft, redeploy, service_fields
from services.classifier import Action, Cause
from services.errors import DeskError

ON_CONFIGURATION = frozenset({"raise replicas", "raise timeout", "raise memory", "ask for less"})
ON_DEPLOY = frozenset({"add package", "mend environment", "mend certificate", "raise worker timeout"})
GOES_BACK = frozenset({"missing-package", "model-path", "init-raised", "run-raised", "no-replica", "unknown"})
"""Where going back to what ran before helps whatever the cause is."""


def show(cause: Cause, *, key: str) -> None:
    """Show what helps, side by side: the remedy first, then the way back."""
    key = f"{key}-{cause.id}"
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        if cause.action:
            _button(cause, cause.action, key=key)
        if cause.id in GOES_BACK and reads_services.bundle_before(cause.service):
            redeploy.button(cause.service, key=f"{key}-back")
    if problem := st.session_state.get(f"{key}-problem"):
        st.caption(problem)


def _button(cause: Cause, action: Action, *, key: str) -> None:
    does = action.does
    if does in ON_CONFIGURATION or (does == "raise container timeout" and action.settings):
        _go(action.label, ":material/tune:", key, _configure, cause, action)
    elif does in ON_DEPLOY or does == "raise container timeout":
        _go(action.label, ":material/rocket_launch:", key, _deploy, cause, action, f"{key}-problem")
    elif does == "renew keys":
        _go(action.label, ":material/key:", key, _access, action.service)
    elif does == "see failures" and action.group:
        navigation.link("logs", action.label, icon=":material/error:", view="Failures", group=action.group)
    elif does == "see failures":
        navigation.filtered("logs", action.label, key=key, icon=":material/error:", view="Failures", of=action.service)
    elif does == "see model files":
        for model_id in action.model_ids[:3]:
            navigation.link("model", f"Files of {model_id}", icon=":material/folder_open:", id=model_id)
    elif does == "wait" and action.operation:
        navigation.link("operations", action.label, icon=":material/visibility:", operation=action.operation)
    elif does == "roll back" and cause.id not in GOES_BACK:
        # The same once more, not what ran before.
        present = context.services().deployments.bundle(action.service)
        redeploy.button(action.service, key=key, label=action.label, bundle=present)


def _go(label: str, icon: str, key: str, run: object, *arguments: object) -> None:
    st.button(label, key=key, icon=icon, on_click=run, args=arguments)  # type: ignore[arg-type]


def _configure(cause: Cause, action: Action) -> None:
    if action.settings:
        service_fields.fill_in(action.service, action.settings, why=f"{cause.title}: {cause.remedy}")
    st.session_state["view"] = "Configuration"
    navigation.go("service", name=action.service)


def _access(service: str) -> None:
    st.session_state["view"] = "Access"
    navigation.go("service", name=service)


def _deploy(cause: Cause, action: Action, problem: str) -> None:
    try:
        deploy_draft.prefill(
            action.service,
            operation=action.operation,
            packages=action.packages,
            variables=action.variables,
            why=f"{cause.title}: {cause.remedy}",
        )
    except DeskError as error:
        st.session_state[problem] = error.sentence
        return
    st.session_state.pop(problem, None)
    navigation.go("deploy", service=action.service)
