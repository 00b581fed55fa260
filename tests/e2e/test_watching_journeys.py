"""Watching in a real browser: the charts tell the truth, what fails is found, and each silent part is said and gone again."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import httpx2
import pytest
from playwright.sync_api import expect

from dashboard.ui import traffic_charts
from services import bootstrap
from services.monitoring import Span
from services.probing import send
from tests.e2e.conftest import OpenVisit
from tests.e2e.service_maker import make_service, open_desk
from tests.e2e.stack import Stack, until

pytestmark = pytest.mark.slow

NAME = "watched-dev"
SENT, WRONG = 30, 10
SILENT_SECONDS = 60
CHARTS = [chart.name for chart in traffic_charts.ALL]
BARS = {
    "workspace": re.compile("Azure has not answered since"),
    "insights": re.compile("The telemetry has not answered since"),
}


@pytest.fixture(scope="module")
def watched(stack: Stack) -> Iterator[bootstrap.Desk]:
    """A service that was called: every third time with what its script cannot take."""
    with open_desk(stack) as desk:
        make_service(desk, NAME)
        service = desk.webservices.get(NAME).service
        key = desk.gateway.mms.keys(NAME).primary
        with httpx2.Client(trust_env=False) as client:
            for number in range(SENT):
                body = '{"data": "words"}' if number % 3 == 0 else '{"data": [1, 2]}'
                headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
                answer = client.post(service.scoring_uri or "", content=body, headers=headers, timeout=30)
                assert answer.status_code == (502 if number % 3 == 0 else 200), answer.text
        send(service.scoring_uri or "", '{"data": [1]}', credential=key, purpose="probe", deadline=30)
        yield desk


def test_the_charts_count_every_failure_and_the_query_is_beneath_them(
    visit: OpenVisit, watched: bootstrap.Desk, axe: None
) -> None:
    window = visit(None, identity="viewer")

    until(lambda: _counted(watched) == (SENT, WRONG), what="every request is counted", seconds=60)
    window.open(f"/monitoring?services={NAME}&range=15m")

    expect(window.page.locator(".js-plotly-plot")).to_have_count(len(CHARTS))
    # The standard columns would say that nothing failed.
    failed = window.page.locator(".js-plotly-plot").nth(CHARTS.index("errors_by_code"))
    expect(failed.locator(".legendtext")).to_have_text("502 container")
    window.page.get_by_text("Query", exact=True).first.click()
    expect(window.page.get_by_text(f'"{NAME}"').first).to_be_visible()
    window.check_accessibility()


def test_a_range_drawn_across_one_chart_zooms_all_and_leads_back(visit: OpenVisit, watched: bootstrap.Desk) -> None:
    window = visit(f"/monitoring?services={NAME}&range=1h")
    plots = window.page.locator(".js-plotly-plot")
    expect(plots).to_have_count(len(CHARTS))

    area = plots.nth(0).locator(".nsewdrag").first.bounding_box()
    assert area
    across = area["y"] + area["height"] / 2
    window.page.mouse.move(area["x"] + 0.7 * area["width"], across)
    window.page.mouse.down()
    # To the very end: on a fast machine the requests were sent less than a minute ago.
    window.page.mouse.move(area["x"] + area["width"] - 2, across, steps=5)
    window.page.mouse.up()

    # The address leads a colleague to the same range.
    expect(window.page).to_have_url(re.compile(r"(?=.*range=custom)(?=.*from=2)(?=.*to=2)"))
    window.settle()
    expect(plots).to_have_count(len(CHARTS))
    axes = window.page.evaluate(
        "() => [...document.querySelectorAll('.js-plotly-plot')].map(plot => plot.layout.xaxis.range.join(' to '))"
    )
    assert axes
    assert len(set(axes)) == 1
    window.page.get_by_role("button", name="Back to last hour").click()
    expect(window.page).not_to_have_url(re.compile("range=custom"))


def test_the_range_and_the_services_stay_from_screen_to_screen(visit: OpenVisit, watched: bootstrap.Desk) -> None:
    window = visit(f"/monitoring?range=6h&services={NAME}")

    window.page.get_by_role("link", name="Connection").click()
    window.settle()
    window.page.get_by_role("link", name="Monitoring").click()
    window.settle()

    expect(window.page).to_have_url(re.compile("range=6h"))


def test_what_fails_is_on_the_overview_and_somebody_takes_it(visit: OpenVisit, watched: bootstrap.Desk) -> None:
    window = visit("/", identity="operator")
    matter = window.page.locator(f".st-key-matter-failing-{NAME}")
    expect(matter.get_by_text(re.compile("of 30 requests failed in the last hour"))).to_be_visible(timeout=90_000)
    expect(window.page).to_have_title(re.compile(r"^\(\d+\) Overview"))

    matter.get_by_role("button", name="I have it").click()

    expect(matter.get_by_text(re.compile("local operator has it"))).to_be_visible()
    matter.get_by_role("link", name="Open").click()
    expect(window.page.get_by_role("heading", name=NAME)).to_be_visible()


def test_silent_parts_are_said_and_gone_when_they_answer(visit: OpenVisit, stack: Stack) -> None:
    window = visit("/models")
    alerts = window.page.get_by_test_id("stAlert")
    for bar in BARS.values():
        expect(alerts.get_by_text(bar)).to_have_count(0)

    for part in BARS:
        stack.hold(part)
    try:
        for bar in BARS.values():
            expect(alerts.get_by_text(bar)).to_be_visible(timeout=2 * SILENT_SECONDS * 1000)
    finally:
        for part in BARS:
            stack.let_go(part)

    for bar in BARS.values():
        expect(alerts.get_by_text(bar)).to_have_count(0, timeout=2 * SILENT_SECONDS * 1000)


def test_the_overview_can_be_read_on_a_phone_and_at_night(visit: OpenVisit, watched: bootstrap.Desk, axe: None) -> None:
    for theme, width in (("dark", 390), ("light", 1920)):
        window = visit("/", identity="operator", theme=theme, width=width)
        expect(window.page.get_by_role("heading", name="Where everything runs")).to_be_visible()
        window.check()
        window.check_accessibility()


def _counted(desk: bootstrap.Desk) -> tuple[int, int]:
    now = datetime.now(UTC)
    span = Span(start=now - timedelta(minutes=15), end=now, step=timedelta(minutes=1))
    rows = desk.monitoring.chart("service_summary", span, services=[NAME]).dicts()
    return (rows[0]["n"], rows[0]["errors"]) if rows else (0, 0)
