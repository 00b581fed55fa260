"""The first start, with its samples: made by ordinary operations, seen on the Overview, called by real requests."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.e2e.browsing import Visit, visiting
from tests.e2e.stack import Stack, until

pytestmark = pytest.mark.slow

FIRST_HEALTHY_SECONDS = 180
ALL_MADE_SECONDS = 420


@pytest.fixture(scope="module")
def first_start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A start on empty folders, as `make run` does it."""
    running = Stack(tmp_path_factory.mktemp("first"))
    running.environment["DESK_SAMPLES"] = "true"
    try:
        running.start()
        yield running
    finally:
        running.stop()


@pytest.fixture
def window(first_start: Stack, browser: Browser) -> Iterator[Visit]:
    """A window on it."""
    with visiting(browser, first_start.url) as opened:
        opened.be("operator")
        yield opened


def test_samples_are_made_in_front_of_ones_eyes_and_then_called(window: Visit) -> None:
    page = window.open("/")
    expect(page.get_by_text(re.compile("Register|Deploy|Create the cluster")).first).to_be_visible(timeout=60_000)

    healthy = page.locator(".st-key-application-diabetes").get_by_text("healthy")
    expect(healthy.first).to_be_visible(timeout=FIRST_HEALTHY_SECONDS * 1000)

    # One that does not start says why; one that refuses some inputs is found by its requests.
    failed = page.locator(".st-key-matter-failed-diabetes-next")
    expect(failed.get_by_text(re.compile("No module named 'xgboost'"))).to_be_visible(timeout=ALL_MADE_SECONDS * 1000)
    figures = page.locator(".st-key-application-diabetes").get_by_text(re.compile(r"[1-9]\d* requests"))
    expect(figures.first).to_be_visible(timeout=150_000)


def test_charts_begin_when_the_workspace_began(window: Visit) -> None:
    def drawn() -> bool:
        window.open("/monitoring?range=15m&services=diabetes-dev")
        return window.page.locator(".js-plotly-plot").count() >= 2

    until(drawn, what="the charts of the first sample are drawn", seconds=90)
    expect(window.page.get_by_text(re.compile("changes? in this range"))).to_be_visible()
