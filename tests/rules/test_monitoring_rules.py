"""What charts are made of besides KQL: our own requests, versions, trust, and the words for codes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest

from services.azuremonitor.queries import prelude
from services.bundles import Bundle
from services.monitoring import Span, own_requests, versions
from services.monitoring.code_map import CODE_MAP
from services.monitoring.trust import ServiceTrust, Trust, duration
from services.planning.wanted import Wanted
from services.probes import Coverage, ProbeResult

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
SPAN = Span(start=NOON, end=NOON + timedelta(hours=1), step=timedelta(minutes=5))


def result(
    *,
    minute: float = 1,
    status: int | None = 200,
    passed: bool | None = None,
    model: float | None = None,
    purpose: str = "probe",
) -> ProbeResult:
    return ProbeResult(
        service="wine",
        at=NOON + timedelta(minutes=minute),
        purpose=purpose,  # type: ignore[arg-type]
        client_request_id=f"desk-{purpose}-{minute}",
        request_id="",
        status=status,
        milliseconds=20.0,
        model_milliseconds=model,
        passed=passed,
        failure="",
        seen_at=None,
    )


def test_our_failed_requests_are_rows_of_the_chart_by_step_code_and_purpose() -> None:
    results = [
        result(minute=1, status=401),
        result(minute=4, status=401),
        result(minute=6, status=401),
        result(minute=6, status=503, purpose="test"),
        result(minute=7, status=None),
        result(minute=8, status=200),
        result(minute=9, status=200, passed=False),
    ]

    assert own_requests.failures(results, SPAN) == [
        (NOON, "wine", 401, "key or token not accepted", "probe", 2),
        (NOON + SPAN.step, "wine", 0, "no answer came", "probe", 1),
        (NOON + SPAN.step, "wine", 200, "success whose body is an error", "probe", 1),
        (NOON + SPAN.step, "wine", 401, "key or token not accepted", "probe", 1),
        (NOON + SPAN.step, "wine", 503, "no replica became free", "test", 1),
    ]


def test_our_requests_split_their_time_only_where_the_answer_says_how_long_run_took() -> None:
    results = [result(model=8.0), result(model=12.0), result(model=None, status=502)]

    assert own_requests.split(results, SPAN) == [(NOON, "wine", "probe", 2, 10.0, 10.0, 20.0)]


@pytest.mark.parametrize(("step", "minutes", "begins"), [(5, 7.5, 5), (15, 59.9, 45), (60, 59, 0), (1, 3, 3)])
def test_a_step_begins_where_kql_has_it(step: int, minutes: float, begins: int) -> None:
    span = Span(start=NOON, end=NOON + timedelta(hours=1), step=timedelta(minutes=step))

    assert span.bin(NOON + timedelta(minutes=minutes)) == NOON + timedelta(minutes=begins)


def test_the_period_before_is_as_long_and_ends_where_this_one_begins() -> None:
    assert SPAN.before == Span(start=NOON - timedelta(hours=1), end=NOON, step=SPAN.step)


def bundle(operation: str, minute: int, *models: str) -> Bundle:
    return Bundle(
        operation=operation,
        sha256="0" * 64,
        wanted=Wanted(service="wine", target="ACI", model_ids=models),
        created_at=NOON + timedelta(minutes=minute),
    )


def test_versions_run_from_when_they_were_deployed_until_the_next_deployment_began() -> None:
    kept = [bundle("c", 40, "wine:2"), bundle("a", 0, "wine:1"), bundle("b", 20, "wine:1")]
    began = {"a": NOON - timedelta(minutes=2), "b": NOON + timedelta(minutes=18), "c": NOON + timedelta(minutes=37)}

    first, second = versions.ranges(kept, began)

    assert (first.label, first.start, first.end) == ("wine:1", NOON, NOON + timedelta(minutes=37))
    assert (second.label, second.start, second.end) == ("wine:2", NOON + timedelta(minutes=40), None)
    assert versions.within([first, second], Span(start=NOON - SPAN.step, end=NOON, step=SPAN.step)) == []

    frame = pd.DataFrame({"TimeGenerated": [NOON + timedelta(minutes=minute) for minute in (-5, 5, 38, 45)]})
    assert list(versions.labelled(frame, [first, second])["Version"]) == [
        "before the desk knew",
        "wine:1",
        "while it changed",
        "wine:2",
    ]


def coverage(*, arrived: int = 0, missing: int = 0, lag: timedelta | None = None) -> Coverage:
    return Coverage(sent=arrived + missing, arrived=arrived, missing=missing, on_its_way=0, lag=lag)


def one(name: str, *, insights: bool = True, log: bool | None = None, on_cluster: bool = False) -> ServiceTrust:
    return ServiceTrust(
        service=name,
        last_row_at=NOON - timedelta(seconds=75) if insights else None,
        insights=insights,
        container_insights=log,
        is_on_cluster=on_cluster,
        coverage=coverage(),
    )


def test_the_trust_line_says_what_is_known_and_what_is_off() -> None:
    trust = Trust(
        asked_at=NOON,
        services=(
            one("lit", log=True, on_cluster=True),
            one("dark", insights=False, log=False, on_cluster=True),
            one("aci"),
        ),
        coverage=coverage(arrived=19, missing=1, lag=timedelta(seconds=4)),
    )

    assert trust.sentence() == (
        "Last row received 1 min 15 s ago; rows arrive 4 s after they were sent; 19 of our 20 tagged requests of the "
        "last hour arrived."
    )
    assert (trust.insights_off, trust.container_insights_on) == (("dark",), ("lit",))


def test_no_rows_and_no_probes_are_said_and_not_counted_as_trust() -> None:
    trust = Trust(asked_at=NOON, services=(one("dark", insights=False),), coverage=coverage())

    assert trust.sentence() == (
        "No row was received in the last day; no tagged request of ours in the last hour tells how much arrives."
    )


@pytest.mark.parametrize(
    ("seconds", "words"), [(0, "0 s"), (59.9, "59 s"), (61, "1 min 1 s"), (1800, "30 min"), (7260, "2 h 1 min")]
)
def test_a_length_of_time_is_said_in_its_largest_units(seconds: float, words: str) -> None:
    assert duration(timedelta(seconds=seconds)) == words


def test_the_code_map_uses_the_words_of_the_charts() -> None:
    failures = prelude("failures")

    assert [meaning.failure for meaning in CODE_MAP if f"'{meaning.failure}'" not in failures] == []
