"""Uploaded bytes: files under names of our own, found through the artifact they belong to."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import shutil
from pathlib import Path
from typing import Literal
from urllib.parse import quote

from local_workspace.identity import HOST, Identity
from local_workspace.state import State, now

Right = Literal["read", "write"]


class Blobs:
    """Keeps the bytes of artifacts and signs the addresses at which they are read and written."""

    def __init__(self, folder: Path, state: State, identity: Identity) -> None:
        self._folder = folder
        self._staging = folder / "staging"
        self._state = state
        self._identity = identity
        self._staging.mkdir(parents=True, exist_ok=True, mode=0o700)

    def declare(self, origin: str, container: str, path: str) -> dict[str, object]:
        """Make room for an artifact that will be uploaded; return the wire's artifact."""
        with self._state.transaction() as work:
            work.execute(
                "INSERT INTO artifacts (origin, container, path, blob, etag, created) VALUES (?, ?, ?, ?, ?, ?)"
                " ON CONFLICT DO NOTHING",
                (origin, container, path, secrets.token_hex(16), secrets.token_hex(8), now()),
            )
        found = self._state.row(
            "SELECT * FROM artifacts WHERE origin = ? AND container = ? AND path = ?", (origin, container, path)
        )
        assert found is not None, "the row was just written"  # noqa: S101
        return {
            "artifactId": f"{origin}/{container}/{path}",
            "origin": origin,
            "container": container,
            "path": path,
            "etag": found["etag"],
            "createdTime": found["created"],
            "dataPath": {"dataStoreName": "workspaceartifactstore", "relativePath": f"{origin}/{container}/{path}"},
        }

    def upload_address(self, origin: str, container: str, path: str) -> str:
        """Where the SDK's storage client may put the bytes.

        That client takes the host apart at its first two dots and talks https only; what stands before the `@` is
        for it to take apart.
        """
        host = f"local.blob.local@{HOST}:{self._identity.blob_port}"
        return f"https://{host}{self._path(origin, container, path)}?sig={self._signature('write', origin, container, path)}"

    def download_address(self, origin: str, container: str, path: str) -> str:
        """Where anyone who has this address may read the bytes."""
        signature = self._signature("read", origin, container, path)
        return f"{self._identity.url}{self._path(origin, container, path)}?sig={signature}"

    def allows(self, right: Right, origin: str, container: str, path: str, *, signature: str) -> bool:
        """Whether a signature gives this right."""
        allowed = [self._signature("write", origin, container, path)]
        if right == "read":
            allowed.append(self._signature("read", origin, container, path))
        # Each is compared, so that the time taken says nothing about the signature.
        matches = [hmac.compare_digest(known, signature) for known in allowed]
        return any(matches)

    def find(self, origin: str, container: str, path: str) -> tuple[Path, str] | None:
        """File and ETag of an artifact whose bytes have arrived."""
        row = self._state.row(
            "SELECT blob, etag FROM artifacts WHERE origin = ? AND container = ? AND path = ? AND size IS NOT NULL",
            (origin, container, path),
        )
        return (self._file(row["blob"]), row["etag"]) if row else None

    def below(self, origin: str, container: str, prefix: str) -> list[tuple[str, Path]]:
        """Path and file of every artifact that is this path or lies in this folder."""
        folder = prefix.rstrip("/")
        rows = self._state.rows(
            "SELECT path, blob FROM artifacts WHERE origin = ?1 AND container = ?2 AND size IS NOT NULL"
            " AND (?3 = '' OR path = ?3 OR substr(path, 1, length(?3) + 1) = ?3 || '/') ORDER BY path",
            (origin, container, folder),
        )
        return [(row["path"], self._file(row["blob"])) for row in rows]

    def part(self, origin: str, container: str, path: str, block: str) -> Path | None:
        """Where one block, or the whole, is written before it counts; None for an artifact nobody declared."""
        row = self._state.row(
            "SELECT blob FROM artifacts WHERE origin = ? AND container = ? AND path = ?", (origin, container, path)
        )
        if row is None:
            return None
        return self._staging / f"{row['blob']}.{hashlib.sha256(block.encode()).hexdigest()[:32]}"

    def commit(self, origin: str, container: str, path: str, parts: list[Path]) -> str:
        """Make the bytes of an artifact of its parts, in this order; return the ETag."""
        row = self._state.row(
            "SELECT blob, etag FROM artifacts WHERE origin = ? AND container = ? AND path = ?",
            (origin, container, path),
        )
        if row is None:
            raise FileNotFoundError(path)
        target = self._file(row["blob"])
        target.parent.mkdir(exist_ok=True)
        first, *rest = parts
        with first.open("ab") as whole:
            for part in rest:
                with part.open("rb") as piece:
                    shutil.copyfileobj(piece, whole, 1024 * 1024)
        first.replace(target)
        for part in rest:
            part.unlink()
        with self._state.transaction() as work:
            work.execute(
                "UPDATE artifacts SET size = ? WHERE origin = ? AND container = ? AND path = ?",
                (target.stat().st_size, origin, container, path),
            )
        etag: str = row["etag"]
        return etag

    def _file(self, blob: str) -> Path:
        return self._folder / blob[:2] / blob

    def _path(self, origin: str, container: str, path: str) -> str:
        return f"/blobs/{quote(origin)}/{quote(container)}/{quote(path)}"

    def _signature(self, right: Right, origin: str, container: str, path: str) -> str:
        message = "\n".join((right, origin, container, path)).encode()
        return hmac.new(self._identity.signing_key.encode(), message, hashlib.sha256).hexdigest()
