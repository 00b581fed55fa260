"""Rules behind the screens of models and operations: merging tags, phases of a step, secrets to type again."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dashboard.ui import operation_words
from services.errors import Conflict
from services.operations.records import VERSION, Line, Operation, Step
from services.registry import merged

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("shown", "wanted", "now", "result"),
    [
        ({"a": "1"}, {"a": "2"}, {"a": "1"}, {"a": "2"}),
        ({"a": "1"}, {"a": "1", "b": "2"}, {"a": "1", "theirs": "3"}, {"a": "1", "b": "2", "theirs": "3"}),
        ({"a": "1"}, {}, {"a": "1", "theirs": "3"}, {"theirs": "3"}),
        ({"a": "1"}, {"a": "1"}, {"a": "9"}, {"a": "9"}),
        ({"a": "1"}, {"a": "2"}, {"a": "2"}, {"a": "2"}),
        ({}, {}, {"theirs": "3"}, {"theirs": "3"}),
    ],
)
def test_only_what_a_person_changed_is_changed(
    shown: dict[str, str], wanted: dict[str, str], now: dict[str, str], result: dict[str, str]
) -> None:
    assert merged(shown, wanted, now) == result


@pytest.mark.parametrize("now", [{"a": "9"}, {}])
def test_a_tag_two_people_changed_is_refused(now: dict[str, str]) -> None:
    with pytest.raises(Conflict, match="Somebody else changed the same tags"):
        merged({"a": "1"}, {"a": "2"}, now)


def test_the_phases_within_a_step_last_until_the_next_begins() -> None:
    step = _step("follow", "done", started=0, ended=60)
    lines = [
        Line(id=1, at=NOW - timedelta(seconds=5), source="desk", text="of an earlier step"),
        Line(id=2, at=NOW + timedelta(seconds=10), source="desk", text="building the environment"),
        Line(id=3, at=NOW + timedelta(seconds=20), source="azure", text="Step 1/7"),
        Line(id=4, at=NOW + timedelta(seconds=40), source="desk", text="starting the service"),
    ]

    assert operation_words.phases(step, lines, now=NOW) == [
        "building the environment 30 s",
        "starting the service 20 s",
    ]


def test_an_own_key_is_typed_again_only_while_it_was_not_sent() -> None:
    waiting = _operation("keys.set", _step("fingerprint", "done"), _step("replace", "waiting"))
    sent = _operation("keys.set", _step("fingerprint", "done"), _step("replace", "done"), _step("prove", "failed"))

    assert operation_words.secret_fields(waiting) == ("value",)
    assert operation_words.secret_fields(sent) == ()


def test_the_sealed_fields_of_a_deployment_are_typed_again() -> None:
    wanted = {"wanted": {"configuration": {"primary_key": "(sealed)", "cpu_cores": 1.0}}}

    deploy = replace(_operation("service.deploy", _step("submit", "failed")), arguments=wanted)

    assert operation_words.secret_fields(deploy) == ("primary_key",)


@pytest.mark.parametrize("text", ["a*b*", "[x](http://y)", ":material/home:", "1. one", "$x$", "<b>"])
def test_text_of_others_is_no_markdown(text: str) -> None:
    written = operation_words.escaped(text)

    assert written.replace("\\", "") == text
    assert written != text


def _step(name: str, state: Any, *, started: int = 0, ended: int | None = None) -> Step:
    return Step(
        position=0,
        name=name,
        label=name,
        state=state,
        started_at=NOW + timedelta(seconds=started),
        ended_at=None if ended is None else NOW + timedelta(seconds=ended),
        attempts=1,
        detail=None,
        result=None,
    )


def _operation(kind: str, *steps: Step) -> Operation:
    return Operation(
        id="1",
        workspace="w",
        kind=kind,
        subject_kind="service",
        subject="wine-dev",
        title="t",
        arguments={},
        plan=None,
        reason="",
        person_id="local/operator",
        person_name="local operator",
        role="operator",
        requested_at=NOW,
        started_at=NOW,
        ended_at=None,
        state="stopped",
        waits_for=None,
        error_kind=None,
        error=None,
        receipt=None,
        version=VERSION,
        leg=1,
        follows=None,
        steps=steps,
    )
