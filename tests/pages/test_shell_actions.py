"""A command's button: asks first, runs once, says what came of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from streamlit.testing.v1 import AppTest

from dashboard import context
from services.errors import Conflict

if TYPE_CHECKING:
    from services.bootstrap import Desk


def _screen(refuse: bool = False, typed: str | None = None) -> None:
    import streamlit as st

    from dashboard import actions
    from services.errors import Conflict

    def run(asked: actions.Asked) -> str:
        if refuse:
            raise Conflict("Another change is running: wait for it.")
        st.session_state.setdefault("ran", []).append((asked.by.name, asked.reason, asked.operation_id))
        return asked.operation_id

    actions.show_flash()
    actions.button(
        "Delete",
        run,
        key="delete",
        ask="wine-dev is deleted.",
        typed=typed,
        reason=True,
        command="service.delete",
        started="Deleting wine-dev started: see Operations.",
    )
    actions.button("Refresh", run, key="refresh", started="Started.")


@pytest.fixture
def screen(desk: Desk) -> Callable[..., AppTest]:
    def open_(identity: str, **arguments: object) -> AppTest:
        at = AppTest.from_function(_screen, default_timeout=30, kwargs=arguments)
        at.session_state[context.COOKIE] = desk.sessions.start_local(identity)
        return at.run()

    return open_


def _ran(at: AppTest) -> list[tuple[str, str, str]]:
    return at.session_state.get("ran", [])


def test_it_asks_first_and_then_runs_with_the_person_and_the_reason(screen: Callable[..., AppTest]) -> None:
    at = screen("operator")

    at.button(key="delete").click().run()
    assert not _ran(at)
    assert "wine-dev is deleted." in [text.value for text in at.markdown]

    at.get_by_key("delete-reason").set_value("Planned change")
    at.text_input(key="delete-note").set_value("CHG-7")
    at.button(key="delete-confirm").click().run()

    [(name, reason, operation_id)] = _ran(at)
    assert (name, reason) == ("local operator", "Planned change: CHG-7")
    assert operation_id.isalnum()
    assert at.toast[0].value == "Deleting wine-dev started: see Operations."
    assert "delete-confirm" not in {button.key for button in at.button}


def test_cancelling_runs_nothing(screen: Callable[..., AppTest]) -> None:
    at = screen("operator")
    at.button(key="delete").click().run()

    at.button(key="delete-cancel").click().run()

    assert not _ran(at)
    assert "delete-confirm" not in {button.key for button in at.button}


def test_the_name_has_to_be_typed(screen: Callable[..., AppTest]) -> None:
    at = screen("operator", typed="wine-dev")
    at.button(key="delete").click().run()
    assert at.button(key="delete-confirm").disabled

    at.text_input(key="delete-typed").set_value("wine-dev").run()
    at.button(key="delete-confirm").click().run()

    assert len(_ran(at)) == 1


def test_a_refused_command_says_its_sentence_in_the_open_dialog(screen: Callable[..., AppTest]) -> None:
    at = screen("operator", refuse=True)
    at.button(key="delete").click().run()

    at.button(key="delete-confirm").click().run()

    assert Conflict("Another change is running: wait for it.").sentence in [text.value for text in at.warning]
    assert "delete-confirm" in {button.key for button in at.button}


def test_two_clicks_of_one_moment_are_one_operation(screen: Callable[..., AppTest]) -> None:
    at = screen("operator")

    at.button(key="refresh").click().run()
    at.button(key="refresh").click().run()

    assert len({operation_id for _, _, operation_id in _ran(at)}) == 1


def test_a_click_after_a_while_is_another_operation(screen: Callable[..., AppTest]) -> None:
    at = screen("operator")
    at.button(key="refresh").click().run()
    at.session_state["refresh-used"] -= timedelta(seconds=10)

    at.run()
    at.button(key="refresh").click().run()

    assert len({operation_id for _, _, operation_id in _ran(at)}) == 2


def test_who_may_not_sees_the_button_greyed_out_with_the_role_it_needs(screen: Callable[..., AppTest]) -> None:
    at = screen("viewer")

    assert at.button(key="delete").disabled
    assert "operator" in at.button(key="delete").help


def test_a_question_asked_again_at_once_is_another_operation(screen: Callable[..., AppTest]) -> None:
    at = screen("operator")

    for _ in range(2):
        at.button(key="delete").click().run()
        at.button(key="delete-confirm").click().run()

    assert len({operation_id for _, _, operation_id in _ran(at)}) == 2
