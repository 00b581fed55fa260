"""How several processes share the tests: what shares a stack stays together, or else a file, and the longest begins."""

from __future__ import annotations

from pathlib import PurePosixPath

from xdist.scheduler import LoadScopeScheduling

LONGEST_FIRST = ("kills", "e2e", "local_workspace", "services", "pages", "rules")
"""The folders in the order in which they begin, so that nothing long is left for the end."""
ONE_STACK = ("kills", "e2e")
"""Folders whose tests share a whole desk."""
STACK_OF_THEIR_OWN = {"kills/test_postgres.py", "e2e/test_first_run.py", "e2e/test_no_secret_stays.py"}
"""Files there that start another one."""


class SideBySide(LoadScopeScheduling):
    """Gives a process the next group when it is nearly done with the one before.

    xdist's own groups would do, but they write to a field of a test that pytest 9.2 no longer has.
    """

    def _split_scope(self, nodeid: str) -> str:
        """The group of a test."""
        file = PurePosixPath(nodeid.partition("::")[0])
        folder = file.parent.name
        return folder if folder in ONE_STACK and f"{folder}/{file.name}" not in STACK_OF_THEIR_OWN else str(file)


def turn(folder: str) -> int:
    """When the tests of a folder begin."""
    return LONGEST_FIRST.index(folder) if folder in LONGEST_FIRST else len(LONGEST_FIRST)
