"""Service keys at rest: sealed in the database, so that a copy of it gives nobody a key."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cryptography.fernet import Fernet

from local_workspace.files import Damaged, write_private


class Seal:
    """Seals small documents with a key that lies in a file of its own."""

    def __init__(self, path: Path) -> None:
        if not path.exists():
            write_private(path, Fernet.generate_key().decode())
        try:
            self._fernet = Fernet(path.read_bytes().strip())
        except ValueError as error:
            raise Damaged(path, "it holds no key") from error

    def close(self, document: Mapping[str, Any]) -> bytes:
        """Seal."""
        return self._fernet.encrypt(json.dumps(document).encode())

    def open(self, sealed: bytes) -> dict[str, Any]:
        """Open what `close` sealed."""
        document: dict[str, Any] = json.loads(self._fernet.decrypt(sealed))
        return document
