"""The fields of a running service, edited in place: untouched ones follow the service, touched ones keep what was typed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from dashboard.ui import service_plan
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
ELSEWHERE = frozenset({"auth_enabled", "token_auth_enabled", "enable_app_insights"})
"""Changed by a switch of their own, where each means what it says."""


def edits(service: str) -> dict[str, Any]:
    """What was typed and not applied yet, by field; outlives a look at another view."""
    kept: dict[str, Any] = st.session_state.setdefault(f"edits-{service}", {})
    return kept


def discard(service: str) -> None:
    """Forget what was typed."""
    st.session_state.pop(f"edits-{service}", None)


def show(now: Wanted, wanted: Wanted, problems: Sequence[Problem]) -> None:
    """Draw every field in its group, with what the rules say right beneath it."""
    for group in GROUPS:
        fields = [field for field in for_target(now.target) if field.group == group and _is_offered(field, wanted)]
        if fields:
            st.markdown(f"**{TITLES.get(group, group.capitalize())}**")
            if group == "tls" and now.target == "ACI":
                st.caption("TLS is changed on Deploy, where its certificate and key can be given.")
            with st.grid(3, min_column_width=230):
                for field in fields:
                    with st.container():
                        _field(field, now, wanted)
                        service_plan.problems(problems, field.name)
    st.markdown("**Tags and description**")
    with st.grid(2, min_column_width=300):
        with st.container():
            _text(now, "tags", "Tags, one a line: key=value", "\n".join(f"{k}={v}" for k, v in now.tags.items()))
            service_plan.problems(problems, "tags")
        with st.container():
            _text(now, "description", "Description", now.description)
            service_plan.problems(problems, "description")


def tags(text: str) -> tuple[dict[str, str], list[Problem]]:
    """Tags from lines of `key=value`, and what is wrong with a line."""
    found: dict[str, str] = {}
    problems: list[Problem] = []
    for line in text.splitlines():
        key, is_pair, value = (part.strip() for part in line.partition("="))
        if not line.strip():
            continue
        if not is_pair or not key:
            problems.append(Problem(field="tags", sentence=f"Write “{line.strip()}” as key=value, or take it away."))
        elif key in found:
            problems.append(Problem(field="tags", sentence=f"The tag {key} stands there twice: keep one."))
        else:
            found[key] = value
    return found, problems


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
    label, help = f"{field.label} ({field.unit})" if field.unit else field.label, _help(field, now.target)
    placeholder = "not set" if usual is None else f"default {value_words(usual)}"
    change: dict[str, Any] = {
        "key": key,
        "help": help,
        "on_change": _note,
        "args": (now.service, field.name, present),
        "disabled": field.group == "tls" and field.name.startswith("ssl_"),
    }
    if field.kind == "bool":
        st.toggle(label, **change)
    elif field.kind == "int":
        st.number_input(label, value=None, step=1, placeholder=placeholder, **change)
    elif field.kind == "float":
        st.number_input(label, value=None, step=0.1, format="%g", placeholder=placeholder, **change)
    else:
        st.text_input(label, placeholder=placeholder, **change)


def _text(now: Wanted, name: str, label: str, present: str) -> None:
    key = _seed(now.service, name, present, None)
    st.text_area(
        label,
        key=key,
        height=110,
        on_change=_note,
        args=(now.service, name, present),
        help="Tags `application` and `stage` say where it stands on the Overview."
        if name == "tags"
        else "An update cannot empty it.",
    )


def _seed(service: str, name: str, present: Any, field: Field | None) -> str:
    """Put what was typed, else what is there now, into the widget."""
    key = f"field-{service}-{name}"
    value = edits(service).get(name, present)
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
        edits(service).pop(name, None)
    else:
        edits(service)[name] = value


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
