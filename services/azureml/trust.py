"""The certificates this process trusts in the SDK's uploads: one variable of the whole process, whoever needs it.

A process may talk to two local workspaces, each with an authority of its own, and to Azure beside them.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from threading import Lock

VARIABLE = "REQUESTS_CA_BUNDLE"

_lock = Lock()
_held: list[Path] = []
_joined: tuple[tuple[tuple[str, int], ...], Path] | None = None
_folder: Path | None = None


def hold(bundle: str) -> None:
    """Trust what is in this file from now on, beside what was trusted before; written anew, it is read anew."""
    global _joined, _folder
    with _lock:
        if not _held and (before := os.environ.get(VARIABLE)) and before != bundle and Path(before).is_file():
            _held.append(Path(before))
        if Path(bundle) not in _held:
            _held.append(Path(bundle))
        if len(_held) == 1:
            os.environ[VARIABLE] = bundle
            return
        there = [path for path in _held if path.is_file()]
        state = tuple((str(path), path.stat().st_mtime_ns) for path in there)
        if _joined is None or _joined[0] != state or not _joined[1].is_file():
            _folder = _folder if _folder and _folder.is_dir() else Path(tempfile.mkdtemp(prefix="desk-trust-"))
            target, unfinished = _folder / "ca-bundle.pem", _folder / "ca-bundle.new"
            unfinished.write_text("\n".join(path.read_text(encoding="utf-8") for path in there), encoding="utf-8")
            unfinished.replace(target)
            _joined = (state, target)
        os.environ[VARIABLE] = str(_joined[1])
