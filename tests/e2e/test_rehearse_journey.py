"""Rehearsing in a real browser: from the form to a verdict, an edit of the code, and back to the form with the edit."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.e2e.service_maker import make_service, open_desk

if TYPE_CHECKING:
    from services.bootstrap import Desk
    from tests.e2e.conftest import OpenVisit
    from tests.e2e.stack import Stack

pytestmark = pytest.mark.slow

NAME = "rehearse-dev"
EDITED = """
def init():
    pass

def run(data):
    return {"sum": 0}
"""
LONG = 240_000


@pytest.fixture(scope="module")
def desk(stack: Stack) -> Iterator[Desk]:
    """The services beside the screens, with one service to copy."""
    with open_desk(stack) as opened:
        make_service(opened, NAME)
        yield opened


def test_a_bundle_is_rehearsed_edited_and_brought_back_to_the_form(
    visit: OpenVisit, desk: Desk, tmp_path: Path
) -> None:
    window = visit(f"/deploy?copy={NAME}", identity="operator", width=390)
    page = window.page
    name = page.get_by_role("textbox", name="Service name", exact=True)
    name.fill("rehearsed-copy")
    name.press("Tab")
    window.settle()

    page.get_by_role("button", name="Rehearse first").click()
    expect(page.get_by_text("models, code and environment were deployed")).to_be_visible(timeout=LONG)
    page.get_by_text("Edit the code and try again").click()
    path = tmp_path / "edited.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("score.py", EDITED)
    page.locator("[data-testid=stFileUploader] input[type=file]").set_input_files(path)
    button = page.get_by_role("button", name="Rehearse the edit")
    expect(button).to_be_enabled()
    button.click()
    expect(page.get_by_text("only the code was deployed again")).to_be_visible(timeout=LONG)

    page.get_by_role("button", name="Back to the form").click()

    expect(page.get_by_role("textbox", name="Service name", exact=True)).to_have_value("rehearsed-copy")
    expect(page.get_by_text("edited.zip: 1 file,")).to_be_visible()
    expect(page.get_by_text("It starts and answers.")).to_be_visible()
    assert desk.webservices.find("rehearsed-copy") is None
