"""Register a model version from a file: upload, name, framework, tags; the rule of each field said beneath it."""

from __future__ import annotations

import streamlit as st

from dashboard import actions, context, reads_models
from dashboard.ui import filters, headings, models_upload, operation, problems_shown, tables, tag_editor
from services.errors import Invalid
from services.operations.records import Operation
from services.planning.names import check_model_name, check_properties
from services.registry import FRAMEWORKS

TAGS, PROPERTIES = "register-tags", "register-properties"
_FRAMEWORK_HELP = (
    "ScikitLearn and Onnx can be deployed without code. Custom is right for everything that comes with its own code."
)


def invitation() -> None:
    """The way here from an empty list."""
    st.button("Register a model", icon=":material/add:", key="register-first", on_click=_open_form)


def form() -> None:
    """Show the form, and below it the operation it started last."""
    headings.section("Register a version", "A name that is there already gets its next version.")
    started = filters.wanted("operation")
    if started:
        with st.container(border=True):
            operation.show(started, ended=_ended)
    if not context.person().may("model.register"):
        tables.nothing(
            "Registering a model needs the role operator: choose another identity, or ask someone who has it.",
            icon=":material/lock:",
        )
        return
    upload = models_upload.choose()
    name = _name()
    with st.container(horizontal=True, gap="small"):
        st.selectbox("Framework", FRAMEWORKS, key="register-framework", help=_FRAMEWORK_HELP)
        st.text_input(
            "Framework version",
            key="register-framework-version",
            placeholder="1.7.2",
            help="The version it was trained with; without code Azure makes the environment from it.",
        )
    st.text_area("Description", key="register-description", height=80, placeholder="What it is good for")
    if upload is not None and upload.name.lower().endswith(".zip"):
        st.toggle(
            "Unpack the zip: the model is the folder in it",
            key="register-unpack",
            help="Unpacked safely: no absolute paths, no “..”, no links. Switched off, the zip itself is the model.",
        )
    _tags("Tags", "tag", TAGS)
    problems_shown.show(check_properties(_tags("Properties", "property", PROPERTIES)))
    st.caption("Tags can be changed later; properties stay as they are.")
    is_ready = upload is not None and name and not check_model_name(name)
    actions.button(
        "Register",
        _register,
        key="register",
        command="model.register",
        look="primary",
        icon=":material/add_box:",
        then=_started,
        disabled=not is_ready,
        help=None if is_ready else "Upload a file and give it a name first.",
    )
    _larger(name)


def _register(asked: actions.Asked) -> str:
    # Read here, not from the run before: a click may come together with the last field that was typed.
    upload, typed = models_upload.kept(), st.session_state
    if upload is None:
        raise Invalid("Upload the model's file first.")
    return context.services().registry.register(
        asked.by,
        name=typed["register-name"].strip(),
        upload=upload,
        framework=typed["register-framework"],
        framework_version=typed["register-framework-version"].strip(),
        description=typed["register-description"].strip(),
        tags=tag_editor.typed_now(TAGS),
        properties=tag_editor.typed_now(PROPERTIES),
        unpack=bool(typed.get("register-unpack")) and upload.name.lower().endswith(".zip"),
        operation_id=asked.operation_id,
    )


def _name() -> str:
    name = (
        st.text_input(
            "Name",
            key="register-name",
            placeholder="diabetes-regression",
            help="Letters, digits, hyphens, dots and underscores, up to 255; the first is a letter or digit.",
        )
        or ""
    ).strip()
    if name:
        problems = check_model_name(name)
        problems_shown.show(problems)
        newest = 0 if problems else reads_models.newest_version(name)
        if not problems:
            st.caption(f"It becomes version {newest + 1} of {name}." if newest else f"{name} is a new name: version 1.")
    return name


def _tags(label: str, what: str, key: str) -> dict[str, str]:
    with st.expander(label, icon=":material/sell:", key=f"{key}-expander"):
        return tag_editor.edit({}, key=key, what=what)


def _started(operation_id: str | None) -> None:
    if operation_id:
        st.query_params["operation"] = operation_id
    models_upload.forget()
    for key in (TAGS, PROPERTIES):
        tag_editor.forget(key)
    for name in ("name", "framework-version", "description"):
        st.session_state[f"register-{name}"] = ""


def _ended(_found: Operation) -> None:
    reads_models.forget()


def _open_form() -> None:
    st.session_state["view"] = "Register"


def _larger(name: str) -> None:
    with st.expander("Larger than 1 GB, or from a notebook: the same in code", icon=":material/code:"):
        st.code(
            "from azureml.core import Workspace\n"
            "from azureml.core.model import Model\n\n"
            "workspace = Workspace.from_config()\n"
            "Model.register(\n"
            "    workspace,\n"
            '    model_path="outputs/model.pkl",  # a file or a folder\n'
            f"    model_name={name or 'diabetes-regression'!r},\n"
            '    model_framework="ScikitLearn",\n'
            '    model_framework_version="1.7.2",\n'
            '    tags={"stage": "dev"},\n'
            ")",
            language="python",
        )
        st.caption("The desk shows it within a minute.")
