"""Deploy, step 5: what would happen, in words and in code, and the launch."""

from __future__ import annotations

from functools import partial

import streamlit as st

from dashboard import actions, context, navigation, reads_deploy, reads_operations
from dashboard.ui import deploy_draft as draft
from dashboard.ui import rehearse_result, tables, times
from dashboard.ui.deploy_fields import EFFECTS, Form, is_missing, label, line, ok
from dashboard.ui.operation_words import escaped
from services.azureml.fields import find
from services.planning.plan import Change, Plan
from services.planning.plan import show as words
from services.planning.sdk_code import code_for
from services.planning.wanted import Wanted

LAUNCH = "deploy-launch"


def show(form: Form, wanted: Wanted) -> None:
    """Draw the step: what is still missing, or the plan with its launch."""
    if form.errors:
        _missing(form)
        return
    for problem in form.unsaid:
        line(problem.severity, problem.sentence)
    plan = context.services().deployments.plan(wanted, redeploy=bool(draft.get("redeploy")))
    _summary(plan)
    if plan.action == "update" or (plan.action != "create" and draft.get("redeploy")):
        st.toggle(
            "Redeploy instead of updating",
            key=draft.key("redeploy"),
            persist_state="session",
            help="Replaces the service as a whole, under the same name and address: it is down for about a minute.",
        )
    if plan.action != "none":
        _changes(plan)
        with st.expander("The same in code", icon=":material/code:", key="deploy-fold-code"):
            st.code(code_for(wanted, plan), language="python", wrap_lines=True)
    _launch(wanted, plan)


def _missing(form: Form) -> None:
    broken = [problem for problem in form.errors if not is_missing(problem)]
    words_of = ["what is missing is filled in"] if len(broken) < len(form.errors) else []
    words_of += ["what is wrong is put right"] if broken else []
    st.info(f"The plan comes as soon as {' and '.join(words_of)}:", icon=":material/edit_note:")
    for problem in [*broken, *(problem for problem in form.errors if problem not in broken)]:
        form.line(problem)


def _summary(plan: Plan) -> None:
    st.markdown(f"**{escaped(plan.words)}**")
    if plan.action == "none":
        return
    lines = [f":material/schedule: **Downtime** · {escaped(plan.downtime)}"]
    if plan.keys_resent:
        lines.append(":material/key: **Keys** · The present ones are sent along: clients keep working.")
    st.markdown("  \n".join(lines))
    for warning in plan.warnings:
        line("warning", warning)


def _changes(plan: Plan) -> None:
    """The plan as a table: a new service has no before."""
    is_new = plan.action == "create"
    rows = [
        {
            "what": _label(change, plan.target),
            "before": words(change.before),
            "after": words(change.after),
            "effect": EFFECTS[change.effect],
        }
        for change in plan.changes
    ]
    tables.show(
        rows,
        key=f"deploy-plan-{'new' if is_new else 'change'}",
        alt="What the launch sets, field by field",
        columns={
            "what": tables.text("Field", pinned=True),
            "before": None if is_new else tables.text("Now"),
            "after": tables.text("Value" if is_new else "After"),
            "effect": None if is_new else tables.text("Effect"),
        },
    )


def _label(change: Change, target: str) -> str:
    field = find(change.field, target="AKS" if target == "AKS" else "ACI")
    return label(field) if field else change.label


def _launch(wanted: Wanted, plan: Plan) -> None:
    """The one primary button, bound to the plan that is on screen."""
    if plan.action == "none":
        ok("Nothing to launch: change a field above, and the plan says what it would do.")
        return
    # One below the other: side by side, the reasons would be cut on a phone.
    st.pills("Why", actions.REASONS, key=f"{LAUNCH}-reason")
    st.text_input("More about it (a ticket, a sentence)", key=f"{LAUNCH}-note", max_chars=300, width=420)
    with st.container(horizontal=True, vertical_alignment="center"):
        _launch_button(wanted, plan)
        _rehearse_button(wanted)
    _rehearsed(wanted)


def _launch_button(wanted: Wanted, plan: Plan) -> None:
    actions.button(
        {"create": "Launch", "update": "Launch the change", "redeploy": "Launch the redeploy"}[plan.action],
        partial(_start, wanted, plan.based_on),
        key=LAUNCH,
        command="service.update" if plan.action == "update" else "service.deploy",
        then=_follow,
        clears=(reads_deploy.under_way, reads_operations.running),
        look="primary",
        icon=":material/rocket_launch:",
    )


def _rehearse_button(wanted: Wanted) -> None:
    actions.button(
        "Rehearse first",
        lambda asked: context.services().rehearsals.rehearse(asked.by, wanted, operation_id=asked.operation_id),
        key="deploy-rehearse",
        command="service.rehearse",
        then=rehearse_result.follow,
        clears=(reads_operations.running,),
        icon=":material/theater_comedy:",
        help="Runs exactly this on a local workspace first: it builds, starts and answers a sample request there.",
    )


def _rehearsed(wanted: Wanted) -> None:
    """Say what came of the last rehearsal of exactly this."""
    found = context.services().rehearsals.latest(wanted)
    if found is None:
        return
    sign = ":green[:material/check_circle:]" if found.works else ":orange[:material/theater_comedy:]"
    at = found.operation.ended_at or found.operation.requested_at
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(f"{sign} Rehearsed {times.both(at)}: {escaped(found.verdict)}", width="content")
        navigation.link("deploy", "Open the rehearsal", icon=":material/theater_comedy:", operation=found.operation.id)


def _start(wanted: Wanted, based_on: str, asked: actions.Asked) -> str:
    operation_id = context.services().deployments.launch(
        asked.by,
        wanted,
        based_on=based_on,
        redeploy=bool(draft.get("redeploy")),
        reason=asked.reason,
        secrets=draft.secrets(),
        operation_id=asked.operation_id,
    )
    draft.forget_secrets()
    return operation_id


def _follow(operation_id: str | None) -> None:
    """Show the operation from now on: its id in the address survives closing the browser."""
    if operation_id:
        draft.start_from(None)
        st.query_params["operation"] = operation_id
