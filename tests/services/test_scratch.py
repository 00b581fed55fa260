"""Temporary files lie in the data folder, and what a killed process left of them goes."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path

import pytest

from services import scratch
from services.settings import ROOT, Settings
from tests.running_workspace import wait_for

WORKER_SECONDS = 60.0


def test_temporary_files_lie_where_the_process_settled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", None)

    scratch.settle(tmp_path / "scratch" / "worker-0")

    with tempfile.TemporaryDirectory(prefix="desk-deploy-") as folder:
        assert Path(folder).parent == tmp_path / "scratch" / "worker-0"
    assert (tmp_path / "scratch" / "worker-0").stat().st_mode & 0o777 == 0o700


def test_what_is_left_over_is_swept_and_what_is_young_stays(tmp_path: Path) -> None:
    old, young, other = tmp_path / "desk-code-old", tmp_path / "desk-code-young", tmp_path / "kept"
    for folder in (old, young, other):
        folder.mkdir()
        (folder / "score.py").write_text("def run(data): ...")
    long_ago = time.time() - timedelta(days=2).total_seconds()
    os.utime(old, (long_ago, long_ago))
    os.utime(other, (long_ago, long_ago))

    assert scratch.sweep(tmp_path, pattern="desk-*", older_than=scratch.UNSWEPT_FOR) == 1

    assert sorted(path.name for path in tmp_path.iterdir()) == ["desk-code-young", "kept"]


def test_a_link_is_swept_and_not_what_it_points_to(tmp_path: Path) -> None:
    place, elsewhere = tmp_path / "scratch", tmp_path / "elsewhere"
    place.mkdir()
    elsewhere.mkdir()
    (place / "link").symlink_to(elsewhere)

    assert scratch.sweep(place) == 1
    assert scratch.sweep(tmp_path / "not made yet") == 0
    assert elsewhere.is_dir()


def test_a_worker_sweeps_the_key_that_a_killed_one_left(settings: Settings) -> None:
    left = settings.scratch / settings.worker_id / "desk-deploy-abc" / "key.pem"
    left.parent.mkdir(parents=True)
    left.write_text("-----BEGIN PRIVATE KEY-----")
    environment = {**os.environ, "DESK_DATA": str(settings.data), "DESK_KEYS": str(settings.keys)}
    worker = subprocess.Popen([sys.executable, "-m", "services.worker"], cwd=ROOT, env=environment)
    try:
        wait_for(lambda: not left.parent.exists(), "the worker to sweep", WORKER_SECONDS)

        assert worker.poll() is None, "it waits for its workspace"
    finally:
        worker.terminate()
        assert worker.wait(WORKER_SECONDS) == 0
