"""Deploying in a real browser: from a model version to a service that answers, a change, a conflict, a failure."""

from __future__ import annotations

import io
import json
import re
import urllib.request
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Page, expect

from services.files import MODEL_LIMIT
from tests.e2e.browsing import BASELINE, axe_findings
from tests.e2e.service_maker import OPERATOR, SCORE, open_desk
from tests.e2e.stack import until

if TYPE_CHECKING:
    from services.bootstrap import Desk
    from tests.e2e.browsing import Visit
    from tests.e2e.conftest import OpenVisit
    from tests.e2e.stack import Stack

pytestmark = pytest.mark.slow

MODEL = "journey"
NAME = "journey-dev"
KEY = "canary-own-key-of-the-journey"
LONG = 240_000


@pytest.fixture(scope="module")
def desk(stack: Stack) -> Iterator[Desk]:
    """The services beside the screens, with one model version."""
    with open_desk(stack) as opened:
        file = opened.files.keep(io.BytesIO(b"weights"), name="w.bin", purpose="model", by=OPERATOR, limit=MODEL_LIMIT)
        opened.registry.register(OPERATOR, name=MODEL, upload=file)
        until(lambda: opened.registry.page(name=MODEL).total, what="the model version is listed", seconds=60)
        yield opened


def zipped(folder: Path, script: str) -> Path:
    path = folder / "code.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("score.py", script)
    return path


def fill(window: Visit, role: str, label: str, text: str) -> None:
    """Type into a field and leave it."""
    field = window.page.get_by_role(role, name=label, exact=True)  # type: ignore[arg-type]
    field.fill(text)
    field.press("Tab")
    window.settle()


def choose(window: Visit, label: str) -> None:
    window.page.get_by_role("radio", name=label).click()
    window.settle()


def compose(window: Visit, code: Path, *, service: str) -> None:
    """Fill the form with code, an environment and a name; the model comes from the address."""
    page = window.page
    page.locator(".st-key-deploy-file input[type=file]").set_input_files(code)
    expect(page.get_by_text("code.zip: 1 file,")).to_be_visible()
    choose(window, "From a conda or pip file")
    choose(window, "pip (requirements)")
    fill(window, "textbox", "Packages", "azureml-defaults")
    fill(window, "textbox", "Name of the environment", "sums")
    fill(window, "textbox", "Service name", service)


def launch(page: Page) -> None:
    """A double click, which is one launch."""
    page.get_by_test_id("stBaseButton-primary").dblclick()
    page.wait_for_url("**operation=**")


def test_a_model_version_becomes_a_service_that_answers_to_a_key_of_ones_own(
    visit: OpenVisit, desk: Desk, tmp_path: Path
) -> None:
    window = visit(f"/deploy?model={MODEL}:1", identity="operator")
    compose(window, zipped(tmp_path, SCORE), service=NAME)
    fill(window, "textbox", "Primary key", KEY)
    expect(window.page.get_by_text("Create journey-dev on ACI")).to_be_visible()
    window.page.get_by_text("The same in code").click()
    expect(window.page.get_by_text("AciWebservice.deploy_configuration(")).to_be_visible()

    launch(window.page)
    address = window.page.url.removeprefix(window.url)
    window.open("/models")

    later = visit(address, identity="operator")
    expect(later.page.get_by_text("succeeded").first).to_be_visible(timeout=LONG)
    assert len(desk.operations.page(subject=NAME)) == 1
    until(lambda: desk.webservices.find(NAME), what=f"{NAME} is listed")
    asked = urllib.request.Request(
        str(desk.webservices.get(NAME).service.scoring_uri),
        data=json.dumps({"data": [1, 2]}).encode(),
        headers={"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(asked, timeout=10) as answer:
        assert json.load(answer) == {"sum": 3}


def test_what_was_changed_meanwhile_is_planned_anew_and_nothing_typed_is_lost(visit: OpenVisit, desk: Desk) -> None:
    window = visit(f"/deploy?service={NAME}", identity="operator")
    expect(window.page.get_by_text("is already as asked").first).to_be_visible()
    fill(window, "spinbutton", "Memory (GB)", "2")
    expect(window.page.get_by_text("needs a redeploy").first).to_be_visible()
    expect(window.page.get_by_text("The present ones are sent along")).to_be_visible()

    now = desk.deployments.wanted_now(NAME)
    tagged = replace(now, tags={**now.tags, "team": "forecasting"})
    desk.deployments.launch(OPERATOR, tagged, based_on=desk.deployments.plan(tagged).based_on)
    until(
        lambda: desk.webservices.get(NAME).service.tags.get("team") == "forecasting",
        what="the other change is listed",
        seconds=60,
    )
    window.page.get_by_test_id("stBaseButton-primary").click()

    expect(window.page.get_by_text("was changed since this plan was made")).to_be_visible()
    expect(window.page.get_by_role("spinbutton", name="Memory (GB)")).to_have_value("2")
    assert not [found for found in desk.operations.page(subject=NAME) if "Redeploy" in found.title]


def test_what_does_not_start_says_why_and_leads_back_to_the_form(visit: OpenVisit, desk: Desk, tmp_path: Path) -> None:
    window = visit(f"/deploy?model={MODEL}:1", identity="operator")
    compose(window, zipped(tmp_path, SCORE), service="journey-broken")
    fill(window, "textbox", "Packages", "azureml-defaults==0.0.0")

    launch(window.page)

    expect(window.page.get_by_text("It failed at")).to_be_visible(timeout=LONG)
    expect(window.page.get_by_text("azureml-defaults==0.0.0").first).to_be_visible()
    window.page.get_by_role("button", name="Change and launch again").click()
    expect(window.page.get_by_role("textbox", name="Service name")).to_have_value("journey-broken")
    expect(window.page.get_by_text("code.zip: 1 file,")).to_be_visible()
    expect(window.page.get_by_role("textbox", name="Packages")).to_have_value(re.compile("azureml-defaults==0.0.0"))


def check_all_but_fixed_colours(window: Visit) -> None:
    """axe finds nothing but two colours that Streamlit lets nobody change: words of code, and white on a chip at night."""
    known = {(entry["rule"], entry["widget"]) for entry in json.loads(BASELINE.read_text())}
    known.add(("color-contrast", "stCode"))
    if window.page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches"):
        known.add(("color-contrast", "stMultiSelectTagsContainer"))
    assert not [finding for finding in axe_findings(window.page) if (finding["rule"], finding["widget"]) not in known]


@pytest.mark.parametrize(("theme", "width"), [("light", 1280), ("dark", 390), ("dark", 1920)])
def test_the_form_fits_and_can_be_read_by_everyone(
    visit: OpenVisit, desk: Desk, axe: None, theme: str, width: int
) -> None:
    window = visit(f"/deploy?model={MODEL}:1", identity="operator", theme=theme, width=width)
    choose(window, "AKS: replicas on a cluster, for production")
    window.page.get_by_text("Liveness probe").click()
    fill(window, "spinbutton", "Probe every (s)", "0")
    expect(window.page.get_by_text("must be greater than zero").first).to_be_visible()

    # Tab leads to the sign for help, which shows its text in a layer of Streamlit's own.
    window.page.get_by_role("heading", name="Deploy", exact=True).click()
    expect(window.page.get_by_role("tooltip")).to_have_count(0)
    check_all_but_fixed_colours(window)
    window.picture(f"deploy-{theme}-{width}")

    window.open(f"/deploy?service={NAME}")
    fill(window, "spinbutton", "Memory (GB)", "2")
    expect(window.page.get_by_role("button", name="Launch the redeploy")).to_be_enabled()
    window.page.get_by_role("heading", name="Deploy", exact=True).click()
    expect(window.page.get_by_role("tooltip")).to_have_count(0)
    check_all_but_fixed_colours(window)
    window.picture(f"deploy-change-{theme}-{width}")


def test_a_half_filled_form_survives_refreshes_and_another_screen(visit: OpenVisit, desk: Desk) -> None:
    window = visit("/deploy", identity="operator")
    fill(window, "textbox", "Service name", "half-filled")
    fill(window, "spinbutton", "CPU cores", "0.7")
    window.page.get_by_role("textbox", name="Service name").fill("half-filled-and-typing")
    freshness = window.page.get_by_text("updated", exact=False).first
    for _ in range(3):
        expect(freshness).not_to_have_text(freshness.inner_text(), timeout=20_000)

    expect(window.page.get_by_role("textbox", name="Service name")).to_have_value("half-filled-and-typing")
    window.page.get_by_role("textbox", name="Service name").press("Tab")
    window.page.get_by_role("link", name="Services").click()
    window.settle()
    window.page.get_by_role("link", name="Deploy", exact=True).click()
    window.settle()

    expect(window.page.get_by_role("textbox", name="Service name")).to_have_value("half-filled-and-typing")
    expect(window.page.get_by_role("spinbutton", name="CPU cores")).to_have_value("0.7")
