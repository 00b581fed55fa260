"""Fixtures of the browser tests: one whole stack and one Chromium for the folder, a fresh window for each test."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from tests.e2e.browsing import CHROMIUM, CHROMIUM_ARGUMENTS, Visit, axe_path, unhurried_clicks, visiting
from tests.e2e.stack import Stack

OpenVisit = Callable[..., Visit]
SEEN_WITHIN_MS = 20_000
"""Other tests run beside these: what is expected may take longer to be drawn than Playwright's 5 s."""


def _needs(path: str | Path, what: str) -> None:
    """A missing tool fails with CI=true and is a named skip elsewhere."""
    if Path(path).exists():
        return
    if os.environ.get("CI") == "true":
        pytest.fail(f"{what} is not installed: {path}")
    pytest.skip(f"{what} is not installed")


@pytest.fixture(scope="package")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Workspace, worker and desk under the supervisor, shared by the browser tests and ended with the last of them."""
    running = Stack(tmp_path_factory.mktemp("stack"))
    try:
        running.start()
        yield running
    finally:
        running.stop()


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Chromium, headless."""
    _needs(CHROMIUM, "Chromium")
    expect.set_options(timeout=SEEN_WITHIN_MS)
    with unhurried_clicks(), sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_ARGUMENTS)
        yield chromium
        chromium.close()


@pytest.fixture
def visit(stack: Stack, browser: Browser) -> Iterator[OpenVisit]:
    """Open a window: `visit("/models", identity="operator", theme="dark", width=390)`; checked when the test ends."""
    with ExitStack() as open_windows:

        def open_(
            address: str | None = "/", *, identity: str | None = None, theme: str = "light", width: int = 1280
        ) -> Visit:
            window = open_windows.enter_context(visiting(browser, stack.url, theme=theme, width=width))
            if identity:
                window.be(identity)
            if address is not None:
                window.open(address)
            return window

        yield open_


@pytest.fixture(scope="package")
def axe() -> None:
    """axe-core is there."""
    _needs(axe_path(), "axe-core (npm ci in tests/e2e)")
