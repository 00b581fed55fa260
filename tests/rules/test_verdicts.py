"""What a verdict says: rarely anything of chance, nearly always what is there, and nothing when it cannot know."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from services.verdicts import FEWEST, RULE, SETTLE, WINDOW, Sample, Verdict, Window, compare, windows

MARKERS = 200
LATENCY_REQUESTS = 500
"""Requests on either side with which p95 +30 % is found."""
ERROR_REQUESTS = 1_500
"""Requests on either side with which two points more errors are found."""
MEDIAN_MS, SPREAD, ERRORS = 40.0, 0.5, 0.01
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def sample(
    draws: np.random.Generator, *, requests: int, errors: float = ERRORS, slower: float = 1.0, spread: float = SPREAD
) -> Sample:
    """Calls as a container reports them: log-normal, in whole milliseconds, some of them failed."""
    failed = int(draws.binomial(requests, errors))
    milliseconds = slower * draws.lognormal(np.log(MEDIAN_MS), spread, requests - failed)
    return Sample.of(np.floor(milliseconds).tolist(), failed=failed)


def verdicts(*, requests: int, seed: int, **after: float) -> list[Verdict]:
    """The verdicts on many markers; what is given is different after them."""
    draws = np.random.default_rng(seed)
    return [
        compare(sample(draws, requests=requests), sample(draws, requests=requests, **after)) for _ in range(MARKERS)
    ]


@pytest.mark.parametrize("requests", [60, 200, LATENCY_REQUESTS, ERROR_REQUESTS, 10_000])
def test_without_a_change_at_most_one_in_twenty_is_called_worse(requests: int) -> None:
    words = [verdict.word for verdict in verdicts(requests=requests, seed=requests)]

    assert words.count("worse") <= 0.05 * MARKERS


def test_a_p95_that_rose_by_thirty_percent_is_called_worse() -> None:
    found = verdicts(requests=LATENCY_REQUESTS, seed=1, slower=1.3)

    assert [verdict.word for verdict in found].count("worse") >= 0.9 * MARKERS
    assert [verdict.latency.word for verdict in found].count("worse") >= 0.9 * MARKERS


@pytest.mark.parametrize("before", [0.0, ERRORS])
def test_two_points_more_errors_are_called_worse(before: float) -> None:
    draws = np.random.default_rng(2)
    found = [
        compare(
            sample(draws, requests=ERROR_REQUESTS, errors=before),
            sample(draws, requests=ERROR_REQUESTS, errors=before + 0.02),
        )
        for _ in range(MARKERS)
    ]

    assert [verdict.errors.word for verdict in found].count("worse") >= 0.9 * MARKERS
    assert [verdict.word for verdict in found].count("worse") >= 0.9 * MARKERS


def test_a_recovery_is_called_better_even_if_nothing_was_answered_before() -> None:
    verdict = compare(Sample.of([], failed=400), Sample.of([40.0] * 400))

    assert (verdict.word, verdict.errors.word, verdict.latency.word) == ("better", "better", "not enough data")


def test_no_traffic_is_not_called_the_same() -> None:
    verdict = compare(Sample.of([]), Sample.of([]))

    assert verdict.word == "not enough data"
    assert "no requests before the change" in verdict.sentence


def test_too_few_to_rule_out_what_matters_are_not_called_the_same() -> None:
    few = Sample.of([40.0, 45.0, 50.0] * 10)

    assert compare(few, few).errors.word == "not enough data"
    assert compare(Sample.of([40.0] * (FEWEST - 1)), few).word == "not enough data"


def test_enough_of_the_same_is_called_the_same() -> None:
    words = [verdict.word for verdict in verdicts(requests=ERROR_REQUESTS, seed=3)]

    assert words.count("same") >= 0.9 * MARKERS


def test_a_rise_nobody_notices_is_not_called_worse() -> None:
    one, two = Sample.of([1.0] * 5_000), Sample.of([2.0] * 5_000)

    assert compare(one, two).latency.word == "same"


def test_a_verdict_says_on_how_much_it_rests_and_is_always_the_same() -> None:
    draws = np.random.default_rng(4)
    before, after = sample(draws, requests=900), sample(draws, requests=800, slower=2.0)

    verdict = compare(before, after)

    assert verdict == compare(before, after)
    assert verdict.errors.n_before == 900
    assert verdict.latency.n_after == after.answered
    assert f"of {after.answered:,} after (p < 0.001)" in verdict.latency.sentence
    assert verdict.rule == RULE


def test_the_bootstrap_by_shares_is_the_bootstrap_by_drawing_again() -> None:
    draws = np.random.default_rng(5)
    before, after = (np.floor(draws.lognormal(3.7, 0.5, 300)) for _ in range(2))

    found = compare(Sample.of(before.tolist()), Sample.of(after.tolist())).latency

    k = int(np.ceil(0.95 * 300)) - 1
    drawn = [np.sort(draws.choice(side, (10_000, 300)), axis=1)[:, k] for side in (before, after)]
    low, high = np.quantile(drawn[1] - drawn[0], [0.025, 0.975])
    assert found.low == pytest.approx(low, abs=2.0)
    assert found.high == pytest.approx(high, abs=2.0)


def test_the_windows_lie_around_the_change_and_its_settling() -> None:
    found = windows(NOON, NOON + timedelta(minutes=2), now=NOON + timedelta(hours=2))

    begun = NOON + timedelta(minutes=2) + SETTLE
    assert found.before == Window(start=NOON - WINDOW, end=NOON)
    assert found.after == Window(start=begun, end=begun + WINDOW)


def test_other_changes_and_the_present_cut_the_windows() -> None:
    minutes = [timedelta(minutes=n) for n in range(60)]
    others = [(NOON - minutes[12], NOON - minutes[10]), (NOON + minutes[20], NOON + minutes[21])]

    found = windows(NOON, NOON + minutes[2], others=others, now=NOON + minutes[40])
    early = windows(NOON, NOON + minutes[2], now=NOON + minutes[9])

    assert found.before == Window(start=NOON - minutes[7], end=NOON)
    assert found.after == Window(start=NOON + minutes[5], end=NOON + minutes[20])
    assert early.after == Window(start=NOON + minutes[5], end=NOON + minutes[9])


def test_a_change_that_just_ended_or_overlaps_another_has_nothing_to_compare() -> None:
    minute = timedelta(minutes=1)

    assert windows(NOON, NOON + minute, now=NOON + 3 * minute).after is None
    overlapping = windows(NOON, NOON + 5 * minute, others=[(NOON + minute, NOON + 9 * minute)], now=NOON + 60 * minute)
    assert (overlapping.before, overlapping.after) == (None, None)
