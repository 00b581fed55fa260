"""Start a program that cannot outlive its parent: `leash.py PARENT PROGRAM ARGUMENT…`. Standard library only.

The kernel sends the death signal when the *thread* that started this process ends, so its parent starts it from a
thread that lives as long as the parent does.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    """Fasten the leash, then become the program."""
    parent, *command = sys.argv[1:]
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    # A parent that died before the leash was on will never pull it.
    if os.getppid() != int(parent):
        sys.exit(1)
    os.execv(command[0], command)  # noqa: S606 - the command is the parent's own


if __name__ == "__main__":
    main()
