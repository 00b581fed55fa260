"""The parts of one operation: trouble, steps, plan, receipt, and the way to go on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import streamlit as st

from dashboard import actions, context, navigation, reads_causes, reads_operations
from dashboard.ui import causes, operation_words, tables, times
from services.azureml import fields
from services.errors import Invalid
from services.files import FETCHED_KEPT_FOR
from services.operations.records import Line, Operation
from services.planning import plan as planning

_EFFECTS = {"live": "at once", "restart": "restarts it", "redeploy": "needs a redeploy"}


def trouble(found: Operation) -> None:
    """Say why it failed or stopped, in Azure's words too, and what to do."""
    if not found.error:
        return
    if found.state == "stopped":
        st.warning(f"{found.error} Then it goes on from there.", title="It waits for you", icon=":material/pan_tool:")
        return
    step = found.current
    at = f" at “{step.label}”" if step else ""
    st.error(
        f"{operation_words.escaped(found.error)}  \n{_remedy(found)}", title=f"It failed{at}", icon=":material/cancel:"
    )
    _, _, azure = (step.detail or "").partition("\n") if step else ("", "", "")
    if azure:
        with st.expander("What Azure said", icon=":material/cloud:"):
            st.code(azure, language=None, wrap_lines=True)
    if found.subject_kind == "service":
        causes.show(reads_causes.of_operation(found.id), key=f"causes-{found.id}", title=False)


def steps(found: Operation, lines: list[Line]) -> None:
    """Show the steps as they are now: sign, label, how long, attempts, and what one does, did or says."""
    now = context.now()
    texts = []
    for step in found.steps:
        said = operation_words.phases(step, lines, now=now)
        if not said and step.detail and step.state in ("running", "waiting"):
            said = [step.detail.splitlines()[0]]
        below = "".join(f"  \n:small[:gray[{operation_words.escaped(text)}]]" for text in said)
        texts.append(operation_words.step_line(step, now=now) + below)
    st.markdown("\n\n".join(texts))


def plan(found: Operation) -> None:
    """Show what was planned, field by field."""
    planned: Mapping[str, Any] = found.plan or {}
    changes = planned.get("changes") or []
    if not changes:
        return
    with st.expander(f"Plan, {_count(len(changes), 'field')}", icon=":material/difference:"):
        tables.show(
            [
                {
                    "field": change["label"],
                    "before": planning.show(change["before"]),
                    "after": planning.show(change["after"]),
                    "effect": _EFFECTS.get(change["effect"], change["effect"]),
                }
                for change in changes
            ],
            key=f"operation-plan-{found.id}",
            alt="The plan: each field before and after",
            columns={
                "field": tables.text("Field"),
                "before": tables.text("Before"),
                "after": tables.text("After (asked)"),
                "effect": tables.text("Effect"),
            },
        )
        for said in (planned.get("downtime"), *planned.get("warnings", ())):
            if said:
                st.caption(operation_words.escaped(str(said)))


def receipt(found: Operation, *, is_linked: bool) -> None:
    """Show what came of it: asked and got, and the way to what it made."""
    got: Mapping[str, Any] = found.receipt or {}
    if found.state != "succeeded":
        return
    _read_back(got)
    _proof(got)
    if got.get("sha256"):
        save_link(found)
    if is_linked:
        _where(found, got)


def save_link(found: Operation) -> None:
    """Show the way to files that were fetched, while they are kept, to who may have them."""
    got: Mapping[str, Any] = found.receipt or {}
    until = (found.ended_at or context.now()) + FETCHED_KEPT_FOR
    if until < context.now():
        st.caption("These files are not kept here any more: fetch them again.")
    elif not context.person().may("model.download"):
        st.caption("To save these files one has to be an operator.")
    else:
        name = str(got["name"])
        st.link_button(
            f"Save {operation_words.escaped(name)}",
            f"/files/{got['sha256']}/{quote(name)}",
            icon=":material/download:",
            help=f"{got['size']:,} bytes; kept here until {times.absolute(until)}.",
        )


def ways_on(found: Operation, *, is_linked: bool) -> None:
    """Offer what can be done after it stopped or failed."""
    if found.state not in ("stopped", "failed"):
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        _go_on(found)
        if is_linked and found.subject_kind == "rehearsal":
            _rehearsal(found)
        if is_linked and found.kind in ("service.deploy", "service.update"):
            navigation.link("deploy", "Change and deploy again", icon=":material/rocket_launch:", service=found.subject)


def _go_on(found: Operation) -> None:
    # A field for each secret: the sealed envelope was burnt when the operation ended.
    names = operation_words.secret_fields(found)
    step = next((step for step in found.steps if step.state != "done"), None)
    at = f"It goes on at “{step.label}”; what is done stays done." if step else ""

    def draw_secrets() -> None:
        for name in names:
            field = st.text_area if name.endswith("_pem_file") else _password
            field(
                _secret_label(found, name),
                key=_secret_key(found, name),
                help="Sent to the worker sealed, kept nowhere.",
            )

    def run(asked: actions.Asked) -> str:
        typed = {name: st.session_state.pop(_secret_key(found, name), "") for name in names}
        if not all(typed.values()):
            raise Invalid("Type each secret again: what was typed before has been destroyed.")
        context.services().operations.go_on(asked.by, found.id, secrets=typed or None)
        return found.id

    actions.button(
        "Go on",
        run,
        key=f"go-on-{found.id}",
        ask=at or None,
        detail=draw_secrets if names else None,
        command=context.services().operations.command(found.kind),
        started="It goes on.",
        clears=(reads_operations.running,),
        icon=":material/play_arrow:",
    )


def _read_back(got: Mapping[str, Any]) -> None:
    if "mismatches" not in got:
        return
    mismatches = got["mismatches"]
    if not mismatches:
        st.markdown(":green[:material/check_circle:] Read back: Azure has everything as it was asked.")
        return
    listed = "\n".join(f"- {operation_words.escaped(str(said))}" for said in mismatches)
    st.warning(
        f"{listed}\n\nNothing else has to be done if that is fine; otherwise change it and apply again.",
        title=f"Read back: {_count(len(mismatches), 'field')} not as asked",
        icon=":material/difference:",
    )


def _proof(got: Mapping[str, Any]) -> None:
    proofs = {f"{slot} key": seen for slot, seen in (got.get("proof") or {}).items()}
    if got.get("old_key"):
        proofs["old key"] = got["old_key"]
    for name, seen in proofs.items():
        answered = f"answered {seen.get('status') or 'nothing'} in {seen.get('milliseconds', 0):.0f} ms"
        st.markdown(f":material/key: The {name} {answered}.")


def _where(found: Operation, got: Mapping[str, Any]) -> None:
    if found.subject_kind in ("service", "bundle") and found.kind != "service.delete":
        navigation.link("service", f"Open {found.subject}", icon=":material/dns:", name=found.subject)
    if found.subject_kind == "rehearsal":
        _rehearsal(found)
    model = got.get("model_id") or (found.subject if found.kind in ("model.edit", "model.download") else None)
    if model:
        navigation.link("model", f"Open {model}", icon=":material/deployed_code:", id=model)


def _rehearsal(found: Operation) -> None:
    """Show the way to what it answered, and to an edit."""
    navigation.link("deploy", "Open the rehearsal", icon=":material/theater_comedy:", operation=found.id)


def _remedy(found: Operation) -> str:
    if found.kind in ("service.deploy", "service.update"):
        return (
            "Read the log below, mend what it says and deploy again; “Go on” only tries the failed step once more, "
            "which helps when the cause was outside."
        )
    return "“Go on” tries the failed step once more; what is done stays done."


def _password(label: str, *, key: str, help: str) -> None:
    st.text_input(label, key=key, type="password", help=help, autocomplete="off", live=True)


def _secret_label(found: Operation, name: str) -> str:
    known = fields.find(name, target=found.arguments.get("target") or "ACI")
    return known.label if known else "The key's new value"


def _secret_key(found: Operation, name: str) -> str:
    return f"secret-{found.id}-{name}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' if number != 1 else ''}"
