"""What watches services, as rules: when an alert opens and closes, what a probe expects, how a budget is spent."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services import alert_rules
from services.alert_rounds import failed_in_a_row, measured
from services.alert_rules import CALM, DEFAULTS, EVERY_OTHER, Measures, Rule, Standing, rule_for
from services.errors import Invalid
from services.objectives import Objective, budgets, from_tags
from services.objectives import check as check_objective
from services.probes import ProbePlan, ProbeResult, check_plan, covered, differs, expected_from, judge
from services.probing import Attempt
from services.verdicts import Sample

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
ERRORS = Rule(kind="errors", stage="prod", threshold=0.05, for_seconds=60)
PLAN = ProbePlan(service="wine", body="{}", expected_json={"predict": [1]})


def seconds(number: int) -> datetime:
    """So many seconds after noon."""
    return NOON + timedelta(seconds=number)


def answer(body: Any, *, status: int | None = 200, failure: str = "") -> Attempt:
    """What came back from a service."""
    text = body if isinstance(body, str) else json.dumps(body)
    return Attempt(
        sent_at=NOON, client_request_id="desk-probe-1", status=status, milliseconds=9, body=text, failure=failure
    )


def result(*, status: int | None = 200, passed: bool | None = True, **facts: Any) -> ProbeResult:
    """One line of the history."""
    return ProbeResult(
        **{
            "service": "wine",
            "at": NOON,
            "purpose": "probe",
            "client_request_id": "desk-probe-1",
            "request_id": "1",
            "status": status,
            "milliseconds": 9.0,
            "model_milliseconds": None,
            "passed": passed,
            "failure": "" if passed else "It answered 502 instead of 200.",
            "seen_at": None,
        }
        | facts
    )


def test_a_single_bad_minute_of_five_opens_nothing_yet_and_an_old_one_nothing_any_more() -> None:
    bad_now = Measures(requests=100, failed=4, last_minute_requests=20, last_minute_failed=4)
    bad_before = Measures(requests=100, failed=40, last_minute_requests=20, last_minute_failed=0)
    bad = Measures(requests=100, failed=40, soft=3, last_minute_requests=20, last_minute_failed=9)

    assert not alert_rules.read(ERRORS, bad_now).is_broken
    assert not alert_rules.read(ERRORS, bad_before).is_broken
    assert alert_rules.read(ERRORS, bad).is_broken
    assert (
        alert_rules.read(ERRORS, bad).sentence
        == "40.0 % of 100 requests failed in 5 min, 3 of them answered with 200 (limit 5 %)"
    )


def test_a_handful_of_requests_says_nothing() -> None:
    few = Measures(requests=9, failed=9, last_minute_requests=9, last_minute_failed=9, p95_ms=9e9)

    for rule in DEFAULTS:
        reading = alert_rules.read(rule, few)
        assert (reading.value, reading.is_broken) == (None, False)
        assert reading.sentence.startswith("not known: ")


def test_p95_has_to_be_over_the_limit_in_both_windows() -> None:
    rule = Rule(kind="latency", stage="prod", threshold=1_000, for_seconds=0)
    slow = Measures(requests=50, p95_ms=1_900.0, last_minute_requests=9, last_minute_p95_ms=1_800.0)

    assert alert_rules.read(rule, slow).is_broken
    assert not alert_rules.read(rule, replace(slow, last_minute_p95_ms=90.0)).is_broken
    assert not alert_rules.read(rule, replace(slow, last_minute_p95_ms=None)).is_broken


def test_an_alert_opens_after_its_time_and_closes_when_the_rule_held_for_half_a_minute() -> None:
    broken = alert_rules.read(ERRORS, Measures(requests=100, failed=40, last_minute_requests=20, last_minute_failed=9))
    fine = alert_rules.read(ERRORS, Measures(requests=100, failed=1, last_minute_requests=20))

    standing = alert_rules.after(Standing(), broken, NOON)
    assert not alert_rules.opens(ERRORS, standing, seconds(59))
    standing = alert_rules.after(standing, broken, seconds(45))
    assert alert_rules.opens(ERRORS, standing, seconds(60))
    standing = alert_rules.after(standing, fine, seconds(75))
    assert not alert_rules.opens(ERRORS, standing, seconds(200))
    assert not alert_rules.closes(ERRORS, standing, seconds(75) + CALM - timedelta(seconds=1))
    assert alert_rules.closes(ERRORS, standing, seconds(75) + CALM)
    assert alert_rules.closes(replace(ERRORS, is_on=False), Standing(broken_since=NOON), NOON)


@pytest.mark.parametrize(
    ("stage", "threshold"),
    [("prod", 0.05), ("Production", 0.05), ("dev", 0.10), ("", 0.10), ("staging", 0.2)],
)
def test_a_stage_without_a_rule_of_its_own_has_the_next_best(stage: str, threshold: float) -> None:
    staging = Rule(kind="errors", stage="staging", threshold=0.2, for_seconds=0)

    assert rule_for("errors", stage, [staging]).threshold == threshold


def test_what_is_set_for_every_other_stage_does_not_loosen_production() -> None:
    loose = Rule(kind="errors", stage=EVERY_OTHER, threshold=0.5, for_seconds=0)

    assert rule_for("errors", "dev", [loose]).threshold == 0.5
    assert rule_for("errors", "prod", [loose]).threshold == 0.05


def test_failed_probes_count_back_to_the_last_that_passed() -> None:
    failed, passed = result(status=502, passed=False), result()
    by_hand = result(purpose="test", passed=None)

    assert failed_in_a_row([failed, by_hand, failed, passed, failed]) == (2, "It answered 502 instead of 200.")
    assert failed_in_a_row([passed, failed]) == (0, "")
    assert measured(None, None) == Measures()
    assert alert_rules.read(DEFAULTS[4], measured(None, (2, "Down."))).sentence == (
        "2 probes in a row failed: Down (limit 2 in a row)"
    )


@pytest.mark.parametrize(
    ("attempt", "wrong"),
    [
        (answer({"predict": [1], "more": 2}), ""),
        (answer(json.dumps(json.dumps({"predict": [1]}))), ""),
        (answer({"predict": [2]}), "Its body differs from what is expected at predict[0]."),
        (answer({"predict": [1, 1]}), "Its body differs from what is expected at predict."),
        (answer({}), "Its body differs from what is expected at predict."),
        (answer("no"), "Its body is no JSON."),
        (answer("secret", status=502), "It answered 502 instead of 200."),
        (answer("", status=None, failure="No answer within 10 s."), "No answer within 10 s."),
    ],
)
def test_a_probe_says_where_an_answer_differs_and_never_what_it_held(attempt: Attempt, wrong: str) -> None:
    assert judge(PLAN, attempt) == wrong


def test_a_number_is_not_a_truth() -> None:
    assert differs(1, True) == "the top"
    assert differs([1.0], [1]) == ""
    assert differs({"a": {"b": None}}, {"a": {"b": None, "c": 1}}) == ""


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"every_seconds": 5}, "every_seconds"),
        ({"deadline_seconds": 90.0}, "deadline_seconds"),
        ({"every_seconds": 15, "deadline_seconds": 20.0}, "deadline_seconds"),
        ({"expected_status": 42}, "expected_status"),
        ({"body": "x" * 70_000}, "body"),
    ],
)
def test_a_plan_that_cannot_be_sent_is_refused_by_its_field(wrong: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as refused:
        check_plan(replace(PLAN, **wrong))
    assert refused.value.field == field


def test_an_expected_part_is_json_or_nothing() -> None:
    assert expected_from(" ") is None
    assert expected_from("[1]") == [1]
    with pytest.raises(Invalid, match="is no JSON"):
        expected_from("{'a': 1}")


def test_coverage_asks_telemetry_only_for_what_a_container_answered() -> None:
    came = result(seen_at=seconds(8))
    results = [came, replace(came, seen_at=seconds(12)), result(), result(status=401), result(status=None)]

    early, late = covered(results, now=seconds(60)), covered(results, now=seconds(600))

    assert (early.sent, early.arrived, early.on_its_way, early.missing, early.share) == (5, 2, 1, 0, 1.0)
    assert (late.on_its_way, late.missing, late.share) == (0, 1, pytest.approx(2 / 3))
    assert late.lag == timedelta(seconds=12)
    assert covered([], now=NOON).share is None
    # A 502 is a script that raised, which is recorded, or a replica that died, which is not.
    assert result(status=502).arrival(seconds(600)) == "not known"
    assert result(status=503).arrival(seconds(600)) == "never recorded"


@pytest.mark.parametrize(
    ("tags", "availability", "latency"),
    [
        ({"slo-availability": "99.9", "slo-p95-ms": "250"}, 0.999, 250.0),
        ({"slo-availability": "99,5 %"}, 0.995, None),
        ({"slo-availability": "0.99"}, 0.99, None),
        ({"slo-p95-ms": "180"}, None, 180.0),
    ],
)
def test_tags_are_read_as_they_are_meant(
    tags: dict[str, str], availability: float | None, latency: float | None
) -> None:
    found = from_tags("wine", tags)

    assert found is not None
    assert found.availability == pytest.approx(availability)
    assert found.latency_ms == latency


@pytest.mark.parametrize("tags", [{}, {"slo-availability": "high"}, {"slo-availability": "100"}, {"slo-p95-ms": "-1"}])
def test_tags_that_mean_nothing_set_nothing(tags: dict[str, str]) -> None:
    assert from_tags("wine", tags) is None


def test_a_budget_is_what_may_still_go_wrong() -> None:
    wanted = Objective(service="wine", availability=0.99, latency_ms=100.0, latency_share=0.9)
    sample = Sample.of([50.0] * 940 + [150.0] * 55, failed=5)

    availability, latency = budgets(wanted, sample)

    assert availability is not None
    assert latency is not None
    assert (availability.bad, availability.total, availability.left) == (5, 1_000, pytest.approx(0.5))
    assert (latency.bad, latency.total, latency.left) == (55, 995, pytest.approx(1 - 55 / 99.5))
    assert budgets(wanted, Sample.of([50.0] * 900, failed=100))[0].is_kept is False  # type: ignore[union-attr]


def test_a_budget_without_requests_is_not_known() -> None:
    availability, latency = budgets(Objective(service="wine", availability=0.99, latency_ms=None), Sample.of([]))

    assert availability is not None
    assert (availability.left, availability.reached, availability.is_kept) == (None, None, None)
    assert latency is None


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"availability": 1.0}, "availability"),
        ({"latency_ms": 0.0}, "latency_ms"),
        ({"latency_share": 0.1}, "latency_share"),
        ({"window_days": 90}, "window_days"),
    ],
)
def test_an_objective_nobody_can_keep_or_measure_is_refused(wrong: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as refused:
        check_objective(replace(Objective(service="wine", availability=0.99, latency_ms=9.0), **wrong))
    assert refused.value.field == field
