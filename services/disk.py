"""What the disk refuses, as a sentence: it is full, it is read-only, the folder belongs to somebody else."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from services.errors import Unavailable

ANOTHER_PLACE = "or name another place in DESK_DATA, DESK_KEYS or DESK_ANCHOR"
OF_THE_DISK = {
    errno.ENOSPC: "the disk is full: make room on it",
    errno.EDQUOT: "this user's share of the disk is full: make room on it",
    errno.EROFS: f"the disk is read-only: make it writable {ANOTHER_PLACE}",
}
OF_PLACES = {
    errno.EACCES: f"this user may not write there: let it {ANOTHER_PLACE}",
    errno.EPERM: f"this user may not write there: let it {ANOTHER_PLACE}",
    errno.ENOTDIR: f"there is a file where a folder has to be: move it away {ANOTHER_PLACE}",
    errno.EEXIST: f"there is a file where a folder has to be: move it away {ANOTHER_PLACE}",
}


@contextmanager
def explained(*, places: bool = False) -> Iterator[None]:
    """Within it, a refusal of the disk comes out as a sentence, every other error stays what it is.

    `places`: the desk's own folders are made or opened here, so what is wrong with one of them is no bug either.
    """
    try:
        yield
    except OSError as problem:
        reason = (OF_THE_DISK | (OF_PLACES if places else {})).get(problem.errno or 0)
        if reason is None:
            raise
        raise Unavailable(f"{problem.filename or 'A file of the desk'} cannot be written: {reason}.") from problem
