"""Deploy, step 1: the environment, registered or made of a file, checked and compared with what runs today."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from dashboard import context, reads_deploy
from dashboard.ui import deploy_draft as draft
from dashboard.ui import tables
from dashboard.ui.deploy_fields import Form, line, ok
from dashboard.ui.operation_words import escaped
from services.azureml.types import Service
from services.planning import environments
from services.planning.wanted import Wanted

FROM = {"registered": "Registered", "file": "From a conda or pip file"}
KINDS = {"conda": "conda (YAML)", "pip": "pip (requirements)"}
EXAMPLES = {
    "conda": "dependencies:\n- python=3.11\n- pip:\n  - azureml-defaults==1.61.0\n  - scikit-learn==1.5.2",
    "pip": "azureml-defaults==1.61.0\nscikit-learn==1.5.2",
}


def show(form: Form, wanted: Wanted, live: Service | None) -> None:
    """Draw the choice, and what is to be known of what was chosen."""
    if _is_fixed(wanted):
        st.caption("Environment: as it runs now. This code was not deployed from here, so the two go together.")
        return
    st.segmented_control(
        "Environment",
        list(FROM),
        key=draft.key("environment_from"),
        format_func=FROM.__getitem__,
        required=True,
        persist_state="session",
        help="The packages and variables the script runs with.",
    )
    if draft.get("environment_from") == "registered":
        _registered(live)
    else:
        _file(form)
    form.say("environment")
    chosen = document(wanted, live)
    if chosen is not None:
        for remark in environments.check(chosen):
            line(remark.severity, remark.sentence)
        _difference(chosen, live)


def document(wanted: Wanted, live: Service | None) -> Mapping[str, Any] | None:
    """The whole document of the chosen environment, where it is known here."""
    chosen = wanted.environment
    if chosen is None:
        return None
    if chosen.document is not None:
        return chosen.document
    for listed in reads_deploy.environments():
        if (listed.name, listed.version) == (chosen.name, chosen.version):
            return listed.document
    if live and (live.environment_name, live.environment_version) == (chosen.name, chosen.version):
        return live.environment
    return None


def _is_fixed(wanted: Wanted) -> bool:
    """Whether the code is only with Azure, together with the environment it runs in."""
    code = wanted.code
    if code is None or code.source != "service" or code.service == draft.get("changing"):
        return False
    return not context.services().deployments.resolved(code).sha256


def _registered(live: Service | None) -> None:
    found = {f"{listed.name}:{listed.version}": listed for listed in reads_deploy.environments()}
    chosen = draft.get("environment")
    runs = _running(live)
    options = list(dict.fromkeys([*([chosen] if chosen else []), *([runs] if runs else []), *found]))
    if not options:
        tables.nothing("No environment is registered in this workspace: use a conda or pip file instead.")
        return
    st.selectbox(
        "Registered environment",
        options,
        index=None,
        key=draft.key("environment"),
        placeholder="Choose one",
        persist_state="session",
        width=420,
        help="The newest versions of each, and the one that runs today.",
    )
    if runs:
        st.caption(f"{escaped(runs)} runs today.")


def _file(form: Form) -> None:
    _take_file()
    with st.container(horizontal=True, vertical_alignment="bottom", key="deploy-row-environment"):
        st.segmented_control(
            "Kind of file",
            list(KINDS),
            key=draft.key("environment_kind"),
            format_func=KINDS.__getitem__,
            required=True,
            persist_state="session",
        )
        st.text_input(
            "Name of the environment",
            key=draft.key("environment_name"),
            placeholder=f"{draft.get('service') or 'service'}-env",
            persist_state="session",
            width=260,
        )
    with st.grid(2, min_column_width=280, key="deploy-grid-packages"):
        st.text_area(
            "Packages",
            key=draft.key("environment_text"),
            placeholder=EXAMPLES[draft.get("environment_kind")],
            height=180,
            persist_state="session",
            help="Paste it, or upload it above and mend it here.",
        )
        with st.container(key="deploy-cell-variables"):
            _variables(form)


def _variables(form: Form) -> None:
    st.text_area(
        "Environment variables",
        key=draft.key("variables"),
        placeholder="WORKER_COUNT=1",
        height=180,
        persist_state="session",
        help="One name=value a line. They are stored with the service: nothing secret.",
    )
    form.say("variables")


def _take_file() -> None:
    """Take an uploaded file's text once; from then on the text below counts."""
    sent = st.file_uploader(
        "Upload it, or paste it below",
        key="deploy-environment-file",
        type=["yml", "yaml", "txt"],
        max_upload_size=1,
    )
    if sent is None or st.session_state.get("deploy-environment-taken") == sent.file_id:
        return
    st.session_state["deploy-environment-taken"] = sent.file_id
    # One character more than a list of packages may have: then the rule says so.
    text = sent.getvalue()[: environments.MAX_FILE_CHARACTERS + 1].decode("utf-8", errors="replace")
    is_conda = sent.name.lower().endswith((".yml", ".yaml"))
    draft.take(environment_text=text, environment_kind="conda" if is_conda else "pip")


def _difference(chosen: Mapping[str, Any], live: Service | None) -> None:
    if live is None or live.environment is None:
        return
    found = environments.difference(live.environment, chosen)
    if not found:
        ok("The same packages and variables as what runs today.")
        return
    count = f"{len(found)} difference{'s' if len(found) > 1 else ''}"
    with st.expander(f"{count} to what runs today", key="deploy-fold-difference"):
        tables.show(
            [{"kind": entry.kind, "name": entry.name, "before": entry.before, "after": entry.after} for entry in found],
            key="deploy-environment-difference",
            alt="What differs between the environment that runs today and the chosen one",
            columns={
                "kind": tables.text("What"),
                "name": tables.text("Name", pinned=True),
                "before": tables.text("Runs today"),
                "after": tables.text("Chosen"),
            },
        )


def _running(live: Service | None) -> str | None:
    if live is None or not live.environment_name:
        return None
    version = live.environment_version
    return f"{live.environment_name}:{version}" if version else live.environment_name
