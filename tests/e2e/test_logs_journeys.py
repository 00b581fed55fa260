"""Logs in a real browser: a followed log is paused and linked to, a failed request is looked into, old logs stay."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import httpx2
import pytest
from playwright.sync_api import expect

from services import bootstrap
from services.log_snapshots import BEFORE
from tests.e2e.conftest import OpenVisit
from tests.e2e.service_maker import OPERATOR, make_service, open_desk
from tests.e2e.stack import Stack, until

pytestmark = pytest.mark.slow

NAME = "logged-dev"
WORDS = '{"data": "words"}'
TELEMETRY_SECONDS = 180


@pytest.fixture(scope="module")
def logged(stack: Stack) -> Iterator[bootstrap.Desk]:
    """A service that was called three times with what its script cannot take, and once with what it can."""
    with open_desk(stack) as desk:
        make_service(desk, NAME)
        for body, status in ((WORDS, 502), (WORDS, 502), (WORDS, 502), ('{"data": [1, 2]}', 200)):
            assert call(desk, body).status_code == status
        yield desk


def call(desk: bootstrap.Desk, body: str) -> httpx2.Response:
    """Call the service as a client does."""
    key = desk.gateway.mms.keys(NAME).primary
    with httpx2.Client(trust_env=False) as client:
        return client.post(
            desk.webservices.get(NAME).service.scoring_uri or "",
            content=body,
            headers={"Authorization": f"Bearer {key}", "Content-Type": "application/json"},
            timeout=30,
        )


def test_a_failure_leads_to_its_request_whose_values_are_unmasked_for_a_minute(
    visit: OpenVisit, logged: bootstrap.Desk, axe: None
) -> None:
    def seen() -> str:
        found = logged.failure_groups.of(NAME, since=datetime.now(UTC) - timedelta(hours=1))
        return next((group.id for group in found if group.count == 3), "")

    group = until(seen, what="the failures have arrived", seconds=TELEMETRY_SECONDS)
    deployment = next(one for one in logged.operations.page(subject=NAME) if one.kind == "service.deploy")
    window = visit(f"/logs?view=Failures&range=1h&group={group}", identity="operator")

    expect(window.page.get_by_role("heading", name="TypeError")).to_be_visible()
    expect(window.page.get_by_text("3 times in this range")).to_be_visible()
    expect(window.page.get_by_role("link", name=f"First in: {deployment.title}")).to_be_visible()
    window.check_accessibility()
    window.page.get_by_role("button", name="Look into a request of it").click()

    expect(window.page).to_have_url(re.compile("view=Request"))
    expect(window.page.get_by_role("heading", name="What run() raised")).to_be_visible()
    expect(window.page.get_by_text("502", exact=True)).to_be_visible()
    expect(window.page.get_by_text("unsupported operand type(s) for +: '•••' and '•••'").first).to_be_visible()
    window.page.get_by_role("button", name="Unmask for a minute").first.click()
    window.page.get_by_role("dialog").get_by_role("button", name="Unmask").click()
    expect(window.page.get_by_text("unsupported operand type(s) for +: 'int' and 'str'").first).to_be_visible()
    window.page.get_by_role("button", name="Mask now").click()
    expect(window.page.get_by_text("unsupported operand type(s) for +: '•••' and '•••'").first).to_be_visible()
    assert logged.audit.page(action="values.unmask", limit=1)[0].object == NAME


def test_a_followed_log_is_paused_and_a_line_of_it_linked_to(visit: OpenVisit, logged: bootstrap.Desk) -> None:
    window = visit(f"/logs?of={NAME}&follow=true&find=asked", identity="operator")
    expect(window.page.get_by_text("asked for {'data': [1, 2]}")).to_be_visible()

    window.page.get_by_role("button", name="Pause").click()
    expect(window.page.get_by_text("paused at")).to_be_visible()
    assert call(logged, '{"data": [40, 2]}').status_code == 200
    window.page.get_by_role("button", name="Go on").click()
    expect(window.page.get_by_text("asked for {'data': [40, 2]}")).to_be_visible()
    window.page.get_by_role("button", name="Link to a line").click()

    expect(window.page).to_have_url(re.compile(r"view=Previous.*snapshot=|snapshot=.*view=Previous"))
    kept = logged.log_snapshots.of(NAME)[0]
    assert (kept.why, kept.id in window.page.url) == ("kept by hand", True)
    number = next(
        number
        for number, line in enumerate(logged.log_snapshots.read(OPERATOR, kept.id), start=1)
        if "[40, 2]" in line.text
    )
    another = visit(f"/logs?view=Previous&of={NAME}&snapshot={kept.id}&line={number}", width=390)
    expect(another.page.get_by_text(re.compile(rf"▶\s+{number}\s.*\[40, 2\]"))).to_be_visible()


def test_what_a_deleted_service_had_written_can_still_be_read(visit: OpenVisit, logged: bootstrap.Desk) -> None:
    operation = logged.webservices.delete(OPERATOR, NAME, typed_name=NAME)
    until(lambda: not logged.operations.get(operation).is_open, what="the service is deleted", seconds=60)
    assert BEFORE in {one.why for one in logged.log_snapshots.of(NAME) if one.operation == operation}
    until(lambda: NAME not in logged.webservices.names(), what="the list knows it is gone")

    window = visit(f"/logs?view=Previous&of={NAME}", identity="viewer", theme="dark", width=390)

    def says_gone() -> bool:
        # The screen's list of what is there may be some seconds old.
        window.open(f"/logs?view=Previous&of={NAME}")
        return window.page.get_by_text(f"{NAME} is gone; these are its last logs.").is_visible()

    until(says_gone, what="the screen says that the service is gone")
    kept = next(one for one in logged.log_snapshots.of(NAME) if one.why == BEFORE and not one.is_init)
    window.open(f"/logs?view=Previous&of={NAME}&snapshot={kept.id}&find=loaded")
    expect(window.page.get_by_text("the model is loaded")).to_be_visible()
