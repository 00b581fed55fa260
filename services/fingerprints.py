"""Fingerprints of keys: tells whether a key changed without keeping it. A keyed hash, its key outside the database."""

from __future__ import annotations

import hashlib
import hmac


class Fingerprints:
    """Marks of secrets, comparable with each other and with nothing else."""

    def __init__(self, key: bytes) -> None:
        self._key = hashlib.sha256(b"fingerprints\n" + key).digest()

    def of(self, secret: str) -> str:
        """The mark of a secret."""
        return hmac.new(self._key, secret.encode(), hashlib.sha256).hexdigest()[:32]
