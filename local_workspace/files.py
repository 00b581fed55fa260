"""Files that others must never see half written or read at all."""

from __future__ import annotations

import errno
import json
import os
import sqlite3
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any


class Damaged(Exception):
    """A file that the workspace cannot do without is not what it wrote; the sentence says which."""

    def __init__(self, path: Path, why: object) -> None:
        super().__init__(
            f"{path} cannot be read: {why}. Put it back from a backup, or start a workspace on another folder."
        )


def is_full(error: Exception) -> bool:
    """Whether something could not be kept because there is no room left."""
    if isinstance(error, sqlite3.Error):
        return getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)


def write_private(path: Path, text: str) -> None:
    """Put a text in place in one move, readable by its owner alone."""
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mkstemp makes it 0600
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def write_private_json(path: Path, document: Mapping[str, Any]) -> None:
    """Put a JSON document in place in one move, readable by its owner alone."""
    write_private(path, json.dumps(document, indent=2) + "\n")
