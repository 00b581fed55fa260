"""The private folder of a running workspace: sockets and fault files, gone when it ends.

It lies under /tmp itself, since TMPDIR or the data folder may be long and the path of a Unix socket may not. A lock says
that its workspace lives; whoever starts next removes the folders of those that were killed.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from pathlib import Path

PLACE = Path("/tmp")  # noqa: S108 - mkdtemp below makes each folder private
PREFIX = "desk-run-"
LOCK = "lock"


def open_fresh() -> tuple[Path, int]:
    """A new folder and the descriptor of its lock, which is held until it is closed."""
    _remove_left_behind()
    fresh = Path(tempfile.mkdtemp(prefix="desk-new-", dir=PLACE))
    descriptor = os.open(fresh / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    # Only once it is locked does it get the name by which others look for folders left behind.
    folder = fresh.with_name(PREFIX + fresh.name.removeprefix("desk-new-"))
    fresh.rename(folder)
    return folder, descriptor


def _remove_left_behind() -> None:
    for lock in PLACE.glob(f"{PREFIX}*/{LOCK}"):
        try:
            if lock.stat().st_uid != os.getuid():
                continue
            descriptor = os.open(lock, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            # Its workspace ended this moment.
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            continue
        else:
            shutil.rmtree(lock.parent, ignore_errors=True)
        finally:
            os.close(descriptor)
