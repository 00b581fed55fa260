"""Who may talk to the local Azure Monitor: read from a file of the control plane, again when it changes."""

from __future__ import annotations

import hmac
import json
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from .kql import LARGEST_ROWS
from .store import LARGEST_BYTES, RETENTION


@dataclass(frozen=True, kw_only=True)
class Config:
    """What the file says."""

    tokens: tuple[str, ...]
    """Bearer tokens that may query, the full and the read one."""
    admin_token: str
    workspace_id: str
    """The Log Analytics workspace's customer id."""
    instrumentation_keys: frozenset[str]
    retention: timedelta = RETENTION
    largest_bytes: int = LARGEST_BYTES
    largest_rows: int = LARGEST_ROWS


def load(path: Path) -> Config:
    """Read the file."""
    given: dict[str, Any] = json.loads(path.read_text())
    return Config(
        tokens=tuple(given["tokens"]),
        admin_token=given["admin_token"],
        workspace_id=given["workspace_id"],
        instrumentation_keys=frozenset(key.lower() for key in given["instrumentation_keys"]),
        retention=timedelta(days=given.get("retention_days", RETENTION.days)),
        largest_bytes=given.get("largest_bytes", LARGEST_BYTES),
        largest_rows=given.get("largest_rows", LARGEST_ROWS),
    )


class Guard:
    """Compares tokens whole and in constant time; looks at the file again before it says no."""

    def __init__(self, path: Path) -> None:
        """Read the file now."""
        self._path = path
        self._changed = path.stat().st_mtime_ns
        self.config = load(path)

    def may_query(self, token: str) -> bool:
        """Whether the token is one of ours."""
        return self._any(token, self.config.tokens) or (self.reread() and self._any(token, self.config.tokens))

    def may_administer(self, token: str) -> bool:
        """Whether the token is the admin's."""
        return self._any(token, (self.config.admin_token,)) or (
            self.reread() and self._any(token, (self.config.admin_token,))
        )

    def reread(self) -> bool:
        """Take up a changed file; true when it had changed."""
        changed = self._path.stat().st_mtime_ns
        if changed == self._changed:
            return False
        self.config = load(self._path)
        self._changed = changed
        return True

    @staticmethod
    def _any(token: str, accepted: tuple[str, ...]) -> bool:
        given = token.encode()
        # Every one is compared, so that the time says nothing about which came close.
        return any([hmac.compare_digest(given, one.encode()) for one in accepted if one])  # noqa: C419
