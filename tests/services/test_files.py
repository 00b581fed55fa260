"""Files are kept by the hash of their bytes, for as long as anyone was promised."""

from __future__ import annotations

import hashlib
import io
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from services.access import LOCAL_IDENTITIES
from services.errors import Forbidden, Invalid, NotFound
from services.files import Files
from services.storage.database import Database

OPERATOR = LOCAL_IDENTITIES["operator"]
BEGIN = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)


class Watch:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.time = BEGIN

    def now(self) -> datetime:
        """What it shows."""
        return self.time


@pytest.fixture
def watch() -> Watch:
    """It shows nine o'clock."""
    return Watch()


@pytest.fixture
def files(database: Database, tmp_path: Path, watch: Watch) -> Files:
    """An empty store."""
    return Files(database, folder=tmp_path / "files", workspace="w", clock=watch)


def keep(files: Files, content: bytes, *, name: str = "code.zip", days: int | None = None, limit: int = 1 << 20) -> str:
    """Keep some bytes; their hash."""
    keep_for = None if days is None else timedelta(days=days)
    kept = files.keep(io.BytesIO(content), name=name, purpose="code", by=OPERATOR, limit=limit, keep_for=keep_for)
    return kept.sha256


def test_a_file_comes_back_byte_for_byte_under_its_hash(files: Files, tmp_path: Path) -> None:
    content = bytes(range(256)) * 9000
    sha256 = keep(files, content, limit=4 << 20)

    assert sha256 == hashlib.sha256(content).hexdigest()
    assert b"".join(files.read(sha256)) == content
    assert files.find(sha256).size == len(content)
    assert [path.name for path in (tmp_path / "files").iterdir()] == [sha256], "nothing half-written stays"
    assert (tmp_path / "files").stat().st_mode & 0o777 == 0o700
    assert files.path(sha256).stat().st_mode & 0o077 == 0


def test_a_file_that_is_too_large_leaves_nothing_behind(files: Files, tmp_path: Path) -> None:
    with pytest.raises(Invalid, match=r"code.zip is larger than 1 MB"):
        keep(files, b"x" * (1 << 20) + b"y")
    assert list((tmp_path / "files").iterdir()) == []


def test_the_name_of_an_upload_is_never_a_path(files: Files) -> None:
    sha256 = keep(files, b"x", name="../../etc/passwd")

    assert files.find(sha256).name == "passwd"


@pytest.mark.parametrize("asked", ["../ledger.sqlite3", "", "x" * 64, "0" * 63, "/etc/passwd"])
def test_only_a_hash_that_is_kept_is_found(files: Files, asked: str) -> None:
    with pytest.raises(NotFound, match="not kept here any more"):
        files.path(asked)


def test_what_outlived_its_time_goes_and_what_is_kept_for_good_stays(files: Files, watch: Watch) -> None:
    week, good = keep(files, b"a week", days=7), keep(files, b"for good")
    watch.time += timedelta(days=6)
    assert files.clean_up() == 0
    watch.time += timedelta(days=2)

    assert files.clean_up() == 1
    with pytest.raises(NotFound):
        files.path(week)
    assert files.path(good).read_bytes() == b"for good"


def test_keeping_a_file_again_never_shortens_a_promise(files: Files, watch: Watch) -> None:
    good, month = keep(files, b"for good"), keep(files, b"a month", days=30)
    assert keep(files, b"for good", days=1) == good
    assert keep(files, b"a month", days=1) == month
    watch.time += timedelta(days=20)

    assert files.clean_up() == 0
    watch.time += timedelta(days=20)
    assert files.clean_up() == 1
    assert files.path(good).exists()


def test_a_file_stays_while_one_of_its_names_is_kept(files: Files, watch: Watch) -> None:
    keep(files, b"same", name="a.zip", days=1)
    sha256 = keep(files, b"same", name="b.zip", days=9)
    watch.time += timedelta(days=2)

    assert files.clean_up() == 0
    assert files.path(sha256).exists()
    assert files.find(sha256).name == "b.zip"


def test_a_log_is_handed_to_who_may_read_logs_and_all_else_to_who_may_download(files: Files) -> None:
    viewer, code = LOCAL_IDENTITIES["viewer"], keep(files, b"def run(data): ...")
    log = files.keep(io.BytesIO(b"it starts"), name="wine.log", purpose="log", by=viewer, limit=100).sha256

    assert files.hand_out(viewer, log, "wine.log").purpose == "log"
    with pytest.raises(Forbidden, match="needs an operator"):
        files.hand_out(viewer, code, "code.zip")
    with pytest.raises(Forbidden):
        files.hand_out(viewer, "0" * 64, "secret.pkl")
    assert files.hand_out(OPERATOR, code, "code.zip").purpose == "code"
    with pytest.raises(NotFound):
        files.hand_out(OPERATOR, "0" * 64, "secret.pkl")
