"""Incidents take their course; the first bad request is found by the rule that is said; suspects are ranked with reasons."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.errors import Conflict, Invalid
from services.incident_records import Incident, Review, number_of
from services.onset import first_bad_minute
from services.suspects import Change, Hurt, Signature, rank

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
OPEN = Incident(
    number=12,
    title="wine prod fails",
    severity=2,
    status="open",
    commander=None,
    is_focused=True,
    alert=None,
    opened_by="local operator",
    started_at=NOON,
    detected_at=NOON + timedelta(minutes=4),
    stable_at=None,
    closed_at=None,
    review=None,
    services=("wine-prod",),
)
REVIEW = Review(what_happened="A feature was missing.", what_helped="Going back.")
HURT = Hurt(
    services=frozenset({"wine-prod"}),
    computes=frozenset({"my-aks"}),
    applications=frozenset({"wine"}),
    codes=frozenset({502}),
    since=NOON,
    is_since_first_bad=True,
)
DEPLOY = Change(
    id="1",
    kind="service.deploy",
    title="Redeploy wine-prod with wine:6",
    subject_kind="service",
    subject="wine-prod",
    person="local operator",
    at=NOON - timedelta(minutes=4),
    ended_at=NOON - timedelta(minutes=2),
    state="succeeded",
    compute="my-aks",
    application="wine",
)


def _minutes(counted: dict[int, int], service: str = "wine-prod") -> list[dict[str, Any]]:
    """Rows of a chart: how many in which minute after noon."""
    return [{"TimeGenerated": NOON + timedelta(minutes=m), "Service": service, "n": n} for m, n in counted.items()]


def test_an_incident_is_open_then_stable_then_closed_with_a_review() -> None:
    stable = OPEN.stabilised(NOON + timedelta(minutes=20))
    closed = stable.closed(NOON + timedelta(hours=2), REVIEW)

    assert (stable.status, stable.is_focused, stable.lasted(NOON + timedelta(hours=1))) == (
        "stable",
        False,
        timedelta(minutes=20),
    )
    assert (closed.status, closed.stable_at, closed.review) == ("closed", NOON + timedelta(minutes=20), REVIEW)
    assert not closed.is_open


def test_one_that_is_closed_at_once_was_stable_then_too() -> None:
    closed = OPEN.closed(NOON + timedelta(minutes=9), REVIEW)

    assert closed.stable_at == closed.closed_at == NOON + timedelta(minutes=9)


def test_what_comes_back_goes_on_from_its_start() -> None:
    again = OPEN.stabilised(NOON + timedelta(minutes=20)).reopened()

    assert (again.status, again.stable_at, again.started_at) == ("open", None, NOON)


@pytest.mark.parametrize(
    "said", [Review(what_happened=" ", what_helped="x"), Review(what_happened="x", what_helped="")]
)
def test_it_is_not_closed_without_a_review(said: Review) -> None:
    with pytest.raises(Invalid, match="Say what"):
        OPEN.closed(NOON, said)


def test_steps_that_were_taken_already_are_refused() -> None:
    closed = OPEN.closed(NOON, REVIEW)

    with pytest.raises(Conflict, match="INC-12 was closed already"):
        closed.closed(NOON, REVIEW)
    with pytest.raises(Conflict, match="INC-12 is closed already"):
        closed.stabilised(NOON)
    with pytest.raises(Conflict, match="INC-12 is open already"):
        OPEN.reopened()


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"title": "  "}, "Give the incident a title"),
        ({"title": "x" * 201}, "longer than 200"),
        ({"severity": 5}, "1 .worst. to 4"),
        ({"started_at": NOON + timedelta(days=1)}, "in the future"),
    ],
)
def test_facts_that_make_no_sense_are_refused(wrong: dict[str, Any], sentence: str) -> None:
    with pytest.raises(Invalid, match=sentence):
        OPEN.changed(**wrong, now=NOON + timedelta(hours=1))


@pytest.mark.parametrize(
    ("name", "number"), [("INC-12", 12), (" inc-7 ", 7), ("12", None), ("INC-", None), ("x", None)]
)
def test_an_incident_is_named_with_its_number(name: str, number: int | None) -> None:
    assert number_of(name) == number


def test_trouble_begins_after_the_last_five_good_minutes() -> None:
    asked = _minutes(dict.fromkeys(range(60), 100))

    assert first_bad_minute(_minutes({3: 50, 30: 20, 33: 4, 38: 90, 40: 90}), asked) == NOON + timedelta(minutes=30)
    assert first_bad_minute(_minutes({3: 50, 30: 20, 36: 90}), asked) == NOON + timedelta(minutes=36)


def test_a_service_that_always_fails_a_little_is_not_in_trouble() -> None:
    asked = _minutes(dict.fromkeys(range(60), 100))

    assert first_bad_minute(_minutes(dict.fromkeys(range(60), 1)), asked) is None
    assert first_bad_minute(_minutes(dict.fromkeys(range(60), 1) | {40: 2}), asked) == NOON + timedelta(minutes=40)


def test_each_service_is_judged_by_its_own_requests() -> None:
    asked = _minutes({5: 10_000}, "busy") + _minutes({5: 10}, "quiet")

    assert first_bad_minute(_minutes({5: 3}, "quiet"), asked) == NOON + timedelta(minutes=5)
    assert first_bad_minute(_minutes({5: 3}, "busy"), asked) is None


def test_what_the_front_end_refused_counts_without_a_container_having_seen_it() -> None:
    assert first_bad_minute(_minutes({5: 3}), []) == NOON + timedelta(minutes=5)


def test_the_closest_change_of_the_same_service_is_suspected_most() -> None:
    elsewhere = replace(DEPLOY, id="2", subject="iris-dev", compute=None, application="iris")
    same_cluster = replace(DEPLOY, id="3", subject="beer-prod", application="beer")
    earlier = replace(DEPLOY, id="4", at=NOON - timedelta(hours=1), ended_at=NOON - timedelta(minutes=58))

    found = rank([elsewhere, same_cluster, earlier, DEPLOY], HURT)

    assert [suspect.change.id for suspect in found] == ["1", "3", "4"], "what shares nothing is no suspect"
    assert found[0].reasons == ("ended only 2 min before the first bad request", "same service")
    assert "another service on the same cluster, my-aks" in found[1].reasons
    assert "another change of the same followed before it began" in found[2].reasons


def test_what_began_after_the_first_bad_request_did_not_cause_it() -> None:
    assert rank([replace(DEPLOY, at=NOON + timedelta(seconds=1), ended_at=None)], HURT) == []


def test_what_was_under_way_when_it_began_is_as_close_as_can_be() -> None:
    slow = replace(DEPLOY, id="2", at=NOON - timedelta(minutes=30), ended_at=NOON + timedelta(minutes=1))

    found = rank([DEPLOY, slow], HURT)

    assert [suspect.change.id for suspect in found] == ["2", "1"]
    assert "was under way at the first bad request" in found[0].reasons


def test_an_error_never_seen_before_speaks_against_the_change_right_before_it() -> None:
    deployed = replace(DEPLOY, subject="wine-dev", at=NOON - timedelta(minutes=4), ended_at=NOON - timedelta(minutes=3))
    changed = replace(DEPLOY, id="2", kind="service.update", at=NOON - timedelta(minutes=2), ended_at=NOON)
    hurt = replace(HURT, services=frozenset({"wine-dev", "wine-prod"}))
    new = Signature(
        id="g", words="ValueError: feature 7 missing", first_seen=NOON - timedelta(minutes=3), services=("wine-dev",)
    )

    assert [one.signature for one in rank([deployed, changed], hurt, [])] == [None, None]
    first, second = rank([deployed, changed], hurt, [new])
    assert (first.change.id, first.signature, second.signature) == ("1", new, None)
    assert "an error never seen before appeared after it: ValueError: feature 7 missing" in first.reasons
    assert rank([deployed], hurt, [replace(new, first_seen=NOON - timedelta(days=3))])[0].signature is None


def test_new_code_in_an_update_weighs_like_a_deployment() -> None:
    update = replace(DEPLOY, id="2", kind="service.update")

    assert rank([update, DEPLOY], HURT)[0].change.id == "1"
    assert rank([replace(update, replaces_content=True)], HURT)[0].score == rank([DEPLOY], HURT)[0].score


def test_kinds_of_changes_weigh_differently_and_codes_tell_more() -> None:
    rotation = replace(DEPLOY, id="2", kind="keys.rotate_other", title="Rotate")

    assert [one.change.id for one in rank([rotation, DEPLOY], HURT)] == ["1", "2"]
    refused = rank([rotation, DEPLOY], replace(HURT, codes=frozenset({401})))
    assert [one.change.id for one in refused] == ["2", "1"]
    assert "keys were renewed, and callers are refused (401)" in refused[0].reasons


def test_a_cut_of_replicas_is_suspected_when_calls_are_turned_away() -> None:
    scaled = replace(DEPLOY, id="2", kind="service.update", is_scaling=True)

    assert rank([scaled, DEPLOY], replace(HURT, codes=frozenset({503})))[0].change.id == "2"
    assert rank([scaled, DEPLOY], HURT)[0].change.id == "1"


def test_changes_of_long_ago_are_no_suspects() -> None:
    assert rank([replace(DEPLOY, at=NOON - timedelta(hours=9), ended_at=NOON - timedelta(hours=8))], HURT) == []


def test_without_a_failed_request_the_words_say_so() -> None:
    found = rank([DEPLOY], replace(HURT, is_since_first_bad=False))

    assert found[0].reasons[0] == "ended only 2 min before the incident began"
