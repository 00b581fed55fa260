"""Deploy, step 2: on which target, under which name, and how it is described."""

from __future__ import annotations

import streamlit as st

from dashboard import reads_deploy
from dashboard.ui import deploy_draft as draft
from dashboard.ui import tables
from dashboard.ui.deploy_fields import Form
from services.azureml.fields import Target
from services.azureml.types import Compute

TARGETS: dict[Target, str] = {
    "ACI": "ACI: one container, for dev and test",
    "AKS": "AKS: replicas on a cluster, for production",
}
CLUSTER = """from azureml.core import Workspace
from azureml.core.compute import AksCompute, ComputeTarget

workspace = Workspace.from_config()
configuration = AksCompute.provisioning_configuration(agent_count=3, vm_size="Standard_D3_v2")
ComputeTarget.create(workspace, "my-aks", configuration).wait_for_completion(show_output=True)
"""


def show(form: Form) -> None:
    """Draw the step."""
    changing = draft.get("changing")
    st.segmented_control(
        "Target",
        [form.target] if changing else list(TARGETS),
        key=draft.key("target"),
        format_func=TARGETS.__getitem__,
        required=True,
        persist_state="session",
        help="A running service keeps its target: launch another name to move."
        if changing
        else "ACI starts fast and has one container. AKS has replicas, scaling, tokens, timeouts and probes.",
    )
    form.say("target")
    if form.target == "AKS":
        _cluster()
        form.say("compute")
    with st.grid(3, min_column_width=220, key="deploy-grid-name"):
        with st.container(key="deploy-cell-service"):
            st.text_input(
                "Service name",
                key=draft.key("service"),
                placeholder="wine-dev",
                max_chars=64,
                disabled=bool(changing),
                persist_state="session",
                help="3 to 32 small letters, digits and hyphens; starts with a letter, does not end with a hyphen. "
                "The name stands in the address and cannot be changed.",
            )
            form.say("service")
        _tag_fields()
    with st.expander(
        "Description, tags and properties",
        expanded=form.has("tags", "description", "properties"),
        key="deploy-fold-words",
    ):
        _description(form)


def _cluster() -> None:
    found = {compute.name: compute for compute in reads_deploy.clusters()}
    chosen = draft.get("compute")
    if not found and not chosen:
        tables.nothing("No AKS cluster is attached to this workspace yet. Create or attach one with the SDK:")
        st.code(CLUSTER, language="python", wrap_lines=True)
        return
    if chosen is None and len(found) == 1:
        draft.take(compute=next(iter(found)))
    options = list(found) if chosen is None or chosen in found else [chosen, *found]
    st.selectbox(
        "Cluster",
        options,
        index=None,
        key=draft.key("compute"),
        placeholder="Choose a cluster",
        persist_state="session",
        width=420,
    )
    if chosen:
        st.caption(_cluster_words(found.get(chosen)))


def _cluster_words(compute: Compute | None) -> str:
    if compute is None:
        return "It is not in the list of clusters any more."
    purpose = {"FastProd": "production", "DevTest": "dev-test"}.get(compute.purpose or "", compute.purpose or "")
    nodes = f"{compute.nodes} nodes" if compute.nodes is not None else "nodes not known"
    parts = [(compute.state or "state not known").lower(), nodes, compute.vm_size or "", purpose]
    return " · ".join(part for part in parts if part)


def _tag_fields() -> None:
    applications, stages = reads_deploy.stages()
    for name, label, used, help in (
        ("application", "Application", applications, "What is the same across stages; the tag `application`."),
        ("stage", "Stage", list(dict.fromkeys(["dev", "prod", *stages])), "Where it stands; the tag `stage`."),
    ):
        chosen = draft.get(name)
        st.selectbox(
            label,
            list(dict.fromkeys([*([chosen] if chosen else []), *used])),
            index=None,
            key=draft.key(name),
            accept_new_options=True,
            placeholder="Choose or type",
            persist_state="session",
            help=f"{help} The Overview's matrix is made of the two.",
        )


def _description(form: Form) -> None:
    st.text_input("Description", key=draft.key("description"), persist_state="session", max_chars=500)
    form.say("description")
    with st.grid(2, min_column_width=240, key="deploy-grid-tags"):
        with st.container(key="deploy-cell-tags"):
            st.text_area(
                "Other tags",
                key=draft.key("tags"),
                placeholder="team=forecasting",
                height=90,
                persist_state="session",
                help="One name=value a line. Tags can be changed at any time.",
            )
            form.say("tags")
        with st.container(key="deploy-cell-properties"):
            st.text_area(
                "Properties",
                key=draft.key("properties"),
                placeholder="ticket=1234",
                height=90,
                persist_state="session",
                help="One name=value a line. Properties can be added, never changed or taken away.",
            )
            form.say("properties")
