"""Looks for known secrets wherever they could have leaked to: files, databases, processes; in every form they can take."""

from __future__ import annotations

import base64
import gzip
import html
import io
import json
import os
import sqlite3
import threading
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import quote, quote_plus

import duckdb

BLOCK = 8 << 20
GZIP, ZIP, SQLITE = b"\x1f\x8b", b"PK\x03\x04", b"SQLite format 3\0"
LOOK_SECONDS = 0.2
_IN_SCRIPTS = {ord(character): f"\\u{ord(character):04x}" for character in "<>&'+="}


def forms(secret: str) -> set[bytes]:
    """The secret plain, JSON-, URL- and HTML-escaped, and inside of base64 at each of the three places it can begin."""
    plain = secret.encode()
    in_json, in_address = json.dumps(secret)[1:-1], quote(secret, safe="")
    escaped = {secret, in_json, in_address, quote_plus(secret), quote(secret)}
    # What is escaped once more: a body within a log's JSON, an address within an address, JSON within a page.
    escaped |= {json.dumps(in_json)[1:-1], quote(in_address, safe=""), in_json.translate(_IN_SCRIPTS)}
    escaped |= {html.escape(secret), html.escape(secret, quote=False), in_json.replace("/", "\\/")}
    escaped.add(secret.replace("\n", "\\n"))
    found = {text.encode() for text in escaped} | {secret.encode("utf-16-le"), plain.hex().encode()}
    for before in range(3):
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            # Without the characters at both ends, which depend on what stands beside the secret.
            found.add(encode(b"\0" * before + plain)[(before * 8 + 5) // 6 :].rstrip(b"=")[:-1])
    return found


@dataclass(frozen=True)
class Search:
    """What is searched for, by name."""

    secrets: Mapping[str, str]
    _patterns: dict[str, set[bytes]] = field(init=False)

    def __post_init__(self) -> None:
        """Work out the forms once."""
        assert all(len(secret) >= 12 for secret in self.secrets.values()), "shorter ones are found by chance"
        object.__setattr__(self, "_patterns", {name: forms(secret) for name, secret in self.secrets.items()})

    def in_bytes(self, content: bytes) -> set[str]:
        """The names of the secrets in it."""
        return {name for name, patterns in self._patterns.items() if any(pattern in content for pattern in patterns)}

    def in_text(self, text: str) -> set[str]:
        """The same."""
        return self.in_bytes(text.encode())

    def in_file(self, path: Path) -> set[str]:
        """The same, block by block with an overlap; and in what is packed in it, and in the rows of a database."""
        overlap = max(len(pattern) for patterns in self._patterns.values() for pattern in patterns)
        found: set[str] = set()
        with path.open("rb") as file:
            before = start = b""
            while block := file.read(BLOCK):
                start = start or block[: len(SQLITE)]
                found |= self.in_bytes(before + block)
                before = block[-overlap:]
        if start.startswith((GZIP, ZIP)):
            found |= {name for content in unpacked(path.read_bytes()) for name in self.in_bytes(content)}
        if start == SQLITE:
            found |= self.in_sqlite(path)
        return found

    def in_sqlite(self, path: Path) -> set[str]:
        """The names of the secrets in its rows: a long value lies in pieces in the file, where no search finds it."""
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            tables = [row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            return self._in_rows(row for table in tables for row in database.execute(f'SELECT * FROM "{table}"'))

    def in_duckdb(self, path: Path) -> set[str]:
        """The same of a database nobody has open: its file is compressed."""
        with closing(duckdb.connect(str(path), read_only=True)) as database:
            tables = [row[0] for row in database.execute("SELECT table_name FROM duckdb_tables()").fetchall()]
            return self._in_rows(
                row for table in tables for row in database.execute(f'SELECT * FROM "{table}"').fetchall()
            )

    def _in_rows(self, rows: Iterable[Iterable[Any]]) -> set[str]:
        cells = (cell if isinstance(cell, bytes) else str(cell).encode() for row in rows for cell in row)
        return self.in_bytes(b"\0".join(cells))

    def in_folder(self, folder: Path, *, but: Iterable[Path] = ()) -> dict[str, set[str]]:
        """Every file with a secret, below a folder but not below the exempt paths."""
        exempt = [path.resolve() for path in but]
        found = {}
        for path in sorted(folder.rglob("*")):
            whole = path.resolve()
            if not path.is_file() or path.is_symlink() or any(whole.is_relative_to(kept) for kept in exempt):
                continue
            try:
                names = self.in_file(path)
            except FileNotFoundError:
                continue
            if names:
                found[str(path)] = names
        return found

    def in_processes(self, pids: Iterable[int]) -> dict[str, set[str]]:
        """Every process that shows a secret in its environment or command line."""
        found = {}
        for pid in pids:
            for what in ("environ", "cmdline"):
                try:
                    names = self.in_bytes(Path(f"/proc/{pid}/{what}").read_bytes())
                except (FileNotFoundError, ProcessLookupError):
                    continue
                if names:
                    found[f"{what} of {command_of(pid)}"] = names
        return found


class ProcessWatch:
    """Notes the environment and command line of every process of a family, also of those that live for a moment."""

    def __init__(self, pids: Callable[[], Iterable[int]]) -> None:
        self._pids = pids
        self._seen: dict[tuple[int, bytes], bytes] = {}
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="process-watch", daemon=True)

    def __enter__(self) -> ProcessWatch:
        """Begin."""
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """End."""
        self._is_over.set()
        self._thread.join()

    def seen(self) -> list[tuple[str, bytes, bytes]]:
        """Name, command line and environment of each."""
        return [
            (f"{pid}: {command.replace(bytes(1), b' ').decode(errors='replace').strip()}", command, environment)
            for (pid, command), environment in list(self._seen.items())
        ]

    def _watch(self) -> None:
        while not self._is_over.wait(LOOK_SECONDS):
            self.look()

    def look(self) -> None:
        """Look once."""
        for pid in self._pids():
            try:
                command = Path(f"/proc/{pid}/cmdline").read_bytes()
                if command and (pid, command) not in self._seen:
                    self._seen[pid, command] = Path(f"/proc/{pid}/environ").read_bytes()
            except (FileNotFoundError, ProcessLookupError):
                # It ended between two looks.
                continue


def unpacked(content: bytes) -> Iterator[bytes]:
    """What is in an archive or a packed file."""
    if content.startswith(GZIP):
        yield gzip.decompress(content)
    elif zipfile.is_zipfile(io.BytesIO(content)):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for member in archive.namelist():
                inside = archive.read(member)
                yield inside
                yield from unpacked(inside)


def family(*roots: int) -> Iterator[int]:
    """These processes and all below them."""
    children: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                parent = int(Path(f"/proc/{entry}/stat").read_text().rpartition(")")[2].split()[1])
            except (FileNotFoundError, ProcessLookupError):
                continue
            children.setdefault(parent, []).append(int(entry))
    waiting = list(roots)
    while waiting:
        pid = waiting.pop()
        yield pid
        waiting += children.get(pid, [])


def command_of(pid: int) -> str:
    """The command line of a process."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except (FileNotFoundError, ProcessLookupError):
        return str(pid)
