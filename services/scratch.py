"""Where a process of the desk puts its temporary files: in the data folder, apart from those of other processes.

They may hold code, models and, for the moments of a call of the SDK, a typed TLS key. In the system's temporary folder
they would outlive a killed process and lie outside what a backup or a wipe of the data folder knows of.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from datetime import timedelta
from pathlib import Path

DESK = "desk"
"""The folder that all desks on one data folder share."""
UNSWEPT_FOR = timedelta(days=1)
"""No request of the desk runs that long: what is older was left by a process that was killed."""


def settle(folder: Path) -> None:
    """Make this process, the SDK within it too, put its temporary files there."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    tempfile.tempdir = str(folder)


def sweep(folder: Path, *, pattern: str = "*", older_than: timedelta = timedelta()) -> int:
    """Delete what a killed process left in a folder; return how many things went."""
    before = time.time() - older_than.total_seconds()
    gone = 0
    for left in folder.glob(pattern):
        try:
            if left.lstat().st_mtime > before:
                continue
            if left.is_dir() and not left.is_symlink():
                shutil.rmtree(left)
            else:
                left.unlink()
        except FileNotFoundError:
            # Its process is alive after all and has just taken it away itself.
            continue
        gone += 1
    return gone
