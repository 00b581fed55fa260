"""One service in a real browser, from the list to its end: test, reveal, rotate, change, read the log, delete."""

from __future__ import annotations

import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.browsing import DESKS, PHONE
from tests.e2e.service_maker import OPERATOR, make_service, open_desk
from tests.e2e.stack import until

if TYPE_CHECKING:
    from services.bootstrap import Desk
    from tests.e2e.browsing import Visit
    from tests.e2e.conftest import OpenVisit
    from tests.e2e.stack import Stack

pytestmark = pytest.mark.slow

NAME = "sums-dev"
LONG = 60_000
VIEWS = ("Summary", "Configuration", "Access", "Metrics", "Logs", "Tests", "History", "Consume", "Delete")
JUDGED = ("Summary", "Configuration", "Access", "Tests")


@pytest.fixture(scope="module")
def desk(stack: Stack) -> Iterator[Desk]:
    """The services beside the screens, with one healthy service."""
    with open_desk(stack) as opened:
        make_service(opened, NAME)
        yield opened


def view(window: Visit, name: str) -> Page:
    """Go to another view of the service."""
    window.page.get_by_role("radio", name=name, exact=True).click()
    window.settle()
    return window.page


def confirm(page: Page, label: str) -> None:
    """Say yes in the dialog that is open."""
    page.get_by_role("dialog").get_by_role("button", name=label, exact=True).click()
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_the_list_leads_to_the_service_and_its_view_is_in_the_address(visit: OpenVisit, desk: Desk) -> None:
    window = visit("/services", identity="operator")
    window.page.get_by_role("searchbox", name="Search").fill(NAME)
    expect(window.page).to_have_url(re.compile(f"q={NAME}"))
    window.settle()
    # A table is drawn on a canvas: the name stands in the first column, beneath the header.
    table = window.page.get_by_test_id("stDataFrame")
    table.click(position={"x": 45, "y": 48})
    expect(window.page.get_by_role("heading", name=NAME)).to_be_visible()
    expect(window.page).to_have_url(re.compile(rf"/service\?.*name={NAME}"))

    window.open(f"/service?name={NAME}&view=History")

    expect(window.page.get_by_role("radio", name="History")).to_be_checked()
    view(window, "Consume")
    expect(window.page).to_have_url(re.compile("view=Consume"))
    expect(window.page.get_by_text("SCORING_KEY").first).to_be_visible()


def test_a_test_request_shows_everything_of_the_answer(visit: OpenVisit, desk: Desk) -> None:
    window = visit(f"/service?name={NAME}&view=Tests", identity="operator")
    page = window.page
    body = page.get_by_role("textbox", name="Body")
    body.fill('{"data": [1, 2, 3.5]}')
    body.press("Control+Enter")
    window.settle()

    page.get_by_role("button", name="Send", exact=True).click()

    expect(page.get_by_text("It was answered.")).to_be_visible(timeout=LONG)
    expect(page.get_by_text("6.5").first).to_be_visible()
    body.fill('{"wrong": 1}')
    body.press("Control+Enter")
    window.settle()
    page.get_by_role("button", name="Send", exact=True).click()
    expect(page.get_by_text("The model raised an error.")).to_be_visible(timeout=LONG)
    expect(page.get_by_text("500: run() raised")).to_be_visible()
    for text in ("200", "502"):
        expect(page.locator("canvas td", has_text=re.compile(f"^{text}$"))).to_have_count(1)
    page.get_by_text(re.compile(r"Headers \(\d+\)")).click()
    expect(page.get_by_text(re.compile("x-ms-run-function-failed: True", re.IGNORECASE))).to_be_visible()


def test_the_log_is_filtered_followed_and_saved_by_who_is_known(visit: OpenVisit, desk: Desk, stack: Stack) -> None:
    window = visit(f"/service?name={NAME}&view=Logs&find=loaded", identity="viewer")
    page = window.page
    expect(page.get_by_text("the model is loaded").first).to_be_visible(timeout=LONG)
    expect(page.get_by_text("gunicorn")).to_have_count(0)

    page.get_by_role("button", name="Prepare download").click()
    saved = page.get_by_role("link", name=re.compile(r"^Save sums-dev-.*\.log"))
    expect(saved).to_be_visible()

    with page.expect_download() as started:
        saved.click()
    assert "the model is loaded" in started.value.path().read_text()
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"{stack.url}{saved.get_attribute('href')}", timeout=10)
    with refused.value:
        assert refused.value.code == 403
    page.get_by_text("Follow", exact=True).click()
    expect(page.get_by_role("button", name="Read again")).to_have_count(0)
    page.get_by_role("searchbox", name="Text").fill("from afar")
    expect(page.get_by_text("fits: clear a filter")).to_be_visible()
    desk.testing.send(OPERATOR, NAME, '{"data": [1], "said": "from afar"}')
    expect(page.get_by_text("'said': 'from afar'")).to_be_visible(timeout=LONG)

    page.get_by_role("searchbox", name="Text").fill("")
    window.choices("Part").filter(has_text="init container").click()
    expect(page).to_have_url(re.compile("part=init"))
    expect(page.get_by_text(re.compile("The init container said nothing|lines, newest last")).first).to_be_visible()
    stranger = visit(f"/service?name={NAME}&view=Logs")
    expect(stranger.page.get_by_role("button", name="Prepare download")).to_be_disabled()


def test_keys_are_shown_for_a_moment_and_rotated_without_losing_a_client(visit: OpenVisit, desk: Desk) -> None:
    window = visit(f"/service?name={NAME}&view=Access", identity="operator")
    page = window.page
    page.get_by_role("button", name="Reveal keys").click()
    confirm(page, "Reveal")
    expect(page.get_by_text("hidden again in")).to_be_visible()
    keys = desk.gateway.mms.keys(NAME)
    expect(page.get_by_text(keys.primary)).to_be_visible()
    page.get_by_role("button", name="Hide now").click()
    expect(page.get_by_text(keys.primary)).to_have_count(0)
    assert desk.audit.page(service=NAME, action="keys.reveal")

    page.get_by_role("button", name="Start rotating").click()
    confirm(page, "Start")
    expect(page.get_by_text("Waits for clients.")).to_be_visible(timeout=LONG)
    waiting = desk.gateway.mms.keys(NAME)
    assert (waiting.primary, waiting.secondary != keys.secondary) == (keys.primary, True)
    page.get_by_role("button", name="Clients have moved").click()
    confirm(page, "Renew the other key")

    expect(page.get_by_text("Past rotations (1)")).to_be_visible(timeout=LONG)
    done = desk.gateway.mms.keys(NAME)
    assert (done.primary != keys.primary, done.secondary) == (True, waiting.secondary)


def test_a_change_is_planned_applied_and_read_back_and_a_form_outlives_refreshes(visit: OpenVisit, desk: Desk) -> None:
    window = visit(f"/service?name={NAME}&view=Configuration", identity="operator")
    page = window.page
    page.get_by_role("button", name="Add a tag").click()
    expect(page.get_by_role("textbox", name="Name", exact=True)).to_have_count(3)
    for label, typed in (("Name", "owner"), ("Value", "team")):
        field = page.get_by_role("textbox", name=label, exact=True).last
        field.fill(typed)
        field.press("Tab")
        window.settle()
    expect(page.get_by_text(f"1 change to {NAME}", exact=True)).to_be_visible()

    page.get_by_role("button", name="Apply", exact=True).click()
    for _ in range(3):
        # What stands in the frame is drawn anew every 5 s: three different ages are three refreshes.
        age = page.get_by_text(re.compile("^updated ")).first
        expect(age).not_to_have_text(age.inner_text(), timeout=20_000)
    assert page.get_by_role("textbox", name="Value", exact=True).last.input_value() == "team"
    expect(page.get_by_role("dialog")).to_be_visible()
    confirm(page, "Apply")

    expect(page.get_by_text(re.compile("Last change, .* as it was asked"))).to_be_visible(timeout=LONG)
    until(lambda: desk.gateway.mms.service(NAME).tags.get("owner") == "team", what="the workspace has the new tag")
    page.get_by_role("spinbutton", name="Memory").fill("1.5")
    page.get_by_role("spinbutton", name="Memory").press("Tab")
    expect(page.get_by_role("button", name="Redeploy", exact=True)).to_be_visible()
    expect(page.get_by_text("Down about 1 min").first).to_be_visible()
    keys = desk.gateway.mms.keys(NAME)

    page.get_by_role("button", name="Redeploy", exact=True).click()
    expect(page.get_by_role("dialog").get_by_text("so the service is replaced")).to_be_visible()
    confirm(page, "Redeploy")

    until(
        lambda: desk.gateway.mms.service(NAME).configuration.get("memory_gb") == 1.5,
        what="the service has the memory",
        seconds=120,
    )
    expect(page.get_by_text(re.compile("Last change, .* as it was asked"))).to_be_visible(timeout=2 * LONG)
    assert desk.gateway.mms.keys(NAME) == keys, "clients keep their keys"


@pytest.mark.parametrize("width", [*PHONE, DESKS[0]])
def test_every_view_fits_and_is_accessible(visit: OpenVisit, desk: Desk, axe: None, width: int) -> None:
    theme = "dark" if width in PHONE else "light"
    window = visit(None, identity="operator", theme=theme, width=width)
    for name in VIEWS:
        window.open(f"/service?name={NAME}&view={name}")
        expect(window.page.get_by_role("radio", name=name, exact=True)).to_be_checked()
        window.check()
        window.picture(f"service-{name.lower()}-{theme}-{width}")
        if width not in PHONE and name in JUDGED:
            window.check_accessibility()
    window.open("/services")
    window.picture(f"services-{theme}-{width}")


def test_deleting_wants_the_name_and_the_screen_says_that_it_is_gone(visit: OpenVisit, desk: Desk) -> None:
    window = visit(f"/service?name={NAME}&view=Delete", identity="operator")
    page = window.page
    page.get_by_role("button", name="Delete…").click()
    expect(page.get_by_role("dialog").get_by_role("button", name="Delete", exact=True)).to_be_disabled()
    page.get_by_role("textbox", name=f"Type {NAME} to confirm").fill(NAME)
    expect(page.get_by_role("dialog").get_by_role("button", name="Delete", exact=True)).to_be_enabled()
    page.get_by_role("dialog").get_by_role("button", name="Delete", exact=True).click()
    expect(page).to_have_url(re.compile("/operations"), timeout=LONG)

    gone = visit(f"/service?name={NAME}", identity="operator")

    expect(gone.page.get_by_text("There is no service named")).to_be_visible(timeout=LONG)
    expect(gone.page.get_by_role("link", name="All services")).to_be_visible()
