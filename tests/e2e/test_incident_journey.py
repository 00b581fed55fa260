"""An incident from its first bad request to its report: alert, incident, cause, redeploy of what ran before, recovery."""

from __future__ import annotations

import io
import re
import threading
import time
import zipfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

import httpx2
import pytest
import sqlalchemy as sa
from playwright.sync_api import Locator, Page, expect

from services import bootstrap
from services.alert_rules import Rule
from services.files import CODE_LIMIT
from services.planning.wanted import CodeRef
from services.storage import ledger, mirror
from tests.e2e.conftest import OpenVisit
from tests.e2e.service_maker import OPERATOR, make_service, open_desk
from tests.e2e.stack import Stack, until

pytestmark = pytest.mark.slow

NAME = "juice-journey"
STAGE = "journey"
LONG = 60_000
WHOLE_SECONDS = 180
PAUSE_SECONDS = 0.1
QUIET = timedelta(minutes=10)
"""Alerts about a service are silent for some minutes after it was changed."""
KNOWS_ONE_UNIT = """
import json

LITRES = {"ml": 0.001}

def init():
    print("the model is loaded")

def run(data):
    asked = json.loads(data)
    return {"litres": sum(asked["data"]) * LITRES[asked["unit"]]}
"""


class Callers:
    """Callers of a service, who begin to send another unit when they are told."""

    def __init__(self, desk: bootstrap.Desk) -> None:
        self._address = desk.webservices.get(NAME).service.scoring_uri or ""
        self._key = desk.gateway.mms.keys(NAME).primary
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._call)
        self.unit = "ml"
        self.answers: list[int] = []

    @contextmanager
    def calling(self) -> Iterator[Callers]:
        """Call until this ends."""
        self._thread.start()
        try:
            yield self
        finally:
            self._over.set()
            self._thread.join(30)

    def newest(self, count: int) -> Counter[int]:
        """The codes of the newest answers."""
        return Counter(self.answers[-count:])

    def _call(self) -> None:
        headers = {"Authorization": f"Bearer {self._key}", "Content-Type": "application/json"}
        with httpx2.Client(trust_env=False, headers=headers, timeout=30) as client:
            while not self._over.wait(PAUSE_SECONDS):
                body = f'{{"data": [1, 2], "unit": "{self.unit}"}}'
                self.answers.append(client.post(self._address, content=body).status_code)


@pytest.fixture(scope="module")
def desk(stack: Stack) -> Iterator[bootstrap.Desk]:
    """A service whose newest code knows one unit only, deployed a while ago; its alerts open soon."""
    with open_desk(stack) as opened:
        make_service(opened, NAME, tags={"application": "juice", "stage": STAGE})
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr("score.py", KNOWS_ONE_UNIT)
        packed.seek(0)
        code = opened.files.keep(packed, name="units.zip", purpose="code", by=OPERATOR, limit=CODE_LIMIT)
        wanted = replace(
            opened.deployments.wanted_now(NAME),
            code=CodeRef(source="upload", entry_script="score.py", sha256=code.sha256, name=code.name),
        )
        based_on = opened.deployments.plan(wanted).based_on
        changed = opened.deployments.launch(OPERATOR, wanted, based_on=based_on, reason="Planned change")
        until(lambda: not opened.operations.get(changed).is_open, what="the new code runs", seconds=120)
        assert opened.operations.get(changed).state == "succeeded"
        _a_while_ago(opened)
        opened.alerts.set_rule(OPERATOR, Rule(kind="errors", stage=STAGE, threshold=0.05, for_seconds=15))
        yield opened


def test_from_an_alert_to_the_report_in_under_three_minutes(visit: OpenVisit, desk: bootstrap.Desk, axe: None) -> None:
    window = visit(None, identity="operator")
    page = window.page
    with Callers(desk).calling() as callers:
        until(lambda: callers.newest(20) == {200: 20}, what="the service works", seconds=60)
        window.open("/")

        began = time.monotonic()
        callers.unit = "oz"
        alert = page.locator("[class*=st-key-matter-alert]", has_text=NAME).first
        _button(alert, "Open an incident").click(timeout=2 * LONG)
        dialog = page.get_by_role("dialog")
        dialog.get_by_role("button", name="Open it").click()

        expect(page).to_have_url(re.compile(r"/incident\?.*id=INC-\d+"), timeout=LONG)
        expect(page.get_by_role("heading", name=re.compile(rf"INC-\d+ {NAME}"))).to_be_visible(timeout=LONG)
        incident = desk.incidents.open_of(NAME)
        assert incident is not None
        suspect = page.locator(".st-key-suspect-1")
        expect(suspect.get_by_text(f"Change {NAME}: code")).to_be_visible(timeout=LONG)
        expect(suspect.get_by_text("same service")).to_be_visible()
        expect(page.get_by_text("The script raises in run()").first).to_be_visible(timeout=LONG)
        window.picture("incident-with-its-suspect")
        page.get_by_label("Note", exact=True).fill("callers send *oz* now", timeout=LONG)
        until(
            lambda: desk.drafts.find(OPERATOR, f"{incident.id}-note") == "callers send *oz* now",
            what="what is typed is kept",
            seconds=30,
        )
        page.reload()
        window.settle()
        expect(page.get_by_label("Note", exact=True)).to_have_value("callers send *oz* now", timeout=LONG)
        page.get_by_role("button", name="Add the note").click()

        _button(suspect, "Redeploy what ran before").click(timeout=LONG)
        page.get_by_role("dialog").get_by_role("button", name="Take it back").click(timeout=LONG)
        until(lambda: callers.newest(30) == {200: 30}, what="the service works again", seconds=120)

        _to_the_report(page, desk, incident.id)
        took = time.monotonic() - began
    print(f"From the first bad request to the report: {took:.0f} s.")
    assert took < WHOLE_SECONDS, f"{took:.0f} s"

    story = desk.stories.of(incident.id)
    told = [(entry.kind, entry.text) for entry in story.entries]
    assert story.first_bad is not None
    assert story.first_bad.code == 502
    assert ("note", "callers send *oz* now") in told
    assert [kind for kind, text in told if kind == "change" and text.startswith("Change juice-journey: code")]
    assert {"alert", "request", "change", "state", "log", "incident"} <= {kind for kind, _ in told}
    for address in (f"/incident?id={incident.id}", f"/incident?id={incident.id}&view=Review", "/incidents"):
        window.open(address)
        window.check()
    window.check_accessibility()


def test_its_screens_can_be_read_on_a_phone_on_a_wall_and_at_night(
    visit: OpenVisit, desk: bootstrap.Desk, axe: None
) -> None:
    incident = desk.incidents.open_of(NAME) or desk.incidents.open_from_service(OPERATOR, NAME)
    for theme, width in (("dark", 390), ("light", 1280)):
        window = visit(None, identity="operator", theme=theme, width=width)
        for name, address in (
            ("incident", f"/incident?id={incident.id}"),
            ("wall", f"/incident?id={incident.id}&wall=1"),
        ):
            window.open(address)
            expect(window.page.get_by_role("heading", name=re.compile(incident.id)).first).to_be_visible(timeout=LONG)
            window.check()
            window.check_accessibility()
            window.picture(f"{name}-{theme}-{width}")
    expect(window.page.get_by_test_id("stSidebar")).to_have_count(0)
    expect(window.page.get_by_role("button", name="Stable")).to_have_count(0)


def _to_the_report(page: Page, desk: bootstrap.Desk, incident_id: str) -> None:
    """Say that it is stable, write the review, close, export."""
    page.get_by_role("button", name="Stable").click()
    page.get_by_role("dialog").get_by_role("button", name="Stable").click()
    expect(page.get_by_text(re.compile("stable after")).first).to_be_visible(timeout=LONG)
    page.get_by_role("button", name="Close…").click()
    page.get_by_role("textbox", name="What happened").fill("The new code knew one unit.")
    page.get_by_role("textbox", name="What helped").fill("Going back to the code before.")
    page.get_by_role("textbox", name="What helped").press("Control+Enter")
    until(lambda: desk.drafts.find(OPERATOR, f"{incident_id}-helped") != "", what="the review is kept", seconds=30)
    page.get_by_role("button", name="Close the incident").click()
    expect(page.get_by_text(re.compile("closed after")).first).to_be_visible(timeout=LONG)
    page.get_by_test_id("stPopover").get_by_role("button", name="Export").click()
    link = page.get_by_role("link", name="HTML").get_attribute("href")
    answer = page.context.request.get(f"{page.url.split('/incident')[0]}{link}")
    assert answer.status == 200
    report = answer.text()
    for part in ("The new code knew one unit.", "Going back to the code before.", "<svg", "let Calls", "SHA-256"):
        assert part in report


def _button(within: Locator, name: str) -> Locator:
    return within.get_by_role("button", name=name)


def _a_while_ago(desk: bootstrap.Desk) -> None:
    """Let the changes so far have been made some minutes earlier: nobody waits for that."""
    done, states = ledger.operations, mirror.state_changes
    with desk.databases[0].writing() as work:
        for row in work.execute(sa.select(done).where(done.c.subject == NAME)).all():
            earlier = {name: getattr(row, name) - QUIET for name in ("requested_at", "started_at", "ended_at")}
            work.execute(sa.update(done).where(done.c.id == row.id).values(**earlier))
    with desk.databases[1].writing() as work:
        for row in work.execute(sa.select(states).where(states.c.service == NAME)).all():
            work.execute(sa.update(states).where(states.c.id == row.id).values(at=row.at - QUIET))
