"""The screen of operations: what runs, what ran, one in full, and the audit log."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.pages import records

if TYPE_CHECKING:
    from services.bootstrap import Desk
    from tests.pages.conftest import OpenPage


@pytest.fixture
def asked(desk: Desk) -> str:
    """An operation that was asked for and that no worker has begun."""
    records.prepare_queue(desk)
    return desk.operations.start(
        records.OPERATOR, "model.edit", "wine:1", {"model_id": "wine:1"}, title="Edit wine:1", reason="Planned change"
    )


def _text(page: object) -> str:
    return "\n".join(element.value for element in [*page.markdown, *page.caption])  # type: ignore[attr-defined]


def test_nothing_done_yet_teaches_the_next_step(open_page: OpenPage) -> None:
    page = open_page("operations")

    assert "Nothing runs now." in _text(page)
    assert "deploy a service or register a model" in _text(page)


def test_what_waits_stands_among_the_running_and_in_the_list(open_page: OpenPage, asked: str) -> None:
    page = open_page("operations")

    assert "queued 0/2" in _text(page)
    assert list(page.dataframe[0].value["title"]) == ["Edit wine:1"]


@pytest.mark.parametrize(
    ("query", "count"), [({"subject": "wine:1"}, 1), ({"subject": "wine:2"}, 0), ({"state": "failed"}, 0)]
)
def test_the_filters_stand_in_the_address(open_page: OpenPage, asked: str, query: dict[str, str], count: int) -> None:
    page = open_page("operations", **query)

    assert sum(len(table.value) for table in page.dataframe) == count


def test_a_deep_link_shows_steps_reason_and_who(open_page: OpenPage, asked: str) -> None:
    page = open_page("operations", operation=asked)

    assert "Write tags and description · not begun" in _text(page)
    assert "Asked for by local operator (operator)" in _text(page)
    assert "because: Planned change" in _text(page)


def test_one_that_failed_says_why_and_can_go_on(open_page: OpenPage, desk: Desk, asked: str) -> None:
    pen = records.journal(desk)
    pen.begin(asked)
    step = pen.read(asked).steps[0]
    pen.step(asked, step, "running")
    pen.step(asked, step, "failed", detail="Azure refused it.\nIts own words")
    pen.lines(asked, "azure", ["a line of the log"])
    pen.end(pen.read(asked), "failed", error="Azure refused it.", error_kind="conflict")

    page = open_page("operations", identity="operator", operation=asked)
    assert "Azure refused it" in page.error[-1].value
    assert any("Its own words" in code.value for code in page.code)
    assert any("a line of the log" in code.value for code in page.code)

    page.button(key=f"go-on-{asked}").click().run()
    page.button(key=f"go-on-{asked}-confirm").click().run()
    assert desk.operations.get(asked).state == "waiting"
    assert desk.operations.get(asked).leg == 2


def test_a_viewer_cannot_go_on(open_page: OpenPage, desk: Desk, asked: str) -> None:
    pen = records.journal(desk)
    pen.end(pen.read(asked), "failed", error="Azure refused it.", error_kind="conflict")

    page = open_page("operations", identity="viewer", operation=asked)

    assert page.button(key=f"go-on-{asked}").disabled


def test_one_that_stopped_for_a_secret_asks_for_it_and_keeps_it_nowhere(open_page: OpenPage, desk: Desk) -> None:
    records.prepare_queue(desk)
    asked = desk.operations.start(
        records.OPERATOR,
        "keys.set",
        "wine-dev",
        {"service": "wine-dev", "slot": "primary"},
        title="Set the primary key of wine-dev",
        secrets={"value": "first-typed-value-123"},
    )
    pen = records.journal(desk)
    pen.end(pen.read(asked), "stopped", error="Your key has expired here: type it again.", error_kind="stopped")
    page = open_page("operations", identity="operator", operation=asked)
    assert page.warning[0].value.startswith("Your key has expired here")

    page.button(key=f"go-on-{asked}").click().run()
    page.text_input(key=f"secret-{asked}-value").set_value("second-typed-value-456").run()
    page.button(key=f"go-on-{asked}-confirm").click().run()

    assert desk.operations.get(asked).state == "waiting"
    assert f"secret-{asked}-value" not in page.session_state


def test_what_was_read_back_otherwise_is_told(open_page: OpenPage, desk: Desk, asked: str) -> None:
    pen = records.journal(desk)
    pen.end(pen.read(asked), "succeeded", receipt={"mismatches": ["tags: asked a, got b"]})

    page = open_page("operations", operation=asked)

    assert "asked a, got b" in page.warning[0].value


def test_one_that_is_not_there_is_told_in_words(open_page: OpenPage) -> None:
    page = open_page("operations", operation="0" * 32)

    assert "There is no operation" in page.warning[0].value


def test_the_audit_log_shows_who_did_what_and_verifies(open_page: OpenPage, desk: Desk, asked: str) -> None:
    page = open_page("operations", identity="operator", view="Audit log", action="model.edit")

    entry = page.dataframe[0].value.iloc[0]
    assert (entry["who"], entry["object"], entry["reason"]) == ("local operator", "wine:1", "Planned change")

    page.button(key="verify").click().run()
    assert "as they were written" in page.success[0].value


def test_a_chosen_entry_shows_before_and_after(open_page: OpenPage, desk: Desk) -> None:
    desk.audit.record_alone(
        records.OPERATOR, "switch.flip", "service", "wine-dev", before={"traffic": False}, after={"traffic": True}
    )
    page = open_page("operations", view="Audit log", object="wine-dev")

    page.session_state["audit"] = {"selection": {"rows": [0], "columns": [], "cells": []}}
    page.run()

    change = page.dataframe[1].value.iloc[0]
    assert (change["field"], change["before"], change["after"]) == ("traffic", "off", "on")


def test_a_log_that_was_tampered_with_is_told_in_red(open_page: OpenPage, desk: Desk) -> None:
    desk.audit.record_alone(records.OPERATOR, "switch.flip", "service", "wine-dev")
    with desk.databases[0].writing() as work:
        # Who can write to the database can also take away what guards it: only the chain then tells.
        work.exec_driver_sql("DROP TRIGGER audit_no_update")
        work.exec_driver_sql("UPDATE audit SET object = 'iris-dev' WHERE action = 'switch.flip'")

    page = open_page("operations", view="Audit log")
    page.button(key="verify").click().run()

    assert "shows something else than what was signed" in page.error[-1].value
