"""Uploaded code: unpacked safely, searched for its entry script and for secrets, packed so that equal code is equal bytes.

An upload is somebody's file: nothing in it is trusted, neither its names nor the sizes it claims, and nothing is run.
"""

from __future__ import annotations

import ast
import bz2
import gzip
import hashlib
import io
import lzma
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

import pathspec

from services.errors import Invalid

IGNORE_FILE = ".amlignore"
ALWAYS_IGNORED = ("__pycache__/", "*.pyc", ".git/", "__MACOSX/", ".DS_Store", ".ipynb_checkpoints/")
BLOCK = 1024 * 1024
DAMAGED = (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError)


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How much an upload may hold."""

    packed_bytes: int = 50 * 1024 * 1024
    unpacked_bytes: int = 300 * 1024 * 1024
    files: int = 5_000
    path_characters: int = 240
    depth: int = 20


@dataclass(frozen=True, kw_only=True)
class Unpacked:
    """What came out of an upload."""

    folder: Path
    """The source folder: the archive's single top folder when it has one."""
    files: tuple[str, ...]
    """Paths below `folder`, sorted."""
    ignored: tuple[str, ...]
    """Left out by `.amlignore`, or because nobody wants them deployed."""
    bytes: int


@dataclass(frozen=True, kw_only=True)
class Packed:
    """A packed source folder: equal files give an equal hash."""

    path: Path
    sha256: str
    bytes: int
    files: int


def unpack(archive: Path, *, into: Path, limits: Limits | None = None) -> Unpacked:
    """Unpack a zip or tar upload into a folder that does not exist yet."""
    limits = limits or Limits()
    if archive.stat().st_size > limits.packed_bytes:
        raise Invalid(f"Code may be {_size(limits.packed_bytes)} packed: leave data and models out.", field="code")
    if into.exists():
        raise Invalid(f"The folder {into.name} is there already: unpack into a new one.", field="code")
    into.mkdir(parents=True)
    try:
        _write(_members(archive, limits), into, limits)
        return _settle(into)
    except BaseException as error:
        shutil.rmtree(into)
        if isinstance(error, DAMAGED) or (isinstance(error, OSError) and error.errno is None):
            # What gzip and bz2 raise for bytes that are not theirs is an OSError without a number.
            sentence = "The archive is damaged and cannot be read to its end: pack it again."
            raise Invalid(sentence, field="code") from error
        if isinstance(error, NotImplementedError | UnicodeError):
            sentence = "The archive uses a format that is not read here: pack it as zip or tar.gz."
            raise Invalid(sentence, field="code") from error
        raise


def pack(folder: Path, *, into: Path) -> Packed:
    """Write a folder as one tar whose bytes depend on names and contents alone; the file is named by its hash."""
    into.mkdir(parents=True, exist_ok=True)
    files = sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    if not files:
        raise Invalid("There is no file to pack: upload the folder of the entry script.", field="code")
    unfinished = into / f".packing-{hashlib.sha256(str(folder).encode()).hexdigest()[:16]}"
    # Not compressed: what a compressor writes depends on its version, and then equal code would have two hashes.
    with tarfile.open(unfinished, "w", format=tarfile.PAX_FORMAT) as tar:
        for path in files:
            entry = tarfile.TarInfo(path.relative_to(folder).as_posix())
            entry.size = path.stat().st_size
            entry.mode = 0o644
            with path.open("rb") as source:
                tar.addfile(entry, source)
    with unfinished.open("rb") as packed:
        digest = hashlib.file_digest(packed, "sha256").hexdigest()
    target = into / digest
    unfinished.replace(target)
    return Packed(path=target, sha256=digest, bytes=target.stat().st_size, files=len(files))


def entry_scripts(folder: Path) -> tuple[str, ...]:
    """Return the Python files that define `run` at their top level, the likeliest first."""
    found = []
    for path in sorted(folder.rglob("*.py")):
        try:
            tree = ast.parse(path.read_bytes())
        except (SyntaxError, ValueError, RecursionError):
            # The lint of a chosen script says what is wrong with it; here it only cannot be offered.
            continue
        functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
        if "run" in functions:
            relative = path.relative_to(folder)
            rank = ("init" not in functions, len(relative.parts), relative.name not in ("score.py", "main.py"))
            found.append((rank, relative.as_posix()))
    return tuple(name for _, name in sorted(found))


class _Limited(io.RawIOBase):
    """A stream that ends in a sentence when more comes out of it than may."""

    def __init__(self, inner: IO[bytes], limit: int) -> None:
        self._inner = inner
        self._limit = limit
        self._left = limit

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        chunk = self._inner.read(len(buffer))
        self._left -= len(chunk)
        if self._left < 0:
            raise _too_large(self._limit)
        buffer[: len(chunk)] = chunk
        return len(chunk)


@dataclass(frozen=True, kw_only=True)
class _Member:
    name: str
    stream: IO[bytes] | None
    """None = a folder."""


def _members(archive: Path, limits: Limits) -> Iterator[_Member]:
    with archive.open("rb") as head:
        start = head.read(512)
    if start.startswith(b"PK"):
        yield from _zip_members(archive)
    elif _opener(start) is not None or start[257:262] == b"ustar":
        yield from _tar_members(archive, start, limits)
    else:
        raise Invalid("This is neither a zip nor a tar archive: pack the source folder as one.", field="code")


def _zip_members(archive: Path) -> Iterator[_Member]:
    with zipfile.ZipFile(archive) as packed:
        for entry in packed.infolist():
            kind = stat.S_IFMT(entry.external_attr >> 16)
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise _not_a_file(entry.filename)
            if entry.flag_bits & 0x1:
                raise Invalid("The archive is encrypted: pack it without a password.", field="code")
            if entry.is_dir():
                yield _Member(name=entry.filename, stream=None)
                continue
            with packed.open(entry) as stream:
                yield _Member(name=entry.filename, stream=stream)


def _tar_members(archive: Path, start: bytes, limits: Limits) -> Iterator[_Member]:
    opener = _opener(start)
    with archive.open("rb") as raw:
        plain = opener(raw) if opener else raw
        # Headers are read whole by tarfile: the limit holds for all that comes out, with room for the headers.
        limited = io.BufferedReader(_Limited(plain, limits.unpacked_bytes + limits.files * 4096 + BLOCK))
        with tarfile.open(fileobj=limited, mode="r|") as packed:
            for entry in packed:
                if entry.isdir():
                    yield _Member(name=entry.name, stream=None)
                elif entry.isreg():
                    yield _Member(name=entry.name, stream=packed.extractfile(entry))
                else:
                    raise _not_a_file(entry.name)


def _opener(start: bytes) -> Any:
    if start.startswith(b"\x1f\x8b"):
        return _gunzip
    if start.startswith(b"BZh"):
        return bz2.BZ2File
    if start.startswith(b"\xfd7zXZ\x00"):
        return lzma.LZMAFile
    return None


def _gunzip(raw: IO[bytes]) -> IO[bytes]:
    return gzip.GzipFile(fileobj=raw, mode="rb")  # type: ignore[return-value]


def _write(members: Iterator[_Member], into: Path, limits: Limits) -> None:
    left = limits.unpacked_bytes
    files: set[str] = set()
    folders: set[str] = set()
    count = 0
    for member in members:
        count += 1
        if count > limits.files:
            raise Invalid(f"Code may have {limits.files} files and folders: leave data and packages out.", field="code")
        name = _safe(member.name, limits)
        if not name:
            continue
        parents = {str(parent) for parent in PurePosixPath(name).parents} - {"."}
        clash = name in files or (member.stream is not None and name in folders) or bool(parents & files)
        if clash:
            raise Invalid(f"The archive has {name} twice: pack it again.", field="code")
        folders |= parents
        target = into / name
        if member.stream is None:
            folders.add(name)
            target.mkdir(parents=True, exist_ok=True)
            continue
        files.add(name)
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("xb") as out:
            while block := member.stream.read(BLOCK):
                left -= len(block)
                if left < 0:
                    raise _too_large(limits.unpacked_bytes)
                out.write(block)


def _safe(name: str, limits: Limits) -> str:
    """Return a member's name as a path below the folder, or raise; empty for the folder itself."""
    # Some Windows tools write backslashes; on this side they would hide a `..`.
    path = name.replace("\\", "/")
    if path.startswith("/") or (len(path) > 1 and path[1] == ":"):
        raise Invalid("The archive holds an absolute path: pack the folder from inside.", field="code")
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise Invalid("The archive holds a path that leads out of it (..): pack the folder from inside.", field="code")
    joined = "/".join(parts)
    if not joined.isprintable():
        raise Invalid("The archive holds a file name with characters that cannot be shown: rename it.", field="code")
    if len(joined.encode()) > limits.path_characters or len(parts) > limits.depth:
        raise Invalid(
            "The archive holds a path that is too long or too deep: pack the source folder alone.", field="code"
        )
    return joined


def _settle(into: Path) -> Unpacked:
    """Find the source folder and take away what is not to be deployed."""
    _drop(into, pathspec.PathSpec.from_lines("gitwildmatch", ALWAYS_IGNORED))
    entries = list(into.iterdir())
    folder = entries[0] if len(entries) == 1 and entries[0].is_dir() else into
    rules = folder / IGNORE_FILE
    ignored: list[str] = []
    if rules.is_file():
        lines = rules.read_text(encoding="utf-8", errors="replace").splitlines()
        try:
            spec = pathspec.PathSpec.from_lines("gitwildmatch", [*lines, IGNORE_FILE])
        except ValueError as error:
            raise Invalid(f"A pattern in {IGNORE_FILE} is not valid: {error}", field="code") from error
        ignored = _drop(folder, spec)
    kept = sorted(path for path in folder.rglob("*") if path.is_file())
    if not kept:
        raise Invalid("Nothing is left of this archive: it is empty, or .amlignore names everything.", field="code")
    return Unpacked(
        folder=folder,
        files=tuple(path.relative_to(folder).as_posix() for path in kept),
        ignored=tuple(sorted(name for name in ignored if name != IGNORE_FILE)),
        bytes=sum(path.stat().st_size for path in kept),
    )


def _drop(folder: Path, spec: pathspec.PathSpec) -> list[str]:
    dropped = []
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder).as_posix()
        if path.is_file() and spec.match_file(relative):
            path.unlink()
            dropped.append(relative)
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_dir() and not any(path.iterdir()):
            path.rmdir()
    return dropped


def _not_a_file(name: str) -> Invalid:
    return Invalid(f"The archive holds a link or device ({name[:80]!r}): pack the files themselves.", field="code")


def _too_large(limit: int) -> Invalid:
    return Invalid(f"Code may be {_size(limit)} unpacked: leave data and models out.", field="code")


def _size(count: int) -> str:
    return f"{count / 1024 / 1024:.0f} MB"
