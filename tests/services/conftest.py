"""Databases of one's own for tests of what needs nothing else."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.settings import Settings
from services.storage.database import Database
from services.storage.upgrade import open_current, upgrade


def settings_in(folder: Path) -> Settings:
    """Settings with all places below a folder."""
    return Settings(
        _env_file=None,  # type: ignore[call-arg]
        desk_data=folder / "data",
        desk_keys=folder / "keys",
        desk_anchor=folder / "elsewhere" / "anchor",
    )


@pytest.fixture(scope="module")
def upgraded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with empty databases at the present schema."""
    folder = tmp_path_factory.mktemp("upgraded")
    upgrade(settings_in(folder))
    return folder


@pytest.fixture
def settings(tmp_path: Path, upgraded: Path) -> Settings:
    """Folders of one's own; the databases at the present schema."""
    shutil.copytree(upgraded / "data", tmp_path / "data")
    return settings_in(tmp_path)


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    """The ledger."""
    opened, mirror = open_current(settings)
    yield opened
    opened.close()
    mirror.close()
