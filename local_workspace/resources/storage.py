"""Blob storage as the SDK's storage client speaks it: whole puts, blocks and block lists, heads and downloads."""

from __future__ import annotations

import logging
import sqlite3
import uuid
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from xml.etree import ElementTree as ET

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from local_workspace.blobs import Blobs
from local_workspace.files import is_full
from local_workspace.wire import NO_ROOM

log = logging.getLogger(__name__)

LARGEST_BLOCK_BYTES = 256 * 1024 * 1024
LARGEST_LIST_BYTES = 8 * 1024 * 1024
PATH = "/blobs/{blob}"


def routes(blobs: Blobs, *, writable: bool) -> list[Route]:
    """Reading at the plain address, reading and writing at the TLS one."""

    async def download(request: Request) -> Response:
        return await _download(request, blobs)

    async def upload(request: Request) -> Response:
        try:
            return await _upload(request, blobs)
        except (OSError, sqlite3.Error) as error:
            if not is_full(error):
                raise
            # The storage client sends again, for minutes, what is answered above 499.
            log.error("An upload found the disk full")
            return _storage_error(400, "InsufficientStorage", NO_ROOM.message)

    read = Route(PATH, download, methods=["GET", "HEAD"])
    return [read, Route(PATH, upload, methods=["PUT"])] if writable else [read]


async def _download(request: Request, blobs: Blobs) -> Response:
    blob = request.path_params["blob"]
    if not blobs.allows("read", blob, signature=request.query_params.get("sig", "")):
        return _storage_error(403, "AuthenticationFailed")
    found = await run_in_threadpool(blobs.arrived, blob)
    if found is None:
        return _storage_error(404, "BlobNotFound")
    file, etag = found
    headers = _headers(etag, file) | {"x-ms-blob-type": "BlockBlob"}
    headers |= {"x-ms-lease-status": "unlocked", "x-ms-lease-state": "available"}
    return FileResponse(file, headers=headers, media_type="application/octet-stream")


async def _upload(request: Request, blobs: Blobs) -> Response:
    blob = request.path_params["blob"]
    # Only an artifact that was declared has a signature, so a signed blob is a known one.
    if not blobs.allows("write", blob, signature=request.query_params.get("sig", "")):
        return _storage_error(403, "AuthenticationFailed")
    comp = request.query_params.get("comp")
    if comp == "block":
        part = blobs.part(blob, request.query_params.get("blockid", ""))
        return await _receive(request, part) or _stored()
    before = await run_in_threadpool(blobs.arrived, blob)
    if before is not None and request.headers.get("if-none-match") == "*":
        return _storage_error(409, "BlobAlreadyExists")
    if comp == "blocklist":
        parts = await _block_list(request, blobs, blob)
        if isinstance(parts, Response):
            return parts
    else:
        whole = blobs.part(blob, f"whole {uuid.uuid4()}")
        refused = await _receive(request, whole)
        if refused is not None:
            return refused
        parts = [whole]
    await run_in_threadpool(blobs.commit, blob, parts)
    arrived = await run_in_threadpool(blobs.arrived, blob)
    return _stored(arrived[1], arrived[0]) if arrived else _stored()


async def _block_list(request: Request, blobs: Blobs, blob: str) -> list[Path] | Response:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST_LIST_BYTES:
            return _storage_error(413, "RequestBodyTooLarge")
    # A document type could name entities that grow without end; a block list has none.
    if b"<!" in body:
        return _storage_error(400, "InvalidXmlDocument")
    try:
        blocks = [element.text or "" for element in ET.fromstring(body)]  # noqa: S314 - see above
    except ET.ParseError:
        return _storage_error(400, "InvalidXmlDocument")
    parts = [blobs.part(blob, block) for block in blocks]
    if not parts or not all(part.exists() for part in parts):
        return _storage_error(400, "InvalidBlockList")
    return parts


async def _receive(request: Request, part: Path) -> Response | None:
    """Write the body to a file; the refusal if it is too large."""
    size = 0
    temporary = part.with_name(f"{part.name}.{uuid.uuid4().hex}")
    try:
        with temporary.open("wb") as file:
            async for chunk in request.stream():
                size += len(chunk)
                if size > LARGEST_BLOCK_BYTES:
                    return _storage_error(413, "RequestBodyTooLarge")
                file.write(chunk)
        temporary.replace(part)
    finally:
        temporary.unlink(missing_ok=True)
    return None


def _headers(etag: str, file: Path | None) -> dict[str, str]:
    modified = datetime.fromtimestamp(file.stat().st_mtime, UTC) if file else datetime.now(UTC)
    return {
        "ETag": f'"0x{etag.upper()}"',
        "Last-Modified": format_datetime(modified, usegmt=True),
        "x-ms-request-id": str(uuid.uuid4()),
        "x-ms-version": "2021-08-06",
    }


def _stored(etag: str = "0", file: Path | None = None) -> Response:
    return Response(status_code=201, headers=_headers(etag, file) | {"x-ms-request-server-encrypted": "true"})


def _storage_error(status: int, code: str, message: str = "") -> Response:
    said = f"<Code>{code}</Code><Message>{message or code}</Message>"
    body = f'<?xml version="1.0" encoding="utf-8"?><Error>{said}</Error>'
    return Response(body, status_code=status, media_type="application/xml", headers={"x-ms-error-code": code})
