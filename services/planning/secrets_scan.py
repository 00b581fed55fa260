"""Obvious secrets in uploaded files: found by shape, told by place, never repeated."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

from services.planning.problems import Remark

SCANNED_BYTES = 1024 * 1024
"""Larger files are data, not code."""

_SHAPES: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("a private key", re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----")),
    ("a storage account key", re.compile(r"AccountKey=[A-Za-z0-9+/]{40,}")),
    ("a shared access key", re.compile(r"SharedAccessKey=[A-Za-z0-9+/]{20,}")),
    ("a shared access signature", re.compile(r"[?&]sig=[A-Za-z0-9%+/]{20,}")),
    ("a signed token", re.compile(r"\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}")),
    ("an AWS access key", re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b")),
    ("a GitHub token", re.compile(r"\bgh[pousr]_[A-Za-z0-9]{30,}")),
    (
        "a password in an address",
        re.compile(r"\b[a-z][a-z0-9+.-]*://[^\s/:@'\"{}$]+:[^\s/@'\"{}$]{3,}@", re.IGNORECASE),
    ),
    (
        "a password or secret",
        re.compile(
            r"(?:password|passwd|secret|api_?key|account_?key|access_?token|client_?secret)[\"']?\s*[:=]\s*"
            r"[\"'][^\"'\s{}$<>]{8,}[\"']",
            re.IGNORECASE,
        ),
    ),
)
_NAMES = (".env", "id_rsa", "id_ed25519", ".netrc", ".pypirc", "credentials.json", "azureauth.json")
_ENDINGS = (".pem", ".pfx", ".p12", ".key", ".ppk")


def scan_folder(folder: Path) -> list[Remark]:
    """Return where the files of a folder seem to hold a secret."""
    remarks = []
    for path in sorted(folder.rglob("*")):
        if not path.is_file() or path.is_symlink():
            continue
        name = path.relative_to(folder).as_posix()
        if suspicious_name(name):
            sentence = "A file of this name usually holds a secret: leave it out, .amlignore can do that."
            remarks.append(Remark(file=name, line=0, rule="secret", sentence=sentence))
        if path.stat().st_size <= SCANNED_BYTES:
            content = path.read_bytes()
            if b"\0" not in content:
                remarks += scan_text(content.decode("utf-8", errors="replace"), file=name)
    return remarks


def scan_text(text: str, *, file: str) -> list[Remark]:
    """Return the lines of a text that seem to hold a secret, one remark a line at most."""
    remarks = []
    for number, line in enumerate(text.splitlines(), start=1):
        for what, shape in _SHAPES:
            if shape.search(line):
                sentence = f"This looks like {what}: take it out, and read it from the environment or a key vault."
                remarks.append(Remark(file=file, line=number, rule="secret", sentence=sentence))
                break
    return remarks


def suspicious_name(path: str) -> bool:
    """Whether a file of this name usually holds a secret."""
    name = PurePosixPath(path).name.lower()
    return name in _NAMES or name.startswith(".env.") or name.endswith(_ENDINGS)
