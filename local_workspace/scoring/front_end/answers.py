"""What the front end itself answers, and how an answer is put into bytes."""

from __future__ import annotations

import json
from http import HTTPStatus

REASONS = {status.value: status.phrase for status in HTTPStatus}
LONGEST_ID = 100
"""Ids of more characters are answered 431 by the inference server and are not echoed."""

SENTENCES = {
    400: "The request could not be read as HTTP.",
    401: "Send one of this service's keys, or a token for it, as 'Authorization: Bearer …'.",
    404: "There is no such address here. Scoring addresses look like /api/v1/service/<name>/score.",
    408: "The request did not arrive in time. Send the whole body without pausing.",
    413: "The request is larger than the limit of 100 MB. Send it in smaller parts.",
    431: "The request's headers are larger than 64 kB.",
    502: "The container ended before it answered. Look at the container's log.",
    503: "No replica became free within the longest wait in the queue. Try again later, or add replicas.",
    504: "The scoring script did not answer within the scoring timeout.",
}
_START = {code: f"HTTP/1.1 {code} {REASONS.get(code, 'Unknown')}\r\n".encode() for code in range(100, 600)}
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


def render(
    status: int,
    *,
    headers: bytes,
    body: bytes,
    request_id: bytes,
    client_request_id: bytes,
    keep_alive: bool,
    head_only: bool = False,
) -> bytes:
    """The whole answer; `headers` is a block of complete lines."""
    parts = [_START.get(status, _START[500]), headers]
    if status == 204:
        # It has no body, and may not speak of one.
        body = b""
    else:
        parts.append(b"Content-Length: %d\r\n" % len(body))
    if request_id:
        parts.append(b"x-request-id: %b\r\nx-ms-request-id: %b\r\n" % (request_id, request_id))
    if client_request_id and len(client_request_id) <= LONGEST_ID:
        parts.append(b"x-ms-client-request-id: %b\r\n" % client_request_id)
    parts.append(b"Connection: keep-alive\r\n\r\n" if keep_alive else b"Connection: close\r\n\r\n")
    if not head_only:
        parts.append(body)
    return b"".join(parts)


def own(status: int) -> tuple[bytes, bytes]:
    """Header block and body of an answer that comes from the front end itself."""
    headers = b"Content-Type: application/json\r\n"
    if status == 401:
        headers += b"WWW-Authenticate: Bearer\r\n"
    sentence = SENTENCES.get(status, REASONS.get(status, "Error"))
    return headers, json.dumps({"message": sentence}, ensure_ascii=False).encode()
