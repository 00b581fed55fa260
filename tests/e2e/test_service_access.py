"""Who may call a service, in a real browser: keys, tokens, nobody asked, rotation begun and stopped, lines that call it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Page, expect

from services.azureml.computes import create_aks
from services.azureml.credentials import for_worker
from services.azureml.fields import form_defaults
from services.azureml.gateway import open_gateway
from tests.e2e.service_maker import make_service, open_desk
from tests.e2e.stack import until

if TYPE_CHECKING:
    from services.bootstrap import Desk
    from tests.e2e.browsing import Visit
    from tests.e2e.conftest import OpenVisit
    from tests.e2e.stack import Stack

pytestmark = pytest.mark.slow

NAME, CLUSTER = "guarded-prod", "guarded"
SECONDS, LONG = 60, 60_000
BODY = '{"data": [1, 2, 3.5]}'
OWN_KEY = "a-key-of-our-own-from-the-vault-0815"


@pytest.fixture(scope="module")
def desk(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """The services beside the screens, with one healthy service on a cluster of one node."""
    with open_desk(stack) as opened, pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
        gateway = open_gateway(for_worker(opened.settings))
        create_aks(gateway.access, CLUSTER, nodes=1, vm_size="Standard_D3_v2", purpose="DevTest")
        gateway.close()
        until(
            lambda: [found for found in opened.webservices.computes() if found.name == CLUSTER and found.nodes == 1],
            what="the cluster is listed",
            seconds=SECONDS,
        )
        small = {"cpu_cores": 0.1, "memory_gb": 0.5, "autoscale_enabled": False, "num_replicas": 1}
        make_service(
            opened,
            NAME,
            target="AKS",
            compute=CLUSTER,
            configuration={**form_defaults("AKS"), **small},
        )
        yield opened


def score(desk: Desk, secret: str | None = None) -> int:
    """What a client of the service is answered."""
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {secret}"} if secret else {})
    address = desk.gateway.mms.service(NAME).scoring_uri or ""
    try:
        with urllib.request.urlopen(
            urllib.request.Request(address, data=BODY.encode(), headers=headers), timeout=30
        ) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code


def answered(desk: Desk, secret: str | None, status: int) -> None:
    """Wait until the front end answers so; it hears of a change a moment after the control plane."""
    until(lambda: score(desk, secret) == status, what=f"a client is answered {status}", seconds=SECONDS)


def press(page: Page, label: str, confirm: str, *, says: str) -> None:
    """Press a button, read in its question what will happen, and say yes."""
    page.get_by_role("button", name=label, exact=True).click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text(re.compile(says)).first).to_be_visible()
    dialog.get_by_role("button", name=confirm, exact=True).click()
    expect(page.get_by_role("dialog")).to_have_count(0, timeout=LONG)


def cells(page: Page, text: str) -> None:
    """A table on the screen has a cell with this text; it is drawn on a canvas, with a table for screen readers in it."""
    expect(page.locator("canvas th, canvas td", has_text=re.compile(f"^{re.escape(text)}$")).first).to_be_attached(
        timeout=LONG
    )


def header_says(window: Visit, words: str) -> None:
    """The header follows the service by itself."""
    expect(window.page.locator(".stMarkdownBadge", has_text=words).first).to_be_visible(timeout=LONG)


def test_insights_are_switched_off_and_on_with_a_plan_first_and_read_back(visit: OpenVisit, desk: Desk) -> None:
    window = visit(f"/service?name={NAME}&view=Configuration", identity="operator")
    page = window.page

    page.get_by_role("button", name="Turn Application Insights off").click()
    expect(page.get_by_role("dialog").get_by_text("Nothing is recorded any more")).to_be_visible()
    cells(page, "Application Insights")
    assert desk.gateway.mms.service(NAME).configuration["enable_app_insights"] is True, "nothing is sent before yes"
    page.get_by_role("dialog").get_by_role("button", name="Apply").click()

    header_says(window, "Application Insights off")
    last = page.get_by_text(re.compile("Last change, .* as it was asked"))
    expect(last).to_be_visible(timeout=LONG)
    last.click()
    for text in ("Asked", "Got", "off"):
        cells(page, text)
    assert desk.gateway.mms.service(NAME).configuration["enable_app_insights"] is False
    press(page, "Turn Application Insights on", "Apply", says="Requests, traces and exceptions are recorded")
    header_says(window, "Application Insights on")
    assert desk.gateway.mms.service(NAME).configuration["enable_app_insights"] is True


def test_a_service_goes_from_keys_to_tokens_to_nobody_asked_and_back(visit: OpenVisit, desk: Desk) -> None:
    window = visit(f"/service?name={NAME}&view=Configuration", identity="operator")
    page, key = window.page, desk.gateway.mms.keys(NAME).primary
    answered(desk, key, 200)

    press(page, "Switch to tokens", "Apply", says="it expires")
    header_says(window, "token authentication")
    answered(desk, key, 401)
    page.get_by_role("radio", name="Access", exact=True).click()
    press(page, "Fetch a token", "Fetch", says="audit log first")
    expect(page.get_by_text("Expires in")).to_be_visible()
    token = page.get_by_test_id("stCode").filter(has_text="eyJ").inner_text().strip()
    assert score(desk, token) == 200
    page.get_by_role("button", name="Hide now").click()
    expect(page.get_by_text(token)).to_have_count(0)

    page.get_by_role("radio", name="Configuration", exact=True).click()
    page.get_by_role("button", name="Make anonymous…").click()
    yes = page.get_by_role("dialog").get_by_role("button", name="Apply", exact=True)
    expect(page.get_by_role("dialog").get_by_text("Anyone who knows the address can call it")).to_be_visible()
    expect(yes).to_be_disabled()
    page.get_by_role("textbox", name=f"Type {NAME} to confirm").fill(NAME)
    expect(yes).to_be_enabled()
    yes.click()
    header_says(window, "anonymous")
    answered(desk, None, 200)

    press(page, "Turn key authentication on", "Apply", says="answered 401 from then on")
    header_says(window, "key authentication")
    answered(desk, None, 401)
    answered(desk, desk.gateway.mms.keys(NAME).primary, 200)
    assert [entry.result for entry in desk.audit.page(service=NAME, action="keys.token")]
    assert f"Make {NAME} anonymous" in [found.title for found in desk.operations.page(subject=NAME)]


def test_one_key_is_renewed_and_one_set_while_the_other_goes_on_working(visit: OpenVisit, desk: Desk) -> None:
    window = visit(f"/service?name={NAME}&view=Access", identity="operator")
    page, before = window.page, desk.gateway.mms.keys(NAME)

    press(page, "Reveal keys", "Reveal", says="audit log first")
    expect(page.get_by_text(before.secondary)).to_be_visible()
    press(page, "Regenerate secondary", "Regenerate", says="answered 401 from then on")
    # Well before its minute is over: an old key must not be copied from the screen.
    expect(page.get_by_text(before.secondary)).to_have_count(0, timeout=30_000)
    answered(desk, before.secondary, 401)
    assert score(desk, before.primary) == 200
    expect(page.get_by_text(re.compile("Secondary renewed "))).to_be_visible(timeout=LONG)

    page.get_by_role("button", name="Set primary").click()
    value = page.get_by_role("dialog").get_by_role("textbox", name="New value")
    value.fill("short")
    expect(page.get_by_role("dialog").get_by_text("fewer than 16 characters")).to_be_visible()
    value.fill(OWN_KEY)
    page.get_by_role("dialog").get_by_role("button", name="Set", exact=True).click()
    answered(desk, OWN_KEY, 200)
    answered(desk, before.primary, 401)
    assert score(desk, desk.gateway.mms.keys(NAME).secondary) == 200
    expect(page.get_by_text(OWN_KEY)).to_have_count(0)


def test_a_rotation_that_waits_keeps_other_renewals_out_until_it_is_stopped(visit: OpenVisit, desk: Desk) -> None:
    window = visit(f"/service?name={NAME}&view=Access", identity="operator")
    page, before = window.page, desk.gateway.mms.keys(NAME)
    page.get_by_role("radio", name="primary", exact=True).click()
    press(page, "Start rotating", "Start", says="both keys are proved by a probe")
    expect(page.get_by_text("Waits for clients.")).to_be_visible(timeout=LONG)
    now = desk.gateway.mms.keys(NAME)
    assert (now.primary != before.primary, now.secondary) == (True, before.secondary)

    page.get_by_role("button", name="Regenerate secondary").click()
    page.get_by_role("dialog").get_by_role("button", name="Regenerate", exact=True).click()
    expect(page.get_by_role("dialog").get_by_text("are being rotated by")).to_be_visible()
    page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    window.picture("service-access-rotation-light-1280")
    press(page, "Stop rotating", "Stop", says="both go on working")

    expect(page.get_by_text("Past rotations (1)")).to_be_visible(timeout=LONG)
    assert desk.gateway.mms.keys(NAME) == now
    assert (score(desk, now.primary), score(desk, now.secondary)) == (200, 200)


def test_the_lines_under_consume_run_as_they_stand(visit: OpenVisit, desk: Desk, tmp_path: Path) -> None:
    window = visit(f"/service?name={NAME}&view=Tests", identity="operator")
    page = window.page
    body = page.get_by_role("textbox", name="Body")
    body.fill(BODY)
    body.press("Control+Enter")
    window.settle()
    page.get_by_role("radio", name="Consume", exact=True).click()
    expect(page.get_by_text("The body is the one under Tests")).to_be_visible()
    page.get_by_role("radio", name="secondary", exact=True).click()
    expect(page.get_by_test_id("stCode").filter(has_text="curl --fail-with-body")).to_contain_text("_s_$(openssl")
    window.settle()
    blocks = [block.inner_text() for block in page.get_by_test_id("stCode").all()]
    curl = next(text for text in blocks if text.startswith("curl"))
    python = next(text for text in blocks if text.startswith("import json"))
    keys = desk.gateway.mms.keys(NAME)
    assert not any(secret in "".join(blocks) for secret in (keys.primary, keys.secondary))
    secret = os.environ | {"SCORING_KEY": keys.secondary}

    for command in (["bash", "-c", curl], [sys.executable, "-c", python]):
        ran = subprocess.run(command, env=secret, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
        assert (ran.returncode, "6.5" in ran.stdout) == (0, True), ran.stderr
    refused = subprocess.run(
        ["bash", "-c", curl], env=secret | {"SCORING_KEY": "wrong"}, capture_output=True, check=False
    )
    assert refused.returncode != 0


def test_history_says_what_differs_between_two_of_its_bundles(visit: OpenVisit, desk: Desk) -> None:
    window = visit(f"/service?name={NAME}&view=History", identity="viewer")

    cells(window.page, "Key authentication")
    window.settle()
    expect(window.choices("After")).to_have_count(len(desk.deployments.bundles(NAME)))
