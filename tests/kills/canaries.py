"""Looks for known secrets wherever they could have leaked to: files, databases, processes; in every form they can take."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, quote_plus

BLOCK = 8 << 20


def forms(secret: str) -> set[bytes]:
    """The secret plain, JSON- and URL-escaped, and inside of base64 at each of the three places it can begin."""
    plain = secret.encode()
    escaped = {secret, json.dumps(secret)[1:-1], quote(secret, safe=""), quote_plus(secret), quote(secret)}
    escaped.add(secret.replace("\n", "\\n"))
    found = {text.encode() for text in escaped}
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
        """The same, block by block with an overlap."""
        overlap = max(len(pattern) for patterns in self._patterns.values() for pattern in patterns)
        found: set[str] = set()
        with path.open("rb") as file:
            before = b""
            while block := file.read(BLOCK):
                found |= self.in_bytes(before + block)
                before = block[-overlap:]
        return found

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
