"""The fields of a running service, edited in place: untouched ones follow the service, touched ones keep what was typed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from dashboard import context
from dashboard.ui import deploy_fields, service_plan, tag_editor
from services.azureml.fields import GROUPS, Field, Group, Target, defaults, for_target
from services.planning.plan import same
from services.planning.plan import show as value_words
from services.planning.problems import Problem
from services.planning.wanted import Wanted, is_scaler_field, scales

TITLES: Mapping[Group, str] = {
    "resources": "Resources",
    "scaling": "Scaling",
    "insights": "Data collection",
    "limits": "Limits",
    "probes": "Liveness probe",
    "network": "Network",
    "tls": "TLS and encryption",
}
WORDS = ("tags", "description")
"""What is changed besides settings."""
ELSEWHERE = frozenset({"auth_enabled", "token_auth_enabled", "enable_app_insights"})
"""Changed by a switch of their own, where each means what it says."""


def edits(now: Wanted) -> dict[str, Any]:
    """What was typed and not applied yet, by field; outlives a look at another view."""
    kept = _kept(now.service)
    key, there = _tags_key(now.service), dict(now.tags)
    start = st.session_state.get(f"{key}-start")
    typed = there if start is None else tag_editor.typed_now(key)
    if typed in (there, start):
        kept.pop("tags", None)
    else:
        kept["tags"] = typed
    if start != there and typed == start:
        # Somebody else changed them while nothing was typed here: begin with what is there now.
        _begin_tags(now.service)
    return kept


def fill_in(service: str, values: Mapping[str, Any], *, why: str) -> None:
    """Type these values for somebody, who sees why and applies them or not; for a callback."""
    _kept(service).update(values)
    st.session_state[f"filled-{service}"] = why


def filled(service: str) -> str:
    """Why something is filled in; empty when nobody but the person typed."""
    return str(st.session_state.get(f"filled-{service}", "")) if _kept(service) else ""


def discard(service: str) -> None:
    """Forget what was typed."""
    st.session_state.pop(f"edits-{service}", None)
    st.session_state.pop(f"filled-{service}", None)
    _begin_tags(service)


def may_edit() -> bool:
    """Whether this person may apply what is typed here; the service checks again."""
    return context.shown_person().may("service.update")


def show(now: Wanted, wanted: Wanted, problems: Sequence[Problem]) -> None:
    """Draw every field in its group, with what the rules say right beneath it."""
    for group in GROUPS:
        fields = [field for field in for_target(now.target) if field.group == group and _is_offered(field, wanted)]
        if fields:
            st.markdown(f"**{TITLES.get(group, group.capitalize())}**")
            if group == "tls" and now.target == "ACI":
                st.caption("TLS is changed on Deploy, where its certificate and key can be given.")
            # Switches have a row of their own: they say which of the fields beneath mean something.
            for row in ([one for one in fields if one.kind == "bool"], [one for one in fields if one.kind != "bool"]):
                _row(row, now, wanted, problems)
    st.markdown("**Tags and description**")
    with st.grid(2, min_column_width=300):
        with st.container():
            key = _tags_key(now.service)
            st.session_state.setdefault(f"{key}-start", dict(now.tags))
            if may_edit():
                tag_editor.edit(now.tags, key=key)
            else:
                st.code("\n".join(f"{name} = {value}" for name, value in now.tags.items()) or "none", language=None)
            st.caption("`application` and `stage` say where it stands on the Overview.")
        with st.container():
            _description(now)
            service_plan.problems(problems, "description")


def _row(fields: Sequence[Field], now: Wanted, wanted: Wanted, problems: Sequence[Problem]) -> None:
    if not fields:
        return
    with st.grid(3, min_column_width=230):
        for field in fields:
            with st.container():
                _field(field, now, wanted)
                service_plan.problems(problems, field.name)


def _is_offered(field: Field, wanted: Wanted) -> bool:
    if field.secret or field.name in ELSEWHERE:
        return False
    if field.hidden:
        return wanted.configuration.get(field.name) is not None
    if wanted.target == "AKS" and (field.name == "num_replicas" or is_scaler_field(field.name)):
        return is_scaler_field(field.name) is scales(wanted.configuration)
    return True


def _field(field: Field, now: Wanted, wanted: Wanted) -> None:
    usual = defaults(now.target).get(field.name)
    present = now.configuration.get(field.name, usual)
    if field.name == "autoscale_enabled":
        present = scales(now.configuration)
    key = _seed(now.service, field.name, present, field)
    label, help = deploy_fields.label(field), _help(field, now.target)
    placeholder = "not set" if usual is None else f"default {value_words(usual)}"
    change: dict[str, Any] = {
        "key": key,
        "help": help,
        "on_change": _note,
        "args": (now.service, field.name, present),
        "disabled": not may_edit() or (field.group == "tls" and field.name.startswith("ssl_")),
    }
    if field.kind == "bool":
        st.toggle(label, **change)
    elif field.kind == "int":
        st.number_input(label, value=None, step=1, placeholder=placeholder, **change)
    elif field.kind == "float":
        st.number_input(label, value=None, step=0.1, format="%g", placeholder=placeholder, **change)
    else:
        st.text_input(label, placeholder=placeholder, **change)


def _description(now: Wanted) -> None:
    st.text_area(
        "Description",
        key=_seed(now.service, "description", now.description, None),
        height=110,
        on_change=_note,
        args=(now.service, "description", now.description),
        disabled=not may_edit(),
        help="An update cannot empty it.",
    )


def _seed(service: str, name: str, present: Any, field: Field | None) -> str:
    """Put what was typed, else what is there now, into the widget."""
    key = f"field-{service}-{name}"
    value = _kept(service).get(name, present)
    if field is not None and value is not None:
        value = {"bool": bool, "int": int, "float": float}.get(field.kind, str)(value)
    if field is not None and field.kind == "bool":
        value = bool(value)
    st.session_state[key] = value
    return key


def _note(service: str, name: str, present: Any) -> None:
    """Remember what was typed; what is as it was is no change."""
    value = st.session_state[f"field-{service}-{name}"]
    value = None if value == "" and present is None else value
    if same(value, present):
        _kept(service).pop(name, None)
    else:
        _kept(service)[name] = value


def _kept(service: str) -> dict[str, Any]:
    kept: dict[str, Any] = st.session_state.setdefault(f"edits-{service}", {})
    return kept


def _tags_key(service: str) -> str:
    """The editor's key, another one each time it begins anew: the browser keeps what was typed under the old one."""
    return f"tags-{service}-{st.session_state.get(f'tags-round-{service}', 0)}"


def _begin_tags(service: str) -> None:
    tag_editor.forget(_tags_key(service))
    st.session_state[f"tags-round-{service}"] = st.session_state.get(f"tags-round-{service}", 0) + 1


def _help(field: Field, target: Target) -> str:
    usual = "none" if field.default is None else f"{value_words(field.default)} {field.unit}".strip()
    return "\n\n".join(
        (
            field.help,
            f"Azure's default: {usual}.",
            f"A change {service_plan.EFFECTS[field.effect(target)]}.",
            f"SDK `{field.name}`, wire `{field.wire}`.",
        )
    )
