"""Fields of the Deploy form: each with its unit, default, wire name and help, and what a rule says right beneath it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Literal

import streamlit as st

from dashboard.ui import deploy_draft as draft
from dashboard.ui.operation_words import escaped
from services.azureml.fields import Effect, Field, Group, Target, for_target
from services.planning.plan import show
from services.planning.problems import Problem

EFFECTS: dict[Effect, str] = {
    "live": "at once, nothing restarts",
    "restart": "restarts the replicas",
    "redeploy": "needs a redeploy",
}
LOOKS = {
    "error": ("error", "red"),
    "warning": ("warning", "orange"),
    "missing": ("radio_button_unchecked", "gray"),
}
MULTILINE = ("ssl_cert_pem_file", "ssl_key_pem_file")


class Form:
    """What is known of the whole form while it is drawn: the target and everything the rules say."""

    def __init__(self, target: Target, problems: Iterable[Problem]) -> None:
        self.target = target
        self.problems = list(problems)
        self._said: set[Problem] = set()

    @property
    def errors(self) -> list[Problem]:
        """What forbids to launch."""
        return [problem for problem in self.problems if problem.severity == "error"]

    @property
    def unsaid(self) -> list[Problem]:
        """What belongs to no field that was drawn."""
        return [problem for problem in self.problems if problem not in self._said]

    def has(self, *fields: str) -> bool:
        """Whether the rules have something to say about any of these fields."""
        return any(problem.field in fields for problem in self.problems)

    def say(self, *fields: str) -> None:
        """Say what the rules have to say about fields, right here."""
        for problem in self.problems:
            if problem.field in fields and problem not in self._said:
                self._said.add(problem)
                self.line(problem)

    def line(self, problem: Problem) -> None:
        """Show what a rule says; what was only not filled in yet is said quietly."""
        line("missing" if is_missing(problem) else problem.severity, problem.sentence)

    def group(self, *groups: Group, columns: int = 3) -> None:
        """Draw the fields of groups."""
        fields = self._fields(groups)
        # Switches have a row of their own: they say which of the fields beneath mean something.
        self._rows([field for field in fields if field.kind == "bool"], columns, key="-".join((*groups, "switches")))
        self._rows([field for field in fields if field.kind != "bool"], columns, key="-".join(groups))

    def _rows(self, fields: list[Field], columns: int, *, key: str) -> None:
        if not fields:
            return
        with st.grid(columns, min_column_width=240, key=f"deploy-grid-{key}"):
            for field in fields:
                # A key of its own: what appears above must not make the browser forget what is being typed here.
                with st.container(key=f"deploy-cell-{field.name}"):
                    self._draw(field)
                    self.say(field.name)

    def folded(self, title: str, *groups: Group, before: Callable[[], None] | None = None) -> None:
        """Draw groups that are seldom touched in a fold; its title says what is set there, and it opens on trouble."""
        fields = self._fields(groups)
        count = sum(self._is_set(field) for field in fields)
        troubled = self.has(*(field.name for field in fields))
        state = f"{count} set" if count else "Azure's defaults"
        with st.expander(f"{title} · {state}", expanded=troubled, key="deploy-fold-" + "-".join(groups)):
            if before:
                before()
            self.group(*groups)

    def _fields(self, groups: Iterable[Group]) -> list[Field]:
        wanted = set(groups)
        return [field for field in for_target(self.target) if field.group in wanted and self._is_offered(field)]

    def _is_offered(self, field: Field) -> bool:
        """Whether a field means anything beside the others."""
        if field.hidden:
            # Azure does not support it: only what is set already is shown, so that it can be taken away.
            return bool(draft.get(field.name))
        if field.create_only:
            return draft.get("changing") is None and bool(draft.get("auth_enabled"))
        if field.name.startswith("autoscale_") and field.name != "autoscale_enabled":
            return bool(draft.get("autoscale_enabled"))
        if field.name == "num_replicas":
            return not draft.get("autoscale_enabled")
        return True

    def _is_set(self, field: Field) -> bool:
        value = draft.get(field.name)
        return value not in (None, "", field.default)

    def _draw(self, field: Field) -> None:
        key, help, named = draft.key(field.name), self.help(field), label(field)
        keep: Literal["session"] = "session"
        placeholder = f"default {show(field.default)}" if field.default is not None else "not set"
        if field.kind == "bool":
            st.toggle(named, key=key, help=help, persist_state=keep)
        elif field.kind == "int":
            st.number_input(named, value=None, step=1, key=key, help=help, placeholder=placeholder, persist_state=keep)
        elif field.kind == "float":
            st.number_input(
                named,
                value=None,
                step=0.1,
                key=key,
                help=help,
                placeholder=placeholder,
                format="%g",
                persist_state=keep,
            )
        elif field.kind == "secret" and field.name in MULTILINE:
            st.text_area(named, key=key, help=help, placeholder="-----BEGIN …", height=110)
        elif field.kind == "secret":
            # Live: Tab leads to the eye beside it, and a field left that way would not send what was typed.
            st.text_input(
                named,
                key=key,
                help=help,
                type="password",
                live=True,
                placeholder="Azure makes one",
                autocomplete="new-password",
            )
        else:
            st.text_input(named, key=key, help=help, placeholder=placeholder, persist_state=keep)

    def help(self, field: Field) -> str:
        """What stands on hover: what it does, its default, what a change does, its names in the SDK and on the wire."""
        usual = "none" if field.default is None else f"{show(field.default)} {field.unit}".strip()
        lines = [field.help, f"Azure's default: {usual}."]
        if field.ours is not None and field.ours != field.default:
            lines.append(f"This form starts with {show(field.ours)}.")
        if field.secret:
            lines.append("It is sealed when you launch, sent once, and never stored or shown.")
        elif not field.create_only:
            lines.append(f"Changed later: {EFFECTS[field.effect(self.target)]}.")
        lines.append(f"SDK `{field.name}`, wire `{field.wire}`.")
        return "\n\n".join(lines)


def is_missing(problem: Problem) -> bool:
    """Whether a rule only says that something is still to be filled in."""
    return problem.severity == "error" and problem.field in draft.NEEDED and not draft.get(draft.NEEDED[problem.field])


def line(severity: str, sentence: str) -> None:
    """Show one remark as a line with icon and colour."""
    icon, colour = LOOKS[severity]
    st.markdown(f":{colour}[:material/{icon}: {escaped(sentence)}]")


def ok(sentence: str) -> None:
    """Show that something is as it should be."""
    st.markdown(f":green[:material/check_circle: {escaped(sentence)}]")


def label(field: Field) -> str:
    """A field's label with its unit."""
    is_said = not field.unit or field.unit.lower() in field.label.lower().split()
    return field.label if is_said else f"{field.label} ({field.unit})"
