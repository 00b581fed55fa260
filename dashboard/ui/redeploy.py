"""Take a service back to what ran before: the button, the plan against what runs now, the reason, the launch.

redeploy.button("wine-prod", key="incident-back")                    # to what ran before
redeploy.button("wine-prod", key="history-back", bundle=chosen)      # to a bundle that was chosen
"""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from dashboard import actions, context, reads_services
from dashboard.ui import errors, service_plan, times
from dashboard.ui.operation_words import escaped
from services.bundles import Bundle

COMMAND = "service.deploy"
ICON = ":material/settings_backup_restore:"
NOTHING_KEPT = "Nothing else that ran as this service is kept here: deploy it anew instead."


def button(
    service: str,
    *,
    key: str,
    label: str | None = None,
    bundle: Bundle | None = None,
    look: actions.Look = "secondary",
    wide: bool = False,
    then: Callable[[str | None], None] | None = None,
) -> None:
    """Show the button; the question behind it shows what changes and asks why. `then` gets the operation's id."""
    target = bundle or reads_services.bundle_before(service)
    if target is None:
        st.button(
            label or "Take it back",
            key=key,
            icon=ICON,
            disabled=True,
            help=NOTHING_KEPT,
            width="stretch" if wide else "content",
        )
        return
    actions.button(
        label or f"Take it back to {short(target)}",
        lambda asked: _start(service, target, asked, key=key),
        key=key,
        ask=f"**{escaped(service)}** becomes again what it was: {describe(target)}.",
        detail=lambda: _plan(service, target, key=key),
        confirm="Take it back",
        reason=True,
        command=COMMAND,
        started=f"Taking {service} back has started.",
        then=then,
        clears=reads_services.CHANGED,
        look=look,
        icon=ICON,
        wide=wide,
    )


def short(bundle: Bundle) -> str:
    """What one takes a service back to, on a button: its models, or when it ran when there are many."""
    models = ", ".join(bundle.wanted.model_ids)
    return models if 0 < len(models) <= 40 else times.absolute(bundle.created_at)


def describe(bundle: Bundle) -> str:
    """A bundle in a sentence: what it is made of, when it was kept, how it came here."""
    came = "read back from Azure" if bundle.is_read_back else "deployed from here"
    by = f" by {escaped(bundle.person_name)}" if bundle.person_name and not bundle.is_read_back else ""
    models = escaped(", ".join(bundle.wanted.model_ids) or "no model")
    code = escaped(bundle.wanted.code.words) if bundle.wanted.code else "no code of its own"
    return f"{models} with {code}, {came}{by} {times.both(bundle.created_at)}"


def _plan(service: str, bundle: Bundle, *, key: str) -> None:
    """Draw what it would do to what runs now; what is launched is bound to what is drawn here."""
    st.session_state.pop(_based_on(key), None)
    with errors.explained():
        plan = context.services().deployments.redeploy_plan(service, bundle.operation)
        st.session_state[_based_on(key)] = plan.based_on
        if plan.action == "none":
            st.info("This is what runs now: there is nothing to take back.", icon=":material/check_circle:")
            return
        service_plan.show(plan, key=f"{key}-plan")
    for remark in bundle.remarks:
        st.markdown(f":orange[:material/warning: {escaped(remark)}]")


def _start(service: str, bundle: Bundle, asked: actions.Asked, *, key: str) -> str:
    return context.services().deployments.redeploy(
        asked.by,
        service,
        bundle.operation,
        based_on=st.session_state.get(_based_on(key), ""),
        reason=asked.reason,
        operation_id=asked.operation_id,
    )


def _based_on(key: str) -> str:
    return f"{key}-based-on"
