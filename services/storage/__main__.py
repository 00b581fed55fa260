"""`python -m services.storage upgrade`: bring the ledger and the mirror to the schema this version needs."""

from __future__ import annotations

import sys

from services.errors import DeskError
from services.settings import read_settings
from services.storage.database import private_umask
from services.storage.upgrade import upgrade


def main(arguments: list[str]) -> int:
    """Run the one command there is."""
    if arguments != ["upgrade"]:
        print("Usage: python -m services.storage upgrade")
        return 2
    private_umask()
    try:
        lines = upgrade(read_settings())
    except DeskError as error:
        print(error.sentence)
        return 1
    print("\n".join(lines))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
