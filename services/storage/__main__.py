"""`python -m services.storage upgrade`: bring the ledger and the mirror to the schema this version needs."""

from __future__ import annotations

import sys

from services.settings import Settings
from services.storage.database import private_umask
from services.storage.upgrade import upgrade


def main(arguments: list[str]) -> int:
    """Run the one command there is."""
    if arguments != ["upgrade"]:
        print("Usage: python -m services.storage upgrade")
        return 2
    private_umask()
    for line in upgrade(Settings()):
        print(line)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
