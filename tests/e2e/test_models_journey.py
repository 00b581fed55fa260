"""Models and operations in a real browser: register by upload, edit, download, delete; and who did it, in the audit log."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Page, expect

if TYPE_CHECKING:
    from tests.e2e.conftest import OpenVisit
    from tests.e2e.stack import Stack

pytestmark = pytest.mark.slow

ENDED = 60_000


def test_a_model_is_registered_edited_downloaded_and_deleted(visit: OpenVisit, tmp_path: Path, axe: None) -> None:
    folder = tmp_path / "felines.zip"
    with zipfile.ZipFile(folder, "w") as archive:
        archive.writestr("weights.bin", b"0123456789" * 100)
        archive.writestr("words/labels.txt", "cat\ndog\n")
    window = visit("/models?view=Register", identity="operator")
    page = window.page

    _upload(page, folder)
    page.get_by_label("Name", exact=True).fill("felines")
    page.get_by_label("Name", exact=True).press("Enter")
    expect(page.get_by_text("felines is a new name: version 1.")).to_be_visible()
    page.get_by_text("Unpack the zip").click()
    window.check_accessibility()
    page.get_by_role("button", name="Register", exact=True).click()
    expect(page.get_by_text("succeeded").filter(visible=True).first).to_be_visible(timeout=ENDED)
    page.get_by_role("link", name="Open felines:1").click()
    expect(page.get_by_role("heading", name="felines:1")).to_be_visible()
    expect(page.get_by_text("local operator, through the desk")).to_be_visible()
    window.check_accessibility()

    page.get_by_text("Edit tags and description").click()
    page.get_by_label("Description").fill("Tells cats from dogs")
    page.get_by_role("button", name="Add a tag").click()
    page.get_by_placeholder("name", exact=True).fill("stage")
    page.get_by_placeholder("value", exact=True).fill("dev")
    page.get_by_placeholder("value", exact=True).press("Enter")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("Azure has everything as it was asked")).to_be_visible(timeout=ENDED)
    expect(page.get_by_text("stage=dev")).to_be_visible()
    expect(page.get_by_text("Tells cats from dogs").first).to_be_visible()

    page.get_by_role("button", name="Download", exact=True).click()
    save = page.get_by_role("link", name="Save felines-1.zip").first
    expect(save).to_be_visible(timeout=ENDED)
    with page.expect_download() as saving:
        save.click()
    with zipfile.ZipFile(saving.value.path()) as fetched:
        assert {Path(name).name for name in fetched.namelist()} == {"weights.bin", "labels.txt"}

    page.get_by_role("button", name="Delete", exact=True).click()
    page.get_by_text("Planned change").click()
    page.get_by_test_id("stDialog").get_by_role("button", name="Delete").click()
    expect(page.get_by_text("There is no model version felines:1 here")).to_be_visible(timeout=ENDED)


def test_an_operation_waits_for_its_worker_and_is_seen_to_end_by_who_comes_back(
    visit: OpenVisit, stack: Stack, tmp_path: Path
) -> None:
    file = tmp_path / "waiting.txt"
    file.write_text("a model")
    window = visit("/models?view=Register", identity="operator")
    _upload(window.page, file)
    window.page.get_by_label("Name", exact=True).fill("waiting")
    window.page.get_by_label("Name", exact=True).press("Enter")
    expect(window.page.get_by_text("waiting is a new name")).to_be_visible()

    back = visit(None, identity="viewer", width=390)
    stack.hold("worker")
    try:
        window.page.get_by_role("button", name="Register", exact=True).click()
        expect(window.page.get_by_text("queued 0/1").filter(visible=True).first).to_be_visible()
        operation = re.search(r"operation=(\w+)", window.page.url)
        assert operation
        window.page.goto("about:blank")
        back.open(f"/operations?operation={operation[1]}")
        expect(back.page.get_by_text("queued 0/1").filter(visible=True).first).to_be_visible()
    finally:
        stack.let_go("worker")

    expect(back.page.get_by_text("succeeded").filter(visible=True).first).to_be_visible(timeout=ENDED)
    expect(back.page.get_by_text("Upload the files and register the version")).to_be_visible()
    window.open(f"/operations?operation={operation[1]}")


def test_the_audit_log_tells_who_verifies_and_is_exported_by_an_admin_alone(visit: OpenVisit, axe: None) -> None:
    window = visit("/operations?view=Audit+log", identity="admin")
    page = window.page

    page.get_by_role("button", name="Verify the log").click()
    expect(page.get_by_text("as they were written")).to_be_visible()
    window.check_accessibility()
    with page.expect_download() as saving:
        page.get_by_role("link", name="Export as CSV").click()
    rows = list(csv.DictReader(io.StringIO(Path(saving.value.path()).read_text())))
    assert {"session.start"} <= {row["action"] for row in rows}

    viewer = visit("/operations?view=Audit+log", identity="viewer")
    status = viewer.page.evaluate("fetch('/audit.csv').then(answer => answer.status)")
    assert status == 403
    viewer.forgive("403")


def _upload(page: Page, file: Path) -> None:
    page.get_by_role("button", name="Upload a file").click()
    page.locator('input[type="file"]').set_input_files(file)
    expect(page.get_by_text(file.name)).to_be_visible()
    expect(page.get_by_role("button", name="Choose another file")).to_be_visible()
