"""A local workspace's `connection.json`: where it listens and which tokens it takes, always as it is now.

The workspace writes the file anew when it starts. It is read again whenever it has changed, and on demand after a
refusal, so that neither desk nor worker has to be restarted with it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Literal

from services.errors import Unavailable
from services.scrubbing import remember

TokenName = Literal["token", "read_token"]


@dataclass(frozen=True, kw_only=True)
class Coordinates:
    """Which workspace."""

    subscription_id: str
    resource_group: str
    workspace_name: str
    tenant_id: str = ""

    @property
    def path(self) -> str:
        """The resource id, as every address of Azure ML contains it."""
        return (
            f"/subscriptions/{self.subscription_id}/resourceGroups/{self.resource_group}"
            f"/providers/Microsoft.MachineLearningServices/workspaces/{self.workspace_name}"
        )


@dataclass(frozen=True, kw_only=True)
class Connection:
    """What the file said when it was read last."""

    url: str
    token: str
    coordinates: Coordinates
    ca_bundle: str | None
    logs_url: str
    logs_workspace_id: str


class ConnectionFile:
    """Reads `connection.json`, again when it changes."""

    def __init__(self, path: Path, *, token: TokenName) -> None:
        """`token` names which of the two tokens is used."""
        self.path = path
        self._token: TokenName = token
        self._lock = Lock()
        self._read: tuple[tuple[int, int], Connection] | None = None

    def now(self) -> Connection:
        """The connection as the file has it now."""
        try:
            stat = self.path.stat()
        except FileNotFoundError:
            raise Unavailable(
                "The local workspace is not ready yet: it writes its connection file when it is. Wait a moment; if it "
                "does not come, look at its log."
            ) from None
        mark = (stat.st_mtime_ns, stat.st_ino)
        with self._lock:
            if self._read is None or self._read[0] != mark:
                self._read = (mark, self._parse())
            return self._read[1]

    def renew(self) -> bool:
        """Read the file whatever its time says; whether that changed anything, so that another try makes sense."""
        with self._lock:
            before = self._read[1] if self._read else None
            self._read = None
        return self.now() != before

    def _parse(self) -> Connection:
        try:
            document = json.loads(self.path.read_text(encoding="utf-8"))
            connection = Connection(
                url=str(document["url"]).rstrip("/"),
                token=document[self._token],
                coordinates=Coordinates(
                    subscription_id=document["subscription_id"],
                    resource_group=document["resource_group"],
                    workspace_name=document["workspace_name"],
                    tenant_id=document["tenant_id"],
                ),
                ca_bundle=document.get("ca_bundle"),
                logs_url=str(document["logs_url"]).rstrip("/"),
                logs_workspace_id=document["logs_workspace_id"],
            )
        except (ValueError, KeyError) as problem:
            raise Unavailable(
                f"The connection file {self.path} cannot be read ({type(problem).__name__}): start the local workspace "
                "again, it writes the file anew."
            ) from None
        remember(connection.token)
        return connection
