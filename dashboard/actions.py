"""Commands on screen: a button that asks first, runs once, and says what came of it.

    actions.button(
        "Delete",
        lambda asked: services().webservices.delete(name, by=asked.by, reason=asked.reason, operation_id=asked.operation_id),
        key="delete",
        ask=f"{name} is deleted and its address stops answering.",
        typed=name,
        reason=True,
        command="service.delete",
        started=f"Deleting {name} started: see Operations.",
        clears=(reads.services,),
    )

The dialog lives in the session's state, so a refresh of the screen does not close it. The operation's id is made when
the question is drawn: a double click is one operation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

import streamlit as st

from dashboard import context
from dashboard.ui import accent, errors
from services.access import COMMANDS, Person
from services.errors import DeskError
from services.operations.desk import new_id

REASONS = ("Planned change", "Something is broken", "Going back to what worked", "Trying something out")
"""Nobody types an essay at three in the morning."""

_SAME_CLICK = timedelta(seconds=3)

Look = Literal["primary", "secondary", "tertiary"]


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a command is run with: who asked, why, and the id of the operation it starts."""

    by: Person
    reason: str
    operation_id: str


Run = Callable[[Asked], str | None]


@dataclass(frozen=True, kw_only=True)
class _Question:
    """One button, its question and what follows."""

    key: str
    label: str
    run: Run
    ask: str | None
    detail: Callable[[], None] | None
    confirm: str
    typed: str | None
    reason: bool
    started: str | None
    then: Callable[[str | None], None] | None
    clears: tuple[Any, ...]

    def of(self, name: str) -> str:
        """The key of one of the question's fields."""
        return f"{self.key}-{name}"


def button(
    label: str,
    run: Run,
    /,
    *,
    key: str,
    ask: str | None = None,
    detail: Callable[[], None] | None = None,
    confirm: str | None = None,
    typed: str | None = None,
    reason: bool = False,
    command: str | None = None,
    started: str | None = None,
    then: Callable[[str | None], None] | None = None,
    clears: Iterable[Any] = (),
    look: Look = "secondary",
    icon: str | None = None,
    help: str | None = None,
    disabled: bool = False,
    wide: bool = False,
) -> None:
    """Show a button that runs a command, after a question when there is something to ask.

    `run` gets what was asked and may return the operation's id. `ask` says what will happen; `detail` draws more of it,
    such as the plan; `typed` must be typed to confirm; `reason` offers the ready reasons. `command` greys the button
    out, with the role it needs, for who may not (the service checks again). After it: `clears` empties these cached
    reads, `started` is said in a toast, `then` goes on, for example to another screen.
    """
    question = _Question(
        key=key,
        label=label,
        run=run,
        ask=ask,
        detail=detail,
        confirm=confirm or label,
        typed=typed,
        reason=reason,
        started=started,
        then=then,
        clears=tuple(clears),
    )
    is_refused = command is not None and not context.shown_person().may(command)
    if is_refused and command:
        needed = COMMANDS[command].word
        help = f"This needs the role {needed}. Choose another identity, or ask someone who has it."
    has_question = bool(ask or detail or typed or reason)
    is_disabled = disabled or is_refused
    shown, icon = accent.label(label, icon=icon) if look == "primary" and not is_disabled else (label, icon)
    st.button(
        shown,
        key=key,
        on_click=_open if has_question else _run,
        args=(question,) if has_question else (question, _operation_id(question)),
        type=look,
        icon=icon,
        help=help,
        disabled=is_disabled,
        width="stretch" if wide else "content",
    )
    if has_question and st.session_state.get(question.of("asking")):
        _draw(question)
    elif not has_question:
        _show_error(question)


def flash(message: str, *, icon: str = ":material/check:") -> None:
    """Say something once, after the rerun that follows."""
    st.session_state["flash"] = (message, icon)


def show_flash() -> None:
    """Show what is to be said once; the frame calls it."""
    message = st.session_state.pop("flash", None)
    if message:
        st.toast(message[0], icon=message[1], duration="long")


def _open(question: _Question) -> None:
    # Only one dialog can be open: an earlier one that was left by going to another screen is forgotten.
    for name in [name for name in st.session_state if str(name).endswith("-asking")]:
        del st.session_state[name]
    # Asked anew is meant anew, also a moment after the last time; two clicks on one question have one id.
    for name in ("error", "id", "used"):
        st.session_state.pop(question.of(name), None)
    st.session_state[question.of("asking")] = True


def _close(question: _Question) -> None:
    st.session_state.pop(question.of("asking"), None)
    st.session_state.pop(question.of("error"), None)


def _draw(question: _Question) -> None:
    operation_id = _operation_id(question)

    @st.dialog(question.label, width="medium", on_dismiss=lambda: _close(question))
    def dialog() -> None:
        if question.ask:
            st.markdown(question.ask)
        if question.detail:
            question.detail()
        if question.reason:
            st.pills("Why", REASONS, key=question.of("reason"))
            st.text_input("More about it (a ticket, a sentence)", key=question.of("note"), max_chars=300)
        if question.typed:
            st.text_input(f"Type {question.typed} to confirm", key=question.of("typed"), live=True)
        is_typed = not question.typed or st.session_state.get(question.of("typed")) == question.typed
        _show_error(question)
        with st.container(horizontal=True, horizontal_alignment="right"):
            st.button("Cancel", key=question.of("cancel"), on_click=_cancel, args=(question,))
            st.button(
                accent.label(question.confirm)[0] if is_typed else question.confirm,
                key=question.of("confirm"),
                type="primary",
                on_click=_run,
                args=(question, operation_id),
                disabled=not is_typed,
            )

    dialog()


def _cancel(question: _Question) -> None:
    _close(question)
    st.rerun()


def _run(question: _Question, operation_id: str) -> None:
    if question.typed and st.session_state.get(question.of("typed"), "").strip() != question.typed:
        return
    parts = (st.session_state.get(question.of("reason")), st.session_state.get(question.of("note")))
    asked = Asked(
        by=context.person(), reason=": ".join(part.strip() for part in parts if part), operation_id=operation_id
    )
    try:
        outcome = question.run(asked)
    except DeskError as error:
        st.session_state[question.of("error")] = (error.kind, error.sentence, error.detail)
        return
    st.session_state[question.of("used")] = context.now()
    _close(question)
    for read in question.clears:
        read.clear()
    if question.started:
        flash(question.started)
    if question.then:
        question.then(outcome)
    st.rerun()


def _operation_id(question: _Question) -> str:
    """The id the next click starts an operation with; the clicks of one moment have the same."""
    used_at = st.session_state.get(question.of("used"))
    if used_at and context.now() - used_at > _SAME_CLICK:
        del st.session_state[question.of("used")]
        st.session_state.pop(question.of("id"), None)
    made: str = st.session_state.setdefault(question.of("id"), new_id())
    return made


def _show_error(question: _Question) -> None:
    error = st.session_state.get(question.of("error"))
    if error:
        errors.sentence(*error)
