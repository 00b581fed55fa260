"""The shell in a real browser on the whole stack: identities, addresses, bars, refreshes, looks."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from dashboard import navigation
from tests.e2e.browsing import BASELINE, DESKS, PHONE, THEMES, axe_findings, visiting
from tests.e2e.stack import CANARY, answers, descendants, until
from tests.running_workspace import ROOT, free_port

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from tests.e2e.conftest import OpenVisit
    from tests.e2e.stack import Stack

pytestmark = pytest.mark.slow

BAR = "The worker has not answered for"
SILENT_SECONDS = 45


def test_the_chooser_gives_a_role_with_a_cookie_no_script_can_read(visit: OpenVisit) -> None:
    window = visit("/?tz=local")
    expect(window.page.get_by_text("You are looking as viewer")).to_be_visible()

    window.page.get_by_role("button", name="operator", exact=True).click()

    expect(window.page.get_by_test_id("stPopover").get_by_role("button", name="operator")).to_be_visible()
    expect(window.page.get_by_text("You are looking as viewer")).to_have_count(0)
    assert "tz=local" in window.page.url
    cookie = next(cookie for cookie in window.page.context.cookies() if cookie["name"] == "desk_session")
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")


def test_the_popover_changes_the_identity(visit: OpenVisit) -> None:
    window = visit("/models", identity="operator")

    window.page.get_by_test_id("stPopover").get_by_role("button").click()
    window.page.get_by_role("button", name=re.compile("^approver")).click()

    expect(window.page.get_by_test_id("stPopover").get_by_role("button", name="approver")).to_be_visible()
    assert "/models" in window.page.url


def test_workspace_and_time_zone_stay_in_the_address_from_screen_to_screen(visit: OpenVisit) -> None:
    window = visit("/")
    window.page.get_by_role("radio", name="local").click()
    window.settle()

    window.page.get_by_role("link", name="Models", exact=True).click()

    expect(window.page).to_have_url(re.compile(r"/models\?.*tz=local"))
    expect(window.page).to_have_url(re.compile(r"ws=local"))
    window.page.reload()
    window.settle()
    expect(window.page.get_by_role("radio", name="local")).to_be_checked()


def test_the_first_deep_link_has_the_frame_around_it(visit: OpenVisit) -> None:
    window = visit("/connection")

    expect(window.page.get_by_text("LOCAL – no cloud").first).to_be_visible()
    expect(window.page.get_by_role("link", name="Overview")).to_be_visible()
    expect(window.page).to_have_title(re.compile("Connection"))


def test_the_name_of_the_first_screen_leads_to_it(visit: OpenVisit) -> None:
    window = visit("/overview?tz=local")

    expect(window.page.get_by_role("heading", name="Overview")).to_be_visible()
    expect(window.page).to_have_url(re.compile(r":\d+/\?.*tz=local"))


def test_a_silent_worker_is_said_on_every_screen_and_gone_when_it_answers(visit: OpenVisit, stack: Stack) -> None:
    window = visit("/models")
    expect(window.page.get_by_text(BAR)).to_have_count(0)

    stack.hold("worker")
    try:
        expect(window.page.get_by_text(BAR)).to_be_visible(timeout=SILENT_SECONDS * 1000)
        assert stack.healthz() == (503, {"alive": False})
        other = visit("/connection")
        expect(other.page.get_by_test_id("stAlert").get_by_text(BAR)).to_be_visible()
    finally:
        stack.let_go("worker")

    expect(window.page.get_by_text(BAR)).to_have_count(0, timeout=SILENT_SECONDS * 1000)
    until(stack.is_alive, what="healthz says alive again")


def test_healthz_gives_the_parts_only_to_who_has_an_identity(visit: OpenVisit, stack: Stack) -> None:
    until(stack.is_alive, what="the desk is alive")
    window = visit(None, identity="viewer")

    told = window.page.evaluate("fetch('/healthz').then(answer => answer.json())")

    assert stack.healthz() == (200, {"alive": True})
    assert {part["name"] for part in told["parts"]} >= {"worker", "Azure", "telemetry"}
    assert next(part for part in told["parts"] if part["name"] == "worker")["age_seconds"] < 20
    window.open("/")


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "http://localhost:1"},
        {},
        {"Host": "desk.example.com"},
        {"X-Forwarded-For": "10.0.0.1"},
    ],
)
def test_an_identity_is_chosen_from_the_desks_own_pages_only(stack: Stack, headers: dict[str, str]) -> None:
    request = urllib.request.Request(
        f"{stack.url}/identity",
        data=json.dumps({"identity": "admin"}).encode(),
        headers={"Content-Type": "application/json", **headers},
        method="POST",
    )

    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=10)

    with refused.value as answer:
        assert answer.code == 403
        assert "set-cookie" not in answer.headers


def test_a_file_is_given_only_to_who_may_download(visit: OpenVisit, stack: Stack) -> None:
    address = f"/files/{'0' * 64}/model.pkl"
    window = visit("/models", identity="viewer")

    as_viewer = window.page.evaluate("a => fetch(a).then(answer => answer.status)", address)
    window.be("operator")
    as_operator = window.page.evaluate("a => fetch(a).then(answer => answer.status)", address)

    assert (as_viewer, as_operator) == (403, 404)
    window.open("/models")
    window.forgive("40[34]")


def test_a_desk_killed_hard_comes_back_and_the_others_stay(visit: OpenVisit, stack: Stack) -> None:
    others = (stack.pid("workspace"), stack.pid("worker"))

    before = stack.kill("desk")

    until(lambda: stack.find("desk") not in (None, before), what="another desk is started")
    until(stack.is_alive, what="the desk answers again", seconds=60)
    assert (stack.pid("workspace"), stack.pid("worker")) == others


def test_the_workspace_and_all_below_it_do_not_see_an_exported_secret(stack: Stack) -> None:
    def environment(pid: int) -> bytes:
        return Path(f"/proc/{pid}/environ").read_bytes()

    workspace = stack.pid("workspace")

    assert CANARY.encode() in environment(stack.pid("worker")), "the search finds a planted one"
    for pid in (workspace, *descendants(workspace)):
        assert CANARY.encode() not in environment(pid)
    assert b"WORKER_AZURE_CLIENT_SECRET" not in environment(stack.pid("desk"))


@pytest.mark.usefixtures("axe")
@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("widths", [PHONE, DESKS])
def test_every_screen_fits_and_axe_finds_nothing_of_ours(visit: OpenVisit, theme: str, widths: tuple[int, ...]) -> None:
    window = visit(None, identity="operator", theme=theme, width=widths[0])

    for screen in navigation.SCREENS:
        window.open("/" if screen.name == "overview" else f"/{screen.name}")
        window.check_accessibility()
        for width in widths:
            window.resize(width)
            window.picture(f"{screen.name}-{width}-{theme}")
            window.check()


@pytest.mark.usefixtures("axe")
def test_the_accessibility_baseline_is_what_bare_streamlit_shows_and_no_more(browser: Browser, tmp_path: Path) -> None:
    port = free_port()
    with (tmp_path / "bare.log").open("wb") as log:
        bare = subprocess.Popen(
            [sys.executable, "-m", "streamlit", "run", "tests/e2e/bare_widgets.py", "--server.port", str(port)],
            cwd=ROOT,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        until(lambda: answers(f"http://localhost:{port}/_stcore/health"), what="bare Streamlit answers", seconds=60)
        with visiting(browser, f"http://localhost:{port}") as window:
            found = {(finding["rule"], finding["widget"]) for finding in axe_findings(window.open("/"))}
    finally:
        bare.terminate()
        bare.wait(20)

    listed = {(entry["rule"], entry["widget"]) for entry in json.loads(BASELINE.read_text())}
    assert listed <= found, f"Streamlit has mended these, take them off the list: {listed - found}"
