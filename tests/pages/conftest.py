"""Fixtures of the page tests: the real desk on databases of its own, against one real local workspace."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from dashboard import context
from tests.running_workspace import ROOT, RunningWorkspace

if TYPE_CHECKING:
    from services.bootstrap import Desk

OpenPage = Callable[..., AppTest]


@pytest.fixture(scope="session")
def empty_databases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with both databases at the present schema, made once and copied by every test."""
    data = tmp_path_factory.mktemp("databases") / "data"
    data.mkdir()
    subprocess.run(
        [sys.executable, "-m", "services.storage", "upgrade"],
        cwd=ROOT,
        env=os.environ | {"DESK_DATA": str(data)},
        check=True,
        timeout=60,
    )
    return data


@pytest.fixture
def desk(
    local_workspace: RunningWorkspace, empty_databases: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Desk]:
    """The services as the screens get them, on empty databases."""
    monkeypatch.setenv("WORKSPACE_CONNECTION", str(local_workspace.connection_file))
    monkeypatch.setenv("DESK_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("DESK_KEYS", str(tmp_path / "keys"))
    monkeypatch.setenv("DESK_ANCHOR", str(tmp_path / "anchor" / "anchor"))
    shutil.copytree(empty_databases, tmp_path / "data")
    st.cache_data.clear()
    st.cache_resource.clear()
    yield context.services()
    st.cache_data.clear()
    st.cache_resource.clear()


@pytest.fixture
def open_page(desk: Desk) -> OpenPage:
    """Open a screen through the shell: `open_page("service", identity="operator", name="wine-dev")`."""

    def open_(page: str, /, *, identity: str | None = None, **query: str) -> AppTest:
        at = AppTest.from_file(ROOT / "dashboard" / "app.py", default_timeout=30)
        at.query_params.update(query)
        if identity:
            # A window without a browser has no cookie.
            at.session_state[context.COOKIE] = desk.sessions.start_local(identity)
        at.run()
        if page != "overview":
            at.switch_page(f"../pages/{page}.py").run()
        return at

    return open_
