"""Two local workspaces in one process: each one's certificates are trusted, also after it made new ones."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from services.azureml import trust


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a process that trusts nothing of ours yet."""
    monkeypatch.delenv(trust.VARIABLE, raising=False)
    monkeypatch.setattr(trust, "_held", [])
    monkeypatch.setattr(trust, "_joined", None)


def bundle(folder: Path, name: str, text: str) -> str:
    path = folder / name
    path.write_text(text)
    return str(path)


def trusted() -> str:
    return Path(os.environ[trust.VARIABLE]).read_text()


def test_one_workspace_is_trusted_by_its_own_file(tmp_path: Path) -> None:
    first = bundle(tmp_path, "first.pem", "FIRST")

    trust.hold(first)

    assert os.environ[trust.VARIABLE] == first


def test_two_are_trusted_together_and_as_they_are_now(tmp_path: Path) -> None:
    first, second = bundle(tmp_path, "first.pem", "FIRST"), bundle(tmp_path, "second.pem", "SECOND")
    trust.hold(first)
    trust.hold(second)
    assert trusted().split() == ["FIRST", "SECOND"]

    bundle(tmp_path, "first.pem", "RENEWED")
    os.utime(first, (1, 1))
    trust.hold(first)

    assert trusted().split() == ["RENEWED", "SECOND"]


def test_what_the_host_trusts_stays_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(trust.VARIABLE, bundle(tmp_path, "host.pem", "HOST"))

    trust.hold(bundle(tmp_path, "ours.pem", "OURS"))

    assert trusted().split() == ["HOST", "OURS"]
