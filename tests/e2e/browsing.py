"""A browser that looks critically: what every screen must be, whatever it shows, is asserted when it is left."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, TimeoutError, expect

from tests.e2e.stack import ROOT

PHONE = (390,)
# Streamlit closes its menu when a screen is opened on a phone, and leaves it so when the window grows: opened anew.
DESKS = (1280, 1920)
THEMES = ("light", "dark")
HEIGHTS = {390: 844, 1280: 900, 1920: 1080}
SCREENSHOTS = ROOT / "tests" / "screenshots"

CHROMIUM = "/usr/bin/chromium"
CHROMIUM_ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

DRAWN_WITHIN_MS = 5_000

# Streamlit looks for its server beneath a deep link's path first; the browser reports each of those as an error.
_STREAMLIT_LOOKS = re.compile(r"/[^/]+/_stcore/(health|host-config)$")

BASELINE = Path(__file__).with_name("axe_baseline.json")
"""What a bare Streamlit page with the same widgets shows: rule and widget. It may only shrink."""


class Visit:
    """One window on the desk."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        self._complaints: list[str] = []
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self._complaints.append(f"uncaught: {error}"))

    def open(self, address: str = "/") -> Page:
        """Go to an address and wait until the screen is drawn."""
        self.page.goto(self.url + address)
        self.settle()
        return self.page

    def be(self, identity: str) -> None:
        """Take a local identity as the chooser does."""
        self.page.goto(f"{self.url}/healthz")
        status = self.page.evaluate(
            """identity => fetch("/identity", {method: "POST", headers: {"content-type": "application/json"},
               body: JSON.stringify({identity})}).then(answer => answer.status)""",
            identity,
        )
        assert status == 204, f"/identity answered {status}"

    def resize(self, width: int) -> None:
        """Make the window as wide as another machine's, and wait until it is laid out."""
        self.page.set_viewport_size({"width": width, "height": HEIGHTS[width]})
        self.page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
        self.settle()

    def settle(self) -> None:
        """Wait until the script has run and nothing is a skeleton any more."""
        self.page.locator('[data-testid="stApp"][data-test-script-state="notRunning"]').wait_for(timeout=30_000)
        expect(self.page.get_by_test_id("stSkeleton")).to_have_count(0, timeout=20_000)

    def choices(self, field: str) -> Locator:
        """Open a field's list by keyboard, as often as it takes, and give what may be chosen.

        A table drawn above moves the field away from under a pointer, and a screen drawn anew closes its list.
        """
        options = self.page.get_by_role("option")
        for _ in range(10):
            self.page.get_by_role("combobox", name=field).press("ArrowDown")
            try:
                options.first.wait_for(timeout=2_000)
                return options
            except TimeoutError:
                continue
        raise AssertionError(f"The list of “{field}” stays closed")

    def forgive(self, pattern: str) -> None:
        """Drop complaints that a test brought about on purpose, such as a refused connection while the desk restarts."""
        self._complaints = [text for text in self._complaints if not re.search(pattern, text)]

    def check(self) -> None:
        """No exception box, no error of ours in words, no console error, nothing wider than the screen."""
        expect(self.page.get_by_test_id("stException")).to_have_count(0)
        expect(self.page.get_by_text("Something went wrong here")).to_have_count(0)
        assert not self._complaints, "\n".join(self._complaints)
        wide = self.page.evaluate(
            """() => [document.documentElement, document.querySelector('[data-testid="stMain"]')]
                .filter(part => part && part.scrollWidth > part.clientWidth + 1)
                .map(part => `${part.dataset.testid || part.tagName}: ${part.scrollWidth} > ${part.clientWidth}`)"""
        )
        assert not wide, f"{self.page.url} is wider than the screen: {wide}"

    def check_accessibility(self) -> None:
        """axe-core finds nothing but the listed baseline of Streamlit itself."""
        found = axe_findings(self.page)
        known = {(entry["rule"], entry["widget"]) for entry in json.loads(BASELINE.read_text())}
        new = [finding for finding in found if (finding["rule"], finding["widget"]) not in known]
        assert not new, json.dumps(new, indent=1)

    def picture(self, name: str) -> Path:
        """Take a screenshot to be looked at."""
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        path = SCREENSHOTS / f"{name}.png"
        self.page.screenshot(path=path)
        return path

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type != "error" or _STREAMLIT_LOOKS.search(message.location.get("url", "")):
            return
        self._complaints.append(f"console: {message.text} ({message.location.get('url', '')})")


@contextmanager
def unhurried_clicks() -> Iterator[None]:
    """Let every click wait, a few seconds at most, until the screen is drawn, as people do.

    While a run draws the screen anew, the browser may replace a button between the press and the release: that click is
    lost before the desk hears of it.
    """
    click = Locator.click

    def unhurried(locator: Locator, **options: Any) -> None:
        drawn = locator.page.locator('[data-testid="stApp"][data-test-script-state="notRunning"]')
        with suppress(TimeoutError):
            drawn.wait_for(timeout=DRAWN_WITHIN_MS)
        click(locator, **options)

    Locator.click = unhurried  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        Locator.click = click  # type: ignore[method-assign]


def axe_findings(page: Page) -> list[dict[str, str]]:
    """What axe-core objects to: the rule, the widget it is in, and how it is written."""
    page.evaluate(axe_source())
    findings: list[dict[str, str]] = page.evaluate(
        """async () => {
            const result = await axe.run(document, { resultTypes: ["violations"] });
            return result.violations.flatMap(rule => rule.nodes.map(node => {
                const element = document.querySelector(node.target[0]);
                const widget = element && element.closest("[data-testid]");
                return { rule: rule.id, widget: widget ? widget.dataset.testid : "?", html: node.html.slice(0, 200) };
            }));
        }"""
    )
    return findings


def axe_source() -> str:
    """axe-core, from npm."""
    return axe_path().read_text()


def axe_path() -> Path:
    """Where npm put it."""
    return Path(__file__).parent / "node_modules" / "axe-core" / "axe.min.js"


@contextmanager
def visiting(browser: Browser, url: str, *, theme: str = "light", width: int = 1280) -> Iterator[Visit]:
    """Open a window with a fresh profile; on leaving it, check the screen it was left on."""
    context = browser.new_context(
        viewport={"width": width, "height": HEIGHTS.get(width, 900)},
        color_scheme=theme,  # type: ignore[arg-type]
        timezone_id="Europe/Berlin",
        locale="en-GB",
    )
    context.set_default_timeout(20_000)
    try:
        visit = Visit(context.new_page(), url)
        yield visit
        visit.check()
    finally:
        context.close()
