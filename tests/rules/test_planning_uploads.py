"""Uploads: unpacked without trust, packed so that equal code is equal bytes, environments read and compared."""

from __future__ import annotations

import gzip
import io
import os
import stat
import tarfile
import tempfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.azureml.types import ModelVersion
from services.errors import Invalid
from services.planning import code, environments
from services.planning.code import Limits, entry_scripts, pack, unpack
from services.planning.secrets_scan import scan_folder, scan_text

SCRIPT = b"def init():\n    pass\n\n\ndef run(data):\n    return data\n"


def zipped(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
        for name, content in members.items():
            out.writestr(zipfile.ZipInfo(name), content)
    return path


def tarred(path: Path, members: list[tarfile.TarInfo | tuple[str, bytes]], mode: str = "w:gz") -> Path:
    with tarfile.open(path, mode) as out:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                out.addfile(member)
            else:
                entry = tarfile.TarInfo(member[0])
                entry.size = len(member[1])
                out.addfile(entry, io.BytesIO(member[1]))
    return path


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_every_kind_of_tar_is_read(tmp_path, mode):
    archive = tarred(tmp_path / "code", [("src/score.py", SCRIPT), ("src/a/b.txt", b"x")], mode)

    done = unpack(archive, into=tmp_path / "out")

    assert done.folder == tmp_path / "out" / "src"
    assert done.files == ("a/b.txt", "score.py")


def test_a_zip_is_read_and_its_litter_left_out(tmp_path):
    members = {"score.py": SCRIPT, "__pycache__/score.pyc": b"x", "__MACOSX/._score.py": b"x", ".git/config": b"x"}

    done = unpack(zipped(tmp_path / "c.zip", members), into=tmp_path / "out")

    assert done.files == ("score.py",)
    assert done.bytes == len(SCRIPT)


def test_amlignore_is_honoured_and_told(tmp_path):
    rules = b"*.csv\n/notes/\n!keep.csv\n"
    members = {".amlignore": rules, "score.py": SCRIPT, "a.csv": b"1", "keep.csv": b"1", "notes/x.txt": b"1"}

    done = unpack(zipped(tmp_path / "c.zip", members), into=tmp_path / "out")

    assert done.files == ("keep.csv", "score.py")
    assert done.ignored == ("a.csv", "notes/x.txt")
    assert not (done.folder / "notes").exists()


@pytest.mark.parametrize(
    "name", ["/etc/passwd", "../x.py", "a/../../x.py", "..\\x.py", "C:\\x.py", "a\x07b", "d/" * 30 + "x", "n" * 300]
)
def test_names_that_lead_elsewhere_are_refused_and_leave_nothing(tmp_path, name):
    for archive in (zipped(tmp_path / "c.zip", {name: b"x"}), tarred(tmp_path / "c.tgz", [(name, b"x")])):
        with pytest.raises(Invalid):
            unpack(archive, into=tmp_path / "out")
        assert not (tmp_path / "out").exists()
    assert not (tmp_path / "x.py").exists()


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_in_a_tar_are_refused(tmp_path, kind):
    entry = tarfile.TarInfo("link")
    entry.type = kind
    entry.linkname = "/etc/passwd"

    with pytest.raises(Invalid, match="link or device"):
        unpack(tarred(tmp_path / "c.tgz", [entry]), into=tmp_path / "out")


def test_a_link_in_a_zip_is_refused(tmp_path):
    entry = zipfile.ZipInfo("link")
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "c.zip", "w") as out:
        out.writestr(entry, "/etc/passwd")

    with pytest.raises(Invalid, match="link or device"):
        unpack(tmp_path / "c.zip", into=tmp_path / "out")


@pytest.mark.parametrize("members", [{"a": b"1", "a/b": b"2"}, {"a/b": b"1", "a": b"2"}])
def test_a_name_that_is_file_and_folder_is_refused(tmp_path, members):
    with pytest.raises(Invalid, match="twice"):
        unpack(zipped(tmp_path / "c.zip", members), into=tmp_path / "out")


def test_what_unpacks_to_too_much_is_refused_whatever_it_claims(tmp_path):
    limits = Limits(unpacked_bytes=100_000, files=10)
    bombs = [
        zipped(tmp_path / "c.zip", {"zeros": bytes(1_000_000)}),
        tarred(tmp_path / "c.tgz", [("zeros", bytes(1_000_000))]),
        zipped(tmp_path / "many.zip", {f"f{n}": b"" for n in range(20)}),
    ]
    with (tmp_path / "endless.tgz").open("wb") as out:
        header = tarfile.TarInfo("pax")
        header.type = tarfile.XHDTYPE
        header.size = 50_000_000
        out.write(gzip.compress(header.tobuf() + bytes(50_000_000)))

    for archive in [*bombs, tmp_path / "endless.tgz"]:
        with pytest.raises(Invalid, match="leave data"):
            unpack(archive, into=tmp_path / "out", limits=limits)
        assert not (tmp_path / "out").exists()
    with pytest.raises(Invalid, match="packed"):
        unpack(bombs[0], into=tmp_path / "out", limits=Limits(packed_bytes=10))


def test_a_damaged_archive_is_told_as_one(tmp_path):
    good = tarred(tmp_path / "good.tgz", [("score.py", os.urandom(50_000))]).read_bytes()
    (tmp_path / "bad.tgz").write_bytes(good[: len(good) // 2])
    (tmp_path / "bad.zip").write_bytes(b"PK\x03\x04 nothing")
    (tmp_path / "text").write_bytes(b"hello")
    broken = bytearray(zipped(tmp_path / "c.zip", {"score.py": os.urandom(5_000)}).read_bytes())
    broken[2_000] ^= 0xFF
    (tmp_path / "crc.zip").write_bytes(broken)

    for name in ("bad.tgz", "bad.zip", "text", "crc.zip"):
        with pytest.raises(Invalid):
            unpack(tmp_path / name, into=tmp_path / "out")
        assert not (tmp_path / "out").exists()


@given(
    content=st.binary(max_size=600),
    start=st.sampled_from([b"", b"PK\x03\x04", b"\x1f\x8b\x08", b"BZh9", b"\xfd7zXZ\x00"]),
)
def test_any_bytes_are_either_unpacked_below_the_folder_or_refused(content, start):
    with tempfile.TemporaryDirectory() as place:
        archive = Path(place, "upload")
        archive.write_bytes(start + content)
        into = Path(place, "out")
        try:
            done = unpack(archive, into=into)
        except Invalid:
            assert not into.exists()
        else:
            assert all((done.folder / name).resolve().is_relative_to(into.resolve()) for name in done.files)


@given(names=st.lists(st.text(min_size=1, max_size=40), min_size=1, max_size=5, unique=True))
def test_any_names_are_either_unpacked_below_the_folder_or_refused(names):
    with tempfile.TemporaryDirectory() as place:
        archive = Path(place, "upload")
        with tarfile.open(archive, "w", errors="surrogateescape") as out:
            for name in names:
                entry = tarfile.TarInfo(name)
                entry.size = 1
                out.addfile(entry, io.BytesIO(b"x"))
        into = Path(place, "out")
        try:
            done = unpack(archive, into=into)
        except Invalid:
            assert not into.exists()
        else:
            assert done.folder.resolve().is_relative_to(into.resolve())
        assert {path.name for path in Path(place).iterdir()} <= {"upload", "out"}


def test_equal_code_has_an_equal_hash_whenever_it_was_written(tmp_path):
    for name in ("one", "two"):
        folder = tmp_path / name
        (folder / "pkg").mkdir(parents=True)
        (folder / "score.py").write_bytes(SCRIPT)
        (folder / "pkg" / "x.py").write_bytes(b"x = 1\n")
    os.utime(tmp_path / "two" / "score.py", (1, 1))
    (tmp_path / "two" / "score.py").chmod(0o755)

    one, two = (pack(tmp_path / name, into=tmp_path / "files") for name in ("one", "two"))
    (tmp_path / "two" / "pkg" / "x.py").write_bytes(b"x = 2\n")
    other = pack(tmp_path / "two", into=tmp_path / "files")

    assert one == two
    assert other.sha256 != one.sha256
    assert {path.name for path in (tmp_path / "files").iterdir()} == {one.sha256, other.sha256}
    assert unpack(one.path, into=tmp_path / "again").files == ("pkg/x.py", "score.py")


def test_the_likeliest_entry_script_comes_first(tmp_path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "score.py").write_bytes(SCRIPT)
    (tmp_path / "other.py").write_bytes(SCRIPT)
    (tmp_path / "score.py").write_bytes(SCRIPT)
    (tmp_path / "train.py").write_bytes(b"print(1)")
    (tmp_path / "broken.py").write_bytes(b"def run(:")

    assert entry_scripts(tmp_path) == ("score.py", "other.py", "deep/score.py")


@pytest.mark.parametrize(
    "line",
    [
        "-----BEGIN RSA PRIVATE KEY-----",
        "x = 'DefaultEndpointsProtocol=https;AccountName=a;AccountKey=" + "A" * 86 + "=='",
        "url = 'https://a.blob.core.windows.net/c?sv=1&sig=" + "b" * 40 + "'",
        "password = 'correct-horse'",
        "CLIENT_SECRET: 'abcdefgh12345'",
        "--extra-index-url https://user:secret@host/simple",
    ],
)
def test_obvious_secrets_are_found_by_line_and_never_repeated(line):
    (remark,) = scan_text(f"import os\n{line}\n", file="score.py")

    assert remark.place == "score.py:2"
    assert line not in remark.sentence


@pytest.mark.parametrize(
    "line",
    ["password = os.environ['PASSWORD']", "secret = None", "token = get_token(request)", "url = 'https://host/x'"],
)
def test_ordinary_lines_are_no_secrets(line):
    assert scan_text(line, file="score.py") == []


def test_files_that_hold_secrets_by_name_are_told(tmp_path):
    (tmp_path / ".env").write_text("A=1")
    (tmp_path / "data.bin").write_bytes(b"\0password = 'not-really-text'")

    assert [remark.file for remark in scan_folder(tmp_path)] == [".env"]


CONDA = """
name: wine
channels: [conda-forge]
dependencies:
  - python=3.11
  - scikit-learn=1.7
  - conda-forge::numpy
  - pip:
      - azureml-defaults==1.62.0   # the server
      - joblib>=1.4
      - pandas[performance] == 3.1.1
"""


def test_a_conda_file_becomes_a_document():
    document = environments.from_conda(CONDA, name="wine-env", variables={"WORKER_COUNT": "2"})

    assert document["name"] == "wine-env"
    assert document["environmentVariables"] == {"WORKER_COUNT": "2"}
    listed = {package.name: (package.words, package.pinned) for package in environments.packages(document)}
    assert listed["scikit-learn"] == ("scikit-learn =1.7", True)
    assert listed["numpy"] == ("numpy", False)
    assert listed["pandas"] == ("pandas ==3.1.1", True)


def test_a_requirements_file_becomes_a_document():
    text = "# comment\nazureml-defaults==1.62.0 \\\n    --hash=sha256:abc\n\nnumpy ; python_version > '3.8'\n--index-url https://i/x\n"

    document = environments.from_requirements(text, name="e")

    dependencies = document["python"]["condaDependencies"]["dependencies"]
    assert dependencies[0]["pip"][0] == "azureml-defaults==1.62.0"
    assert [package.name for package in environments.packages(document)] == ["azureml-defaults", "numpy"]


def test_remarks_say_what_the_build_will_do():
    document = environments.from_conda(CONDA, name="wine-env")
    without = environments.from_requirements("numpy==2.0\n", name="e")

    assert [remark.rule for remark in environments.check(document)] == ["python", "unpinned"]
    assert [(r.rule, r.severity) for r in environments.check(without)] == [("serving", "error")]


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("- a\n", environments.from_conda),
        ("dependencies: [a: b]\n", environments.from_conda),
        ("dependencies:\n  - x: [", environments.from_conda),
        ("!!python/object/apply:os.system ['true']\n", environments.from_conda),
        ("\n# nothing\n", environments.from_requirements),
        ("-r other.txt\n", environments.from_requirements),
        ("-e .\n", environments.from_requirements),
        ("--index-url https://me:secret@host/simple\n", environments.from_requirements),
        ("x @ https://token@host/x.whl\n", environments.from_requirements),
        ("dependencies: [{pip: ['--extra-index-url=https://a:b@h/s']}]\n", environments.from_conda),
        ("channels: ['https://a:b@h/c']\ndependencies: [numpy]\n", environments.from_conda),
    ],
)
def test_what_cannot_be_built_or_would_store_a_password_is_refused(text, read):
    with pytest.raises(Invalid) as refused:
        read(text, name="e")
    assert "secret" not in refused.value.sentence


def test_a_difference_names_packages_and_variables_alone():
    before = environments.from_conda(CONDA, name="a", variables={"A": "1"})
    after = environments.from_conda(CONDA.replace("=1.7", "=1.8"), name="b", variables={"A": "2"})
    after["environmentVariables"]["AZUREML_ENTRY_SCRIPT"] = "x/score.py"

    found = {(d.kind, d.name): (d.before, d.after) for d in environments.difference(before, after)}

    assert found == {("package", "scikit-learn"): ("=1.7", "=1.8"), ("variable", "A"): ("1", "2")}


def test_without_code_there_is_one_model_of_a_known_framework():
    model = ModelVersion(id="m:1", name="m", version=1, framework="Custom")

    with pytest.raises(Invalid):
        environments.no_code([model])
    with pytest.raises(Invalid):
        environments.no_code([])


def test_limits_are_those_of_the_uploader():
    assert Limits().packed_bytes == 50 * 1024 * 1024
    assert code.IGNORE_FILE == ".amlignore"
