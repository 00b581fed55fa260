"""Alerts, probes and objectives on their screens: there, empty, refused, changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.access import LOCAL_IDENTITIES
from services.alert_rules import Rule
from services.probing import Attempt
from tests.pages.conftest import OpenPage
from tests.pages.test_services import WINE, read, words

if TYPE_CHECKING:
    from services.bootstrap import Desk

OPERATOR = LOCAL_IDENTITIES["operator"]
SENTENCE = "40.0 % of 100 requests failed in 5 min (limit 10 %)"


def alarm(desk: Desk) -> None:
    """An open alert about the service."""
    rule = Rule(kind="errors", stage="dev", threshold=0.1, for_seconds=60)
    desk.alerts.begin("wine-dev", rule, stage="dev", value=0.4, sentence=SENTENCE)


def test_an_open_alert_stands_on_the_overview_and_on_the_service(open_page: OpenPage, desk: Desk) -> None:
    read(desk, WINE)
    alarm(desk)

    overview = open_page("overview", identity="operator")
    assert not overview.exception
    assert SENTENCE in words(overview).replace("\\", "")
    assert [button.key for button in overview.button if str(button.key).startswith("matter-incident-")]

    service = open_page("service", identity="operator", name="wine-dev")
    assert not service.exception
    assert f"{SENTENCE}." in words(service).replace("\\", "")


def test_the_rules_are_changed_where_they_are_shown(open_page: OpenPage, desk: Desk) -> None:
    read(desk, WINE)
    page = open_page("overview", identity="operator")

    page.button(key="alert-rules-dev").click().run()
    assert desk.alerts.rules_set() == []
    page.number_input(key="rule-dev-errors-limit").set_value(2.5)
    page.button(key="alert-rules-dev-confirm").click().run()

    assert not page.exception
    assert desk.alerts.rules_set() == [Rule(kind="errors", stage="dev", threshold=0.025, for_seconds=60)]
    viewer = open_page("overview", identity="viewer")
    assert viewer.button(key="alert-rules-dev").disabled


def test_an_objective_is_set_on_the_summary_and_says_what_is_not_known(open_page: OpenPage, desk: Desk) -> None:
    read(desk, WINE)
    page = open_page("service", identity="operator", name="wine-dev")
    assert "slo-availability" in words(page)

    page.button(key="objective-set").click().run()
    page.number_input(key="objective-availability").set_value(99.9)
    page.button(key="objective-set-confirm").click().run()

    assert not page.exception
    found = desk.objectives.of("wine-dev", {})
    assert found is not None
    assert (found.availability, found.latency_ms) == (0.999, None)
    assert "Not known: the telemetry has no request in this window." in words(page)


def test_a_probe_is_set_up_beside_the_tests_and_its_history_is_shown(open_page: OpenPage, desk: Desk) -> None:
    read(desk, WINE)
    attempt = Attempt(sent_at=desk.clock.now(), client_request_id="desk-probe-1", status=503, milliseconds=8.0)
    desk.probes.record("wine-dev", attempt, "probe", passed=False, failure="It answered 503 instead of 200.")
    page = open_page("service", identity="operator", name="wine-dev", view="Tests")
    assert "No probe is set up" in words(page)

    page.button(key="probe-set").click().run()
    page.text_area(key="probe-body").set_value('{"data": [[1, 2]]}')
    page.text_input(key="probe-expected").set_value('{"predict": [1]}')
    page.button(key="probe-set-confirm").click().run()

    assert not page.exception
    plan = desk.probes.plan("wine-dev")
    assert plan is not None
    assert (plan.is_on, plan.every_seconds, plan.expected_json) == (True, 60, {"predict": [1]})
    history = next(frame.value for frame in page.dataframe if "telemetry" in frame.value)
    assert list(history["result"]) == ["✕ failed"]
    assert list(history["telemetry"]) == ["never recorded"]
