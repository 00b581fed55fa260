"""Uploaded bytes: files under names of our own, found through the artifact they belong to."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import shutil
from pathlib import Path
from typing import Literal

from local_workspace.identity import HOST, Identity
from local_workspace.state import State, now

Right = Literal["read", "write"]
COPY_BYTES = 1024 * 1024


class Blobs:
    """Keeps the bytes of artifacts and signs the addresses at which they are read and written."""

    def __init__(self, folder: Path, state: State, identity: Identity) -> None:
        self._folder = folder
        self._staging = folder / "staging"
        self._state = state
        self._identity = identity
        self._staging.mkdir(parents=True, exist_ok=True, mode=0o700)

    def declare(self, origin: str, container: str, path: str) -> str:
        """Make room for an artifact that will be uploaded; return the address at which the SDK may put its bytes.

        The SDK's storage client takes the host apart at its first two dots and talks https only; what stands before
        the `@` is for it to take apart. It also escapes the path once more, so there is nothing to escape in it.
        """
        with self._state.transaction() as work:
            work.execute(
                "INSERT INTO artifacts (origin, container, path, blob, etag, created) VALUES (?, ?, ?, ?, ?, ?)"
                " ON CONFLICT DO NOTHING",
                (origin, container, path, secrets.token_hex(16), secrets.token_hex(8), now()),
            )
            blob = work.execute(
                "SELECT blob FROM artifacts WHERE origin = ? AND container = ? AND path = ?", (origin, container, path)
            ).fetchone()["blob"]
        host = f"local.blob.local@{HOST}:{self._identity.blob_port}"
        return f"https://{host}/blobs/{blob}?sig={self._signature('write', blob)}"

    def download_address(self, origin: str, container: str, path: str) -> str | None:
        """Where anyone who has this address may read the bytes; None before they have arrived."""
        row = self._state.row(
            "SELECT blob FROM artifacts WHERE origin = ? AND container = ? AND path = ? AND size IS NOT NULL",
            (origin, container, path),
        )
        return f"{self._identity.url}/blobs/{row['blob']}?sig={self._signature('read', row['blob'])}" if row else None

    def allows(self, right: Right, blob: str, *, signature: str) -> bool:
        """Whether a signature gives this right."""
        allowed = [self._signature("write", blob)]
        if right == "read":
            allowed.append(self._signature("read", blob))
        # Each is compared, so that the time taken says nothing about the signature.
        matches = [hmac.compare_digest(known, signature) for known in allowed]
        return any(matches)

    def arrived(self, blob: str) -> tuple[Path, str] | None:
        """File and ETag of a blob whose bytes have arrived."""
        row = self._state.row("SELECT etag FROM artifacts WHERE blob = ? AND size IS NOT NULL", (blob,))
        return (self._file(blob), row["etag"]) if row else None

    def find(self, origin: str, container: str, path: str) -> Path | None:
        """The file of an artifact whose bytes have arrived."""
        row = self._state.row(
            "SELECT blob FROM artifacts WHERE origin = ? AND container = ? AND path = ? AND size IS NOT NULL",
            (origin, container, path),
        )
        return self._file(row["blob"]) if row else None

    def below(self, origin: str, container: str, prefix: str) -> list[tuple[str, Path]]:
        """Path and file of every artifact that is this path or lies in this folder."""
        folder = prefix.rstrip("/")
        rows = self._state.rows(
            "SELECT path, blob FROM artifacts WHERE origin = ?1 AND container = ?2 AND size IS NOT NULL"
            " AND (?3 = '' OR path = ?3 OR substr(path, 1, length(?3) + 1) = ?3 || '/') ORDER BY path",
            (origin, container, folder),
        )
        return [(row["path"], self._file(row["blob"])) for row in rows]

    def part(self, blob: str, block: str) -> Path:
        """Where one block, or the whole, is written before it counts."""
        return self._staging / f"{blob}.{hashlib.sha256(block.encode()).hexdigest()[:32]}"

    def commit(self, blob: str, parts: list[Path]) -> None:
        """Make the bytes of a blob of its parts, in this order."""
        target = self._file(blob)
        target.parent.mkdir(exist_ok=True)
        first, *rest = parts
        with first.open("ab") as whole:
            for part in rest:
                with part.open("rb") as piece:
                    shutil.copyfileobj(piece, whole, COPY_BYTES)
        first.replace(target)
        for part in rest:
            part.unlink()
        with self._state.transaction() as work:
            work.execute("UPDATE artifacts SET size = ? WHERE blob = ?", (target.stat().st_size, blob))

    def _file(self, blob: str) -> Path:
        return self._folder / blob[:2] / blob

    def _signature(self, right: Right, blob: str) -> str:
        message = f"{right}\n{blob}".encode()
        return hmac.new(self._identity.signing_key.encode(), message, hashlib.sha256).hexdigest()
