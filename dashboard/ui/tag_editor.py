"""An editor of tags or properties: a line for each, name and value, with a button for one more."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import streamlit as st

from dashboard.ui import problems_shown
from services.planning.names import check_tags
from services.planning.problems import Problem


def edit(start: Mapping[str, str], *, key: str, what: str = "tag") -> dict[str, str]:
    """Show the editor, beginning with `start`, and give what stands in it now; its rules are said beneath it.

    The lines are kept under `key`: make it new (with the object's name in it) to begin anew, `forget` to empty it.
    """
    lines: dict[int, tuple[str, str]] = st.session_state.setdefault(
        f"{key}-lines", dict(enumerate(sorted(start.items())))
    )
    typed: list[tuple[str, str]] = []
    for position, (number, (name, value)) in enumerate(lines.items()):
        with st.container(horizontal=True, vertical_alignment="bottom", gap="small", wrap=False):
            visibility: Literal["visible", "collapsed"] = "visible" if position == 0 else "collapsed"
            typed_name = st.text_input(
                "Name",
                name,
                key=f"{key}-name-{number}",
                label_visibility=visibility,
                placeholder="name",
                # What was typed outlives a look at another view.
                persist_state="session",
            )
            typed_value = st.text_input(
                "Value",
                value,
                key=f"{key}-value-{number}",
                label_visibility=visibility,
                placeholder="value",
                persist_state="session",
            )
            st.button(
                "Remove",
                key=f"{key}-remove-{number}",
                type="tertiary",
                on_click=_remove,
                args=(lines, number),
                help=f"Take this {what} away.",
            )
        typed.append(((typed_name or "").strip(), (typed_value or "").strip()))
    st.button(f"Add a {what}", key=f"{key}-add", icon=":material/add:", on_click=_add, args=(lines,))
    found = {name: value for name, value in typed if name or value}
    problems_shown.show([*_twice(typed, what), *(check_tags(found) if what == "tag" else [])])
    return found


def typed_now(key: str) -> dict[str, str]:
    """What stands in the editor at this moment, for a callback: the run before may have seen something older."""
    lines: dict[int, tuple[str, str]] = st.session_state.get(f"{key}-lines", {})
    pairs = {
        str(st.session_state.get(f"{key}-name-{number}", name)).strip(): str(
            st.session_state.get(f"{key}-value-{number}", value)
        ).strip()
        for number, (name, value) in lines.items()
    }
    return {name: value for name, value in pairs.items() if name or value}


def forget(key: str) -> None:
    """Begin anew with the next `edit`."""
    for name in [name for name in st.session_state if str(name).startswith(f"{key}-")]:
        del st.session_state[name]


def _add(lines: dict[int, tuple[str, str]]) -> None:
    lines[max(lines, default=-1) + 1] = ("", "")


def _remove(lines: dict[int, tuple[str, str]], number: int) -> None:
    lines.pop(number, None)


def _twice(typed: list[tuple[str, str]], what: str) -> list[Problem]:
    names = [name for name, value in typed if name]
    return [
        Problem(field="tags", sentence=f"The {what} {name} is there twice: only its last value counts.")
        for name in dict.fromkeys(names)
        if names.count(name) > 1
    ]
