"""Code as a person uploads it: unpacked, looked through, packed anew so that equal code is one file, and kept."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, BinaryIO

from services.access import Person, require
from services.files import CODE_LIMIT, Files
from services.planning.code import Unpacked, entry_scripts, pack, unpack
from services.planning.lint import lint
from services.planning.problems import Remark

KEPT_FOR = timedelta(days=30)
"""An upload nobody launches is forgotten after this; a launch keeps its code for good."""


@dataclass(frozen=True, kw_only=True)
class CodeUpload:
    """One upload, kept."""

    sha256: str
    name: str
    files: tuple[str, ...]
    ignored: tuple[str, ...]
    bytes: int
    scripts: tuple[str, ...]
    """Python files that define `run`, the likeliest entry script first."""


def keep(files: Files, content: BinaryIO, *, name: str, by: Person) -> CodeUpload:
    """Unpack an upload, leave out what `.amlignore` says, and keep the rest under its hash."""
    require(by, "service.deploy")
    with tempfile.TemporaryDirectory(prefix="desk-code-") as temporary:
        folder = Path(temporary)
        sent = files.keep(content, name=name, purpose="code", by=by, limit=CODE_LIMIT, keep_for=KEPT_FOR)
        unpacked = unpack(files.path(sent.sha256), into=folder / "sent")
        # One folder around everything: unpacked again, the source folder is the same one.
        (folder / "around").mkdir()
        source = unpacked.folder.rename(folder / "around" / "source")
        packed = pack(source.parent, into=folder / "packed")
        sha256 = sent.sha256
        # A tar is not compressed: what is too large that way is kept as it was sent.
        if packed.bytes <= CODE_LIMIT:
            with packed.path.open("rb") as tar:
                sha256 = files.keep(tar, name=name, purpose="code", by=by, limit=CODE_LIMIT, keep_for=KEPT_FOR).sha256
        return _described(replace(unpacked, folder=source), sha256=sha256, name=name)


def look(files: Files, sha256: str, *, name: str) -> CodeUpload:
    """What is in code that is kept here."""
    with tempfile.TemporaryDirectory(prefix="desk-code-") as temporary:
        return _described(unpack(files.path(sha256), into=Path(temporary) / "source"), sha256=sha256, name=name)


def remarks(
    files: Files, sha256: str, entry_script: str, *, environment: Mapping[str, Any] | None, has_models: bool
) -> list[Remark]:
    """What the lint and the search for secrets have to say about kept code, errors first."""
    with tempfile.TemporaryDirectory(prefix="desk-code-") as temporary:
        unpacked = unpack(files.path(sha256), into=Path(temporary) / "source")
        return lint(unpacked.folder, entry_script, environment=environment, has_models=has_models)


def _described(unpacked: Unpacked, *, sha256: str, name: str) -> CodeUpload:
    return CodeUpload(
        sha256=sha256,
        name=name,
        files=unpacked.files,
        ignored=unpacked.ignored,
        bytes=unpacked.bytes,
        scripts=entry_scripts(unpacked.folder),
    )
