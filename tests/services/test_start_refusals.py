"""What keeps the desk from starting or writing is said in a sentence, with what to do next and without a traceback."""

from __future__ import annotations

import errno
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa

from services import disk
from services.bootstrap import desk as open_desk
from services.errors import Invalid, Unavailable
from services.preflight import as_port
from services.settings import ROOT, Settings
from services.storage import ledger
from services.storage.database import Database


def start(module: str, *arguments: str, **environment: object) -> tuple[int, str]:
    """Run a program of the desk to its end; its exit code and everything it said."""
    ran = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        env={**os.environ, **{name: str(value) for name, value in environment.items()}},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return ran.returncode, ran.stdout + ran.stderr


def places(folder: Path) -> dict[str, object]:
    """Folders of one's own."""
    return {"DESK_DATA": folder / "data", "DESK_KEYS": folder / "keys", "DESK_ANCHOR": folder / "anchor" / "anchor"}


@pytest.mark.parametrize("setting", ["DESK_KEYS", "DESK_ANCHOR"])
def test_a_place_that_cannot_be_written_is_named_before_anything_starts(setting: str, tmp_path: Path) -> None:
    # Also root, who may write everywhere else, cannot make a folder below a file.
    (tmp_path / "file").write_text("in the way")
    below = tmp_path / "file" / "folder" / "anchor"

    code, said = start("services.preflight", "--port", "8650", **{**places(tmp_path), setting: below})

    assert code == 1
    assert "there is a file where a folder has to be: move it away or name another place in DESK_DATA" in said
    assert "Traceback" not in said


def test_the_worker_and_the_upgrade_say_it_as_well(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    wrong = {**places(tmp_path), "DESK_DATA": tmp_path / "file" / "data"}

    for module, arguments in (("services.worker", ()), ("services.storage", ("upgrade",))):
        code, said = start(module, *arguments, **wrong)
        assert (code, "cannot be written" in said, "Traceback" in said) == (1, True, False), said


@pytest.mark.parametrize("port", ["0", "80000", "abc", "-1"])
def test_a_port_that_is_none_is_refused_with_an_example(port: str) -> None:
    with pytest.raises(
        Invalid, match=f"{port} is no port: choose a number from 1024 to 65535, as in `make run PORT=8502`."
    ):
        as_port(port)


def test_a_taken_port_comes_with_the_command_for_another(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        code, said = start("services.preflight", "--port", str(port), **places(tmp_path))

    assert code == 1
    assert f"Port {port} is taken by another program." in said
    assert "make run PORT=" in said


def test_a_setting_that_cannot_be_read_is_named_and_not_repeated(tmp_path: Path) -> None:
    code, said = start(
        "services.preflight", "--port", "8650", DESK_SAMPLES="s3cret-in-the-wrong-line", **places(tmp_path)
    )

    assert code == 1
    assert "DESK_SAMPLES cannot be read: " in said
    assert "`.env`" in said
    assert "s3cret" not in said
    assert "Traceback" not in said


def test_a_database_address_that_is_none_or_leads_nowhere_is_said(tmp_path: Path) -> None:
    code, said = start("services.storage", "upgrade", DESK_LEDGER_URL="nonsense", **places(tmp_path))
    assert (code, said.startswith("DESK_LEDGER_URL is no address of a database: write postgresql")) == (1, True), said

    nowhere = "postgresql+psycopg://desk:s3cret@127.0.0.1:1/desk"
    code, said = start("services.storage", "upgrade", DESK_LEDGER_URL=nowhere, **places(tmp_path))
    assert code == 1
    assert said.startswith("The ledger does not answer: look whether its PostgreSQL server runs"), said
    assert "s3cret" not in said


def test_a_desk_on_places_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    settings = Settings(
        _env_file=None,  # type: ignore[call-arg]
        desk_data=tmp_path / "file" / "data",
        desk_keys=tmp_path / "keys",
        desk_anchor=tmp_path / "anchor",
    )

    with pytest.raises(Unavailable, match="there is a file where a folder has to be"):
        open_desk(settings)


def test_a_full_disk_is_said_by_the_database_and_leaves_it_as_it_was(database: Database) -> None:
    with database.reading() as look:
        pages: int = look.exec_driver_sql("PRAGMA page_count").scalar_one()

    with pytest.raises(Unavailable, match="The ledger cannot be used: its disk is full: make room on it"):
        fill(database, most_pages=pages)

    with database.reading() as look:
        assert look.execute(sa.select(sa.func.count()).select_from(ledger.switches)).scalar_one() == 0


def fill(database: Database, *, most_pages: int) -> None:
    """Write more than fits; SQLite answers a limit of its own as it answers a full disk."""
    with database.writing() as work:
        work.exec_driver_sql(f"PRAGMA max_page_count = {most_pages}")
        work.exec_driver_sql("CREATE TABLE large (content BLOB)")
        for _ in range(100):
            work.exec_driver_sql("INSERT INTO large VALUES (zeroblob(100000))")


def test_a_damaged_database_is_said_and_a_wrong_statement_stays_a_bug(database: Database, tmp_path: Path) -> None:
    (tmp_path / "damaged.sqlite3").write_text("this is no database at all, whatever its name says " * 100)
    damaged = Database(f"sqlite:///{tmp_path / 'damaged.sqlite3'}", name="mirror")
    with pytest.raises(Unavailable, match="The mirror cannot be used: its file is damaged"):
        damaged.schema_version()
    damaged.close()

    with pytest.raises(sa.exc.OperationalError, match="no such table"), database.reading() as look:
        look.execute(sa.text("SELECT * FROM nowhere"))


def test_only_what_the_disk_refuses_becomes_a_sentence() -> None:
    with (
        pytest.raises(Unavailable, match=r"/data/x cannot be written: the disk is full: make room on it\."),
        disk.explained(),
    ):
        raise OSError(errno.ENOSPC, "No space left on device", "/data/x")
    with pytest.raises(ConnectionRefusedError), disk.explained():
        raise ConnectionRefusedError(errno.ECONNREFUSED, "refused")
    with pytest.raises(PermissionError), disk.explained():
        raise PermissionError(errno.EACCES, "Permission denied", "/data/x")
