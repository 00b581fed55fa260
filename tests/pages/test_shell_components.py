"""The components screens are made of, without a screen."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pandas as pd
import pytest
from starlette.datastructures import Headers

from dashboard import navigation, routes
from dashboard.ui import charts, palette, ranges, states, times

NOW = datetime(2026, 11, 21, 14, 5, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.041, "41 ms"),
        (48, "48 s"),
        (70, "1 min 10 s"),
        (1320, "22 min"),
        (7200, "2 h"),
        (9000, "2 h 30 min"),
        (86400 * 20, "20 d"),
    ],
)
def test_a_duration_is_said_with_its_two_largest_units(seconds: float, words: str) -> None:
    assert times.span(seconds) == words


def test_a_time_is_relative_and_absolute_in_the_chosen_zone() -> None:
    at = NOW - timedelta(minutes=4)

    assert times.ago(at, now=NOW) == "4 min ago"
    assert times.absolute(at, zone=UTC, now=NOW) == "14:01:12 UTC"
    assert times.absolute(at, zone=ZoneInfo("Europe/Berlin"), now=NOW) == "15:01:12 CET"
    assert times.absolute(at - timedelta(days=1), zone=UTC, now=NOW) == "2026-11-20 14:01:12 UTC"


def test_a_time_to_come_and_no_time_have_words() -> None:
    assert times.ago(NOW + timedelta(hours=3), now=NOW) == "in 3 h"
    assert times.ago(None, now=NOW) == "never"


def test_a_database_time_without_a_zone_is_utc() -> None:
    assert times.ago((NOW - timedelta(seconds=6)).replace(tzinfo=None), now=NOW) == "6 s ago"


def test_every_state_has_a_word_an_icon_a_symbol_and_a_rank_of_its_own_severity() -> None:
    assert states.rank("failing") < states.rank("anonymous") < states.rank("deploying") < states.rank("healthy")
    for state in states.STATES.values():
        assert state.word
        assert state.icon.startswith(":material/")
        assert state.symbol
        assert state.meaning.endswith(".")


def test_azures_spelling_of_a_state_is_understood() -> None:
    assert states.state_of("Transitioning").word == "deploying"
    assert states.state_of("Healthy").word == "healthy"
    assert states.state_of("TimedOut").word == "timed out"
    assert states.plain("Unschedulable") == "✕ unschedulable"


def test_a_state_never_heard_of_is_shown_as_it_is() -> None:
    state = states.state_of("Hibernating")

    assert (state.word, state.colour) == ("hibernating", "gray")


@pytest.mark.parametrize("name", ranges.NAMES)
def test_a_range_has_at_most_about_120_steps_and_ends_on_a_whole_one(name: str) -> None:
    chosen = ranges.last(name, now=NOW)

    assert 15 <= chosen.duration / chosen.step <= 120
    assert chosen.end.timestamp() % chosen.step.total_seconds() == 0
    assert chosen.start < NOW < chosen.end


def test_two_people_within_one_step_ask_for_the_same_range() -> None:
    assert ranges.last("6h", now=NOW) == ranges.last("6h", now=NOW + timedelta(seconds=100))


@pytest.mark.parametrize(
    ("hours", "seconds"), [(0.25, 10), (1, 30), (6, 300), (24, 900), (24 * 7, 7200), (24 * 30, 21600)]
)
def test_a_chart_has_at_most_120_round_steps(hours: float, seconds: int) -> None:
    assert ranges.between(NOW - timedelta(hours=hours), NOW).step == timedelta(seconds=seconds)


def _rate(rows: list[tuple[datetime, str, float]]) -> pd.DataFrame:
    return pd.DataFrame(
        [{"TimeGenerated": at, "Service": service, "n": 10, "perMinute": value} for at, service, value in rows]
    )


def test_a_gap_in_a_chart_stays_a_gap_and_a_lone_point_is_drawn() -> None:
    chosen = ranges.last("15m", now=NOW)
    steps = (0, 1, 5)
    rows = _rate([(chosen.start + number * chosen.step, "wine-dev", 1.0) for number in steps])

    line = charts.rate(rows, chosen).data[0]

    assert len(line.y) == chosen.duration / chosen.step
    assert [index for index, value in enumerate(line.y) if not pd.isna(value)] == list(steps)
    assert line.connectgaps is False
    assert [index for index, size in enumerate(line.marker.size) if size] == [5]


def test_charts_of_one_screen_have_one_axis_and_one_height() -> None:
    chosen = ranges.last("1h", now=NOW)
    failed = pd.DataFrame({"TimeGenerated": [chosen.start], "Service": ["wine"], "Code": [502], "n": [3]})

    first, second = charts.rate(_rate([(chosen.start, "wine", 1.0)]), chosen), charts.codes(failed, chosen)

    assert first.layout.xaxis.range == second.layout.xaxis.range == (chosen.start, chosen.end)
    assert first.layout.height == second.layout.height


def test_a_failure_inside_a_success_is_a_kind_of_its_own() -> None:
    chosen = ranges.last("1h", now=NOW)
    frame = pd.DataFrame(
        {
            "TimeGenerated": [chosen.start] * 3,
            "Service": ["wine", "iris", "wine"],
            "Code": pd.array([502, 502, 200], dtype="Int64"),
            "n": pd.array([3, 4, 5], dtype="Int64"),
        }
    )

    bars = charts.codes(frame, chosen).data

    assert [(bar.name, list(bar.y)) for bar in bars] == [("502", [7.0]), ("failed 200", [5.0])]


def test_each_percentile_has_a_dash_and_the_services_colour() -> None:
    chosen = ranges.last("1h", now=NOW)
    frame = pd.DataFrame(
        {"TimeGenerated": [chosen.start], "Service": ["wine"], "n": [9], "p50": [1.0], "p95": [2.0], "p99": [3.0]}
    )

    traces = charts.latency(frame, chosen).data

    assert [trace.name for trace in traces] == ["p50", "p95", "p99"]
    assert len({trace.line.dash for trace in traces}) == 3
    assert {trace.line.color for trace in traces} == {palette.of("wine")}


def test_a_service_has_the_same_colour_everywhere() -> None:
    chosen = ranges.last("1h", now=NOW)
    alone = _rate([(chosen.start, "wine", 1.0)])
    among = _rate([(chosen.start, name, 1.0) for name in ("a", "b", "wine")])

    colours = [
        next(trace.line.color for trace in charts.rate(frame, chosen).data if trace.name == "wine")
        for frame in (alone, among)
    ]

    assert colours == [palette.of("wine")] * 2


def test_codes_are_told_apart_without_colour() -> None:
    signs = [palette.code(name) for name in ("500", "502", "503", "504", "429", "401", "413")]

    assert len(set(signs)) == len(signs)
    assert len({pattern for _, pattern in signs[:4]}) == 4


@pytest.mark.parametrize(
    ("headers", "is_let_in"),
    [
        ({"host": "localhost:8501"}, True),
        ({"host": "127.0.0.1"}, True),
        ({"host": "LOCALHOST:8501"}, True),
        ({"host": "desk.example.com"}, False),
        ({"host": "localhost.example.com"}, False),
        ({"host": "user@localhost"}, False),
        ({"host": "127.0.0.1:abc/"}, False),
        ({}, False),
        ({"host": "localhost", "x-forwarded-for": "10.0.0.1"}, False),
        ({"host": "localhost", "Forwarded": "for=10.0.0.1"}, False),
    ],
)
def test_without_sign_in_only_this_machine_comes_in(headers: dict[str, str], is_let_in: bool) -> None:
    assert routes.is_local(Headers(headers)) is is_let_in


def test_every_screen_has_a_script_and_says_what_it_is_for() -> None:
    for screen in navigation.SCREENS:
        assert (navigation.PAGES / f"{screen.name}.py").is_file()
        assert screen.help.endswith(".")
    assert {path.stem for path in navigation.PAGES.glob("*.py")} == {screen.name for screen in navigation.SCREENS}
