"""A rehearsal on screen: its phases, what it answered, its log, and the ways on: an edit, or back to the form."""

from __future__ import annotations

import json
from functools import partial

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from dashboard import actions, context
from dashboard.ui import accent, operation
from dashboard.ui import deploy_draft as draft
from dashboard.ui.operation_words import escaped
from services import code_uploads
from services.errors import Invalid
from services.files import CODE_LIMIT
from services.operations.records import Operation
from services.planning.wanted import CodeRef
from services.rehearsal import KIND, NOT_REHEARSED, Rehearsed

COMMAND = KIND
LARGEST_TYPED = 200_000
WAYS = {
    "everything": "models, code and environment were deployed",
    "the code": "only the code was deployed again",
    "as it was": "it ran there already, so nothing was deployed",
    "sent before": "it was sent before a restart of the worker",
}


def show(operation_id: str) -> None:
    """Draw a rehearsal of the Deploy form and what can be done from here."""
    found = context.services().rehearsals.get(operation_id)
    if not found.operation.is_open:
        verdict(found)
        if found.reproduces:
            sealed_answer(found.operation, key="rehearse")
        elif found.answer:
            _answer(found)
    operation.show(operation_id, is_linked=False)
    st.caption(NOT_REHEARSED)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            accent.label("Back to the form")[0] if found.works else "Back to the form",
            key="rehearse-back",
            icon=None if found.works else ":material/edit:",
            type="primary" if found.works else "secondary",
            on_click=_back,
            args=(found,),
            help="Everything there is as you left it; the plan and the launch are at its end.",
        )
        if not found.operation.is_open:
            actions.button(
                "Rehearse again",
                lambda asked: context.services().rehearsals.rehearse(
                    asked.by, found.wanted, operation_id=asked.operation_id, follows=operation_id
                ),
                key="rehearse-again",
                command=COMMAND,
                then=follow,
                icon=":material/replay:",
            )
    if not found.operation.is_open:
        if found.status is not None:
            _ask(found)
        if found.wanted.code is not None:
            _edit(found)


def verdict(found: Rehearsed) -> None:
    """Say what came of it, once it has ended; why one failed is said with its phases."""
    if found.operation.state == "failed":
        return
    parts = [escaped(found.words)] if found.words else []
    if found.milliseconds is not None and found.status is not None:
        model = f", run() took {found.model_milliseconds:.0f} ms of them" if found.model_milliseconds else ""
        parts.append(f"Code {found.status} after {found.milliseconds:.0f} ms{model}.")
    if found.way:
        parts.append(f"On the rehearsal workspace {WAYS.get(found.way, found.way)}.")
    if not found.is_sample:
        parts.append("The service gives no sample of its input, so it was asked with an empty one.")
    text = "  \n".join(parts) or "The log below says why."
    if found.is_unasked:
        st.warning(text, title=found.verdict, icon=":material/help:")
    elif found.works:
        st.success(text, title=found.verdict, icon=":material/check_circle:")
    elif found.works is None:
        st.info(text, title=found.verdict, icon=":material/info:")
    else:
        st.error(text, title=found.verdict, icon=":material/cancel:")


def sealed_answer(found: Operation, *, key: str) -> None:
    """Draw what a person's own request was answered, its values masked until somebody unmasks them."""
    person = context.person()
    if not person.may(COMMAND):
        st.caption("What it answered is shown to operators.")
        return
    rehearsals = context.services().rehearsals
    handle_key = f"{key}-unmasked-{found.id}"
    unmasked = rehearsals.unmasked(st.session_state.get(handle_key, ""))
    shown = unmasked or rehearsals.answer(person, found.id)
    if shown is None:
        st.caption("The answer is not kept any more: send the request again, which is quicker now.")
        return
    st.caption("Answered")
    st.code(pretty(shown.text) or "(nothing)", language="json", wrap_lines=True)
    with st.expander("The end of its log", icon=":material/article:", key=f"{key}-log"):
        st.code(shown.log or "(nothing)", language=None, wrap_lines=True)
    if unmasked is None:
        actions.button(
            "Unmask for a minute",
            lambda asked: rehearsals.unmask(asked.by, found.id),
            key=f"{key}-unmask",
            ask="The values of this answer are shown to you for a minute. That you looked at them is written to the "
            "audit log first.",
            confirm="Unmask",
            command="values.unmask",
            then=lambda handle: st.session_state.update({handle_key: handle}),
            icon=":material/visibility:",
        )


def follow(operation_id: str | None) -> None:
    """Show a rehearsal from now on: its id in the address survives closing the browser."""
    if operation_id:
        st.query_params["operation"] = operation_id


def pretty(text: str) -> str:
    """An answer indented where it is JSON."""
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except ValueError:
        return text


def _answer(found: Rehearsed) -> None:
    with st.expander("What it was asked and what it answered", icon=":material/forum:", key="rehearse-answer"):
        st.caption("Asked")
        st.code(pretty(found.request), language="json", wrap_lines=True)
        st.caption("Answered")
        st.code(pretty(found.answer), language="json", wrap_lines=True)


def _ask(found: Rehearsed) -> None:
    """Offer to send a request of one's own."""
    with st.expander("Send it a request of your own", icon=":material/send:", key="rehearse-ask"):
        body = st.text_area(
            "Body of the request",
            value=found.request,
            key=f"rehearse-body-{found.operation.id}",
            height=140,
            max_chars=LARGEST_TYPED,
            help="It reaches the worker sealed, is kept for 15 minutes at most and written nowhere.",
        )
        actions.button(
            "Send it",
            lambda asked: context.services().rehearsals.ask(
                asked.by, found.operation.id, body, new_operation_id=asked.operation_id
            ),
            key="rehearse-send",
            command=COMMAND,
            then=follow,
            icon=":material/send:",
        )


def _edit(found: Rehearsed) -> None:
    """Offer to try edited code: everything else stays as it runs there."""
    with st.expander("Edit the code and try again", icon=":material/code:", key="rehearse-edit"):
        st.markdown("Upload the edited source folder: only the code is deployed again, which takes seconds.")
        sent = st.file_uploader(
            "Zip or tar of the source folder, up to 50 MB",
            key=f"rehearse-file-{found.operation.id}",
            type=["zip", "tar", "gz", "tgz"],
            max_upload_size=CODE_LIMIT >> 20,
        )
        actions.button(
            "Rehearse the edit",
            partial(_reload, found, sent),
            key="rehearse-reload",
            command=COMMAND,
            then=follow,
            icon=":material/replay:",
            disabled=sent is None,
            help="Upload the edited code first." if sent is None else None,
        )


def _reload(found: Rehearsed, sent: UploadedFile | None, asked: actions.Asked) -> str:
    """Keep the edit, take it over into the form, rehearse with it."""
    if sent is None:
        raise Invalid("Upload the edited code first.")
    sent.seek(0)
    kept = code_uploads.keep(context.services().files, sent, name=sent.name, by=asked.by)
    before = found.wanted.code.entry_script if found.wanted.code else ""
    if not kept.scripts:
        raise Invalid("No Python file in it defines run() at its top level: the entry script is missing.")
    entry = before if before in kept.files else kept.scripts[0]
    if draft.get("service") == found.wanted.service:
        draft.put("code_from", "upload")
        draft.put("upload", {"sha256": kept.sha256, "name": kept.name})
        draft.put("entry", entry)
    return context.services().rehearsals.reload(
        asked.by,
        found.operation.id,
        CodeRef(source="upload", entry_script=entry, sha256=kept.sha256, name=kept.name),
        new_operation_id=asked.operation_id,
    )


def _back(found: Rehearsed) -> None:
    """The form as it was left; in another window, filled with what was rehearsed."""
    st.query_params.pop("operation", None)
    if draft.get("service") == found.wanted.service:
        return
    exists = context.services().webservices.find(found.wanted.service) is not None
    draft.load({**draft.of(found.wanted), "changing": found.wanted.service if exists else None})
    draft.start_from(("service", found.wanted.service) if exists else None)
