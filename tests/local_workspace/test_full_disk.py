"""A full disk is said in a sentence, with a code that no client takes for a passing trouble."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.requests import Request

from local_workspace.files import is_full
from local_workspace.state import State
from local_workspace.wire import Call, route


def fill_a_device(_: Any = None) -> dict[str, Any]:
    with open("/dev/full", "w") as file:
        file.write("no room")
    return {}


def fill_a_database(folder: Path) -> dict[str, Any]:
    state = State(folder / "state.sqlite3")
    try:
        with state.transaction() as work:
            work.execute("PRAGMA max_page_count = 1")
            work.execute("INSERT INTO assets (id, document) VALUES ('a', ?)", ("x" * 1_000_000,))
    finally:
        state.close()
    return {}


def answered(handler: Callable[[Call], Any]) -> tuple[int, dict[str, Any]]:
    """What a route answers whose handler does this."""
    app = SimpleNamespace(state=SimpleNamespace(workspace=None))
    path = "/modelmanagement/v1.0/x"
    scope = {"type": "http", "method": "GET", "path": path, "headers": [], "query_string": b"", "app": app}
    request = Request(scope | {"caller": None, "path_params": {}, "server": ("127.0.0.1", 80), "scheme": "http"})
    response = asyncio.run(route(path, handler).endpoint(request))
    return response.status_code, json.loads(response.body)


def test_a_full_disk_and_a_full_database_are_told_from_other_failures(tmp_path: Path) -> None:
    with pytest.raises(OSError) as device:  # noqa: PT011 - which error it is, is the question
        fill_a_device()
    with pytest.raises(sqlite3.OperationalError) as database:
        fill_a_database(tmp_path)

    assert is_full(device.value)
    assert is_full(database.value)
    assert not is_full(FileNotFoundError(2, "not there"))
    assert not is_full(sqlite3.OperationalError("no such table"))


def test_what_did_not_fit_leaves_nothing_behind_and_what_fits_is_kept(tmp_path: Path) -> None:
    with pytest.raises(sqlite3.OperationalError, match="full"):
        fill_a_database(tmp_path)

    state = State(tmp_path / "state.sqlite3")
    with state.transaction() as work:
        work.execute("INSERT INTO assets (id, document) VALUES ('b', '{}')")
    state.close()
    again = State(tmp_path / "state.sqlite3")
    assert [row["id"] for row in again.rows("SELECT id FROM assets")] == ["b"]
    again.close()


def test_the_answer_says_that_the_disk_is_full(tmp_path: Path) -> None:
    for handler in (fill_a_device, lambda _: fill_a_database(tmp_path)):
        status, body = answered(handler)
        assert (status, body["code"]) == (507, "InsufficientStorage")
        assert body["message"] == "The disk of the local workspace is full: make room, then try again."
