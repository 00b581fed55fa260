"""Deploy, step 1: which model versions, with which code, in which environment."""

from __future__ import annotations

import hashlib
from typing import Any

import streamlit as st

from dashboard import context, navigation, reads_deploy
from dashboard.ui import deploy_draft as draft
from dashboard.ui import deploy_environment, errors, tables
from dashboard.ui.deploy_fields import Form, line, ok
from dashboard.ui.operation_words import escaped
from services import code_uploads
from services.azureml.types import Service
from services.errors import DeskError, NotFound
from services.files import CODE_LIMIT
from services.planning.models import deployability
from services.planning.wanted import Wanted

CODE = {
    "running": "As it runs now",
    "upload": "Upload a zip",
    "earlier": "From an earlier deployment",
    "none": "None: Azure makes it",
}
NO_CODE = {
    "ScikitLearn": 'scikit-learn; it takes {"data": [[…]], "method": "predict"} and returns {"predict": […]}',
    "Onnx": 'onnxruntime; it takes {"data": {"<input name>": …}} and returns the outputs by name',
}


def show(form: Form, wanted: Wanted, live: Service | None) -> None:
    """Draw the step."""
    _models(form)
    _code(form, wanted)
    if draft.get("code_from") != "none":
        deploy_environment.show(form, wanted, live)
    _lint(wanted, live)


def _models(form: Form) -> None:
    chosen: list[str] = draft.get("models")
    with st.container(horizontal=True, vertical_alignment="bottom", key="deploy-row-models"):
        search = st.text_input(
            "Find",
            key=draft.key("model_search"),
            type="search",
            live=True,
            width=220,
            placeholder="name, tag, person, run id",
            help="Searches all versions; the list beside it offers the newest of those found.",
        )
        page = reads_deploy.models((search or "").strip())
        offered = [listed.model.id for listed in page.rows]
        st.multiselect(
            "Model versions",
            [*chosen, *(model_id for model_id in offered if model_id not in chosen)],
            key=draft.key("models"),
            placeholder="Choose one or several",
            persist_state="session",
            help="One version, or several: with several, the script gets a folder with all of them.",
            width=520,
        )
    if page.total > len(offered):
        st.caption(f"The newest {len(offered)} of {page.total:,} versions found are offered: find narrows them.")
    elif not page.total and not search and not chosen:
        tables.nothing(
            "There is no model version yet: register one first.",
            next_step=lambda: navigation.link("models", "Models", icon=":material/deployed_code:"),
        )
    for model_id in draft.get("models"):
        _deployability(model_id, form)
    form.say("model_ids")


def _deployability(model_id: str, form: Form) -> None:
    """Say of one chosen version what can be done with it."""
    try:
        listed = reads_deploy.model(model_id)
    except NotFound:
        # The rules say it, in red, right beneath.
        return
    judged = deployability(listed.model)
    framework = f"{listed.model.framework or 'Custom'} {listed.model.framework_version or ''}".strip()
    size = _size(listed.size) if listed.size else "size not known"
    used = f" · runs in {', '.join(listed.deployed_in)}" if listed.deployed_in else ""
    text = f"{model_id}: {judged.words} · {framework} · {size}{used}"
    if judged.aci if form.target == "ACI" else judged.aks:
        ok(text)
    else:
        line("error", text)


def _code(form: Form, wanted: Wanted) -> None:
    sources = [name for name in CODE if name != "running" or draft.get("code_of")]
    st.segmented_control(
        "Code",
        sources,
        key=draft.key("code_from"),
        format_func=lambda name: f"As {draft.get('code_of')} runs it" if name == "running" else CODE[name],
        required=True,
        persist_state="session",
        help="The entry script with init() and run(), and what it imports. Scikit-learn and ONNX models run without.",
    )
    source = draft.get("code_from")
    if source == "upload":
        _upload()
    elif source == "earlier":
        _earlier()
    elif source == "running" and wanted.code:
        st.caption(
            f"Entry script {escaped(wanted.code.entry_script)}, exactly as {escaped(wanted.code.service)} runs it."
        )
    elif source == "none":
        _no_code(wanted)
    form.say("code", "entry_script")


def _upload() -> None:
    sent = st.file_uploader(
        "Zip or tar of the source folder, up to 50 MB",
        key="deploy-file",
        type=["zip", "tar", "gz", "tgz"],
        max_upload_size=CODE_LIMIT >> 20,
        help=".amlignore is honoured. It is unpacked and looked through here; nothing in it is run.",
    )
    if sent is not None and st.session_state.get("deploy-file-taken") != sent.file_id:
        st.session_state["deploy-file-taken"] = sent.file_id
        _take(sent)
    upload = draft.get("upload")
    refused = st.session_state.get("deploy-file-refused")
    if refused:
        errors.sentence(*refused)
    if not upload:
        return
    try:
        found = reads_deploy.code(upload["sha256"], upload["name"])
    except NotFound as error:
        draft.put("upload", None)
        errors.show(error)
        return
    ignored = f", {len(found.ignored)} left out by .amlignore" if found.ignored else ""
    count = f"{len(found.files)} file{'s' if len(found.files) != 1 else ''}"
    ok(f"{found.name}: {count}, {_size(found.bytes)} unpacked{ignored}")
    if not found.scripts:
        line("error", "No Python file in it defines run() at its top level: the entry script is missing.")
        return
    if draft.get("entry") not in found.files:
        draft.take(entry=found.scripts[0])
    options = list(dict.fromkeys([*found.scripts, draft.get("entry")]))
    st.selectbox(
        "Entry script",
        options,
        key=draft.key("entry"),
        persist_state="session",
        width=420,
        help="Files that define run() at their top level, the likeliest first.",
    )


def _take(sent: Any) -> None:
    """Keep an upload once, however often the screen is drawn with it."""
    try:
        kept = code_uploads.keep(context.services().files, sent, name=sent.name, by=context.person())
    except DeskError as error:
        st.session_state["deploy-file-refused"] = (error.kind, error.sentence)
        return
    st.session_state.pop("deploy-file-refused", None)
    draft.take(upload={"sha256": kept.sha256, "name": kept.name}, entry=kept.scripts[0] if kept.scripts else None)


def _earlier() -> None:
    # No age in the words: a choice is sent back by its words, and those must not change by themselves.
    options = {
        code.sha256: f"{code.name} · {code.entry_script} · {service}, {bundle.created_at:%Y-%m-%d %H:%M} UTC"
        for service, bundle in context.services().deployments.earlier_code()
        if (code := bundle.wanted.code)
    }
    if not options:
        tables.nothing("Nothing was deployed with code from here yet: upload a zip.")
        return
    if draft.get("earlier") not in options:
        draft.take(earlier=next(iter(options)))
    st.selectbox(
        "Deployed before",
        list(options),
        key=draft.key("earlier"),
        format_func=lambda sha256: options.get(sha256, sha256),
        persist_state="session",
        width=520,
    )


def _no_code(wanted: Wanted) -> None:
    if len(wanted.model_ids) != 1:
        return
    try:
        model = reads_deploy.model(wanted.model_ids[0]).model
    except NotFound:
        return
    made = NO_CODE.get(model.framework or "")
    if made:
        version = f" (the model says {model.framework_version})" if model.framework_version else ""
        st.caption(
            f"Azure makes the entry script and an environment with azureml-defaults and {escaped(made)}{version}."
        )


def _lint(wanted: Wanted, live: Service | None) -> None:
    """Say what is noticed in the code, for the environment it will run in."""
    code = context.services().deployments.resolved(wanted.code) if wanted.code else None
    if code is None or not code.sha256 or not code.entry_script:
        return
    environment = deploy_environment.document(wanted, live)
    remarks = reads_deploy.remarks(
        code.sha256, code.entry_script, dict(environment) if environment else None, bool(wanted.model_ids)
    )
    if not remarks:
        ok("Lint and search for secrets: nothing to remark.")
        return
    broken = sum(remark.severity == "error" for remark in remarks)
    count = f"{len(remarks)} remark{'s' if len(remarks) > 1 else ''}"
    title = f"Lint and search for secrets: {count}" + (f", {broken} that would keep it from starting" if broken else "")
    # A key of its own for each outcome: what was opened for one script says nothing about the next.
    outcome = hashlib.sha256(repr(remarks).encode()).hexdigest()[:8]
    with st.expander(title, expanded=bool(broken) or len(remarks) <= 3, key=f"deploy-lint-{outcome}"):
        for remark in remarks:
            line(remark.severity, f"{remark.place} {remark.sentence}")


def _size(count: int) -> str:
    if count < 1_000_000:
        return f"{max(count / 1000, 0.1):,.1f} kB"
    return f"{count / 1_000_000:,.1f} MB" if count < 1_000_000_000 else f"{count / 1_000_000_000:,.1f} GB"
