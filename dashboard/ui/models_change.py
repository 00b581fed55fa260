"""What can be done with one model version: deploy it, fetch its files, edit tags and description, delete it."""

from __future__ import annotations

import streamlit as st

from dashboard import actions, context, navigation, reads_models
from dashboard.ui import accent, operation, operation_parts, tag_editor
from services.azureml.types import visible_tags
from services.operations.records import Operation
from services.planning.models import deployability
from services.registry import ListedModel


def buttons(found: ListedModel) -> None:
    """Show the actions in one line."""
    model_id, registry = found.model.id, context.services().registry
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        judged = deployability(found.model)
        words, icon = accent.label("Deploy this version", icon=":material/rocket_launch:")
        if st.button(
            words,
            key="deploy-this",
            type="primary",
            icon=icon,
            disabled=not (judged.aci or judged.aks),
            help=judged.words,
        ):
            navigation.go("deploy", model=model_id)
        kept = reads_models.fetched(model_id)
        if kept:
            operation_parts.save_link(kept)
        else:
            actions.button(
                "Download",
                lambda asked: registry.fetch(asked.by, model_id, operation_id=asked.operation_id),
                key="fetch",
                command="model.download",
                icon=":material/download:",
                then=_follow,
                help="The worker fetches the files from Azure; then they can be saved from here for 7 days.",
            )
        used = ", ".join(found.deployed_in)
        actions.button(
            "Delete",
            lambda asked: registry.delete(asked.by, model_id, reason=asked.reason, operation_id=asked.operation_id),
            key="delete",
            command="model.delete",
            ask=f"**{model_id}** and its files are deleted from the registry. This cannot be undone.",
            reason=True,
            icon=":material/delete:",
            then=_follow,
            disabled=bool(used),
            help=f"It is used by {used}: redeploy those with another version, or delete them, first." if used else None,
        )
    if used:
        st.caption(f":material/info: It cannot be deleted while it is used by {used}.")


def progress() -> None:
    """Show the operation that was started here last; its id stands in the address."""
    started = st.query_params.get("operation")
    if started:
        with st.container(border=True):
            operation.show(started, is_linked=False, ended=_ended)
            st.button("Close", key="close-operation", type="tertiary", on_click=_close)


def edit(found: ListedModel) -> None:
    """Show the editor of tags and description."""
    model = found.model
    key = f"tags-{model.id}"
    shown = _shown(key, visible_tags(model.tags), model.description or "")
    with st.expander("Edit tags and description", icon=":material/edit:", key=f"edit-{model.id}"):
        if not context.person().may("model.edit"):
            st.caption("Editing needs the role operator: choose another identity, or ask someone who has it.")
            return
        st.text_area("Description", model.description or "", key=f"{key}-description", height=80)
        if model.description:
            st.caption("Azure ML cannot empty a description, only replace it.")
        tag_editor.edit(shown, key=key)
        st.caption("Only what you change is changed: tags that others add meanwhile stay.")

        def save(asked: actions.Asked) -> str:
            return context.services().registry.edit(
                asked.by,
                model.id,
                tags=tag_editor.typed_now(key),
                description=str(st.session_state[f"{key}-description"]).strip(),
                shown=shown,
                operation_id=asked.operation_id,
            )

        def saved(operation_id: str | None) -> None:
            tag_editor.forget(key)
            _follow(operation_id)

        actions.button("Save", save, key=f"save-{model.id}", command="model.edit", icon=":material/save:", then=saved)


def _shown(key: str, tags: dict[str, str], description: str) -> dict[str, str]:
    """The tags the person began with: what others change while somebody types must not look like that person's doing."""
    before: tuple[dict[str, str], str] | None = st.session_state.get(f"{key}-shown")
    if before is not None and before != (tags, description):
        typed = st.session_state.get(f"{key}-description", before[1])
        if (tag_editor.typed_now(key), typed) == before:
            # Nothing was typed yet: begin with what is there now.
            tag_editor.forget(key)
    first: tuple[dict[str, str], str] = st.session_state.setdefault(f"{key}-shown", (tags, description))
    return first[0]


def _follow(operation_id: str | None) -> None:
    if operation_id:
        st.query_params["operation"] = operation_id
    reads_models.forget()


def _ended(_found: Operation) -> None:
    reads_models.forget()


def _close() -> None:
    st.query_params.pop("operation", None)
