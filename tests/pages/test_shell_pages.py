"""The shell around every screen, from the entry script, on the real services."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dashboard import navigation

if TYPE_CHECKING:
    from services.bootstrap import Desk
    from tests.pages.conftest import OpenPage

LISTED = [screen.name for screen in navigation.SCREENS]


@pytest.mark.parametrize("name", LISTED)
def test_every_page_opens_with_the_frame_around_it(open_page: OpenPage, name: str) -> None:
    page = open_page(name)

    assert not page.exception
    assert page.title
    assert any("LOCAL – no cloud" in text.value for text in page.markdown)


def test_without_a_choice_one_is_a_viewer_and_is_invited_to_choose(open_page: OpenPage) -> None:
    page = open_page("overview")

    assert {button.key for button in page.button} >= {"be-operator", "be-approver", "be-admin"}


def test_who_has_chosen_is_not_invited_again(open_page: OpenPage) -> None:
    page = open_page("overview", identity="operator")

    assert not [button.key for button in page.button if str(button.key).startswith("be-")]


def test_the_chooser_ticks_who_one_is(open_page: OpenPage) -> None:
    page = open_page("overview", identity="approver")

    ticked = [button.key for button in page.button if button.icon == ":material/check:"]
    assert ticked == ["identity-approver"]


def test_an_ended_session_is_a_viewer_again(open_page: OpenPage, desk: Desk) -> None:
    page = open_page("overview", identity="operator")
    desk.sessions.end(page.session_state["desk_session"])

    page.run()

    assert "be-operator" in {button.key for button in page.button}


def test_the_workspace_stands_in_the_address(open_page: OpenPage, desk: Desk) -> None:
    page = open_page("models")

    assert page.query_params["ws"] == desk.workspace.split("/", 1)[1]


def test_an_address_of_another_workspace_is_refused_in_words(open_page: OpenPage) -> None:
    page = open_page("overview", ws="other/workspace")

    assert "other/workspace" in page.error[0].value


def test_a_worker_that_never_started_is_said_on_every_page(open_page: OpenPage) -> None:
    page = open_page("services")

    assert "worker has not started" in page.error[0].value


def test_a_worker_that_beats_is_not_mentioned(open_page: OpenPage, desk: Desk) -> None:
    desk.health.beat("worker-0")

    page = open_page("services")

    assert not [error for error in page.error if "worker" in error.value]
