"""What scoring keeps in files: container logs, fault files, the folder of a running workspace."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from local_workspace.scoring import container_logs, run_folder
from local_workspace.scoring.container_logs import ContainerLogs, cause_of_crash
from local_workspace.scoring.faults import Faults


def test_lines_of_several_replicas_are_read_in_order_of_time_with_tracebacks_kept_whole(tmp_path: Path) -> None:
    logs = ContainerLogs(tmp_path)
    folder = logs.open_revision("one", "r1")
    (folder / "replica-1.log").write_text(
        "2026-11-21 10:00:00,000 I [1] a - first\n2026-11-21 10:00:02,000 E [1] a - third\nTraceback:\n  deep\n"
    )
    (folder / "replica-2.log").write_text("2026-11-21 10:00:01,000 I [2] a - second\n")
    logs.write_init("one", "r1", "models are there")

    lines = logs.tail("one", lines=10, init=False).splitlines()

    assert [line.split(" - ")[-1] for line in lines] == ["first", "second", "third", "Traceback:", "  deep"]
    assert logs.tail("one", lines=2, init=False) == "Traceback:\n  deep"
    assert logs.tail("one", lines=10, init=True).endswith(" I models are there")
    assert logs.tail("unknown", lines=10, init=False) == ""


def test_the_newest_revision_is_read_and_only_two_are_kept(tmp_path: Path) -> None:
    logs = ContainerLogs(tmp_path)
    for revision in ("r1", "r2", "r3"):
        (logs.open_revision("one", revision) / "replica-1.log").write_text(revision)

    assert logs.tail("one", lines=1, init=False) == "r3"
    assert sorted(entry.name for entry in (tmp_path / "one").iterdir()) == ["r2", "r3"]
    logs.forget("one")
    assert not (tmp_path / "one").exists()


def test_a_file_past_its_limit_is_put_aside_and_still_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(container_logs, "LIMIT_BYTES", 100)
    logs = ContainerLogs(tmp_path)
    file = logs.open_revision("one", "r1") / "replica-1.log"
    with file.open("a") as replica:
        replica.write("\n".join(f"line {number}" for number in range(30)) + "\n")
        replica.flush()
        logs.trim()
        replica.write("after\n")

    assert file.read_text() == "after\n"
    assert logs.tail("one", lines=2, init=False) == "line 29\nafter"


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        (
            "ModuleNotFoundError: No module named 'x'\n\nThe above exception was the direct cause of the following "
            "exception:\n\nazureml.UserScriptImportException: Failed to import user script\n",
            "ModuleNotFoundError: No module named 'x'",
        ),
        ("Traceback (most recent call last):\n  File 'a'\nMemoryError\n", "MemoryError"),
        ("2026-11-21 10:00:00,000 I [1] azmlinfsrv - Starting\n", ""),
    ],
)
def test_the_users_own_error_is_found_in_a_crashs_log(tmp_path: Path, text: str, cause: str) -> None:
    log = tmp_path / "replica-1.log"
    log.write_text("OldError: from before\n" + text)

    assert cause_of_crash(log, since=len("OldError: from before\n")) == cause


def test_a_fault_of_a_service_that_is_not_there_waits_for_it(tmp_path: Path) -> None:
    faults = Faults(tmp_path)

    faults.set("later", {"kind": "out-of-capacity"})

    assert faults.no_capacity("later")
    assert not faults.no_capacity("other")
    faults.set("later", None)
    assert not faults.no_capacity("later")


def test_the_run_folder_of_a_workspace_that_was_killed_is_removed_by_the_next_one() -> None:
    killed, its_lock = run_folder.open_fresh()
    # A killed process lets go of its lock and of nothing else.
    os.close(its_lock)

    first, first_lock = run_folder.open_fresh()
    second, second_lock = run_folder.open_fresh()

    assert (killed.exists(), first.exists(), second.exists()) == (False, True, True)
    for folder, lock in ((first, first_lock), (second, second_lock)):
        shutil.rmtree(folder)
        os.close(lock)
