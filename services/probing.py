"""Small requests of our own to a scoring address: raw HTTP, one attempt each, tagged so that charts can leave them out.

Never the SDK's `service.run()`: it repeats a 503 four times over a minute and hides all but the last answer.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

import httpx2 as httpx

Purpose = Literal["probe", "test"]
BODY_SHOWN = 256 * 1024
SWAGGER_DEADLINE_SECONDS = 5.0
FALLBACK_BODY = '{"data": []}'


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One request and what came of it."""

    sent_at: datetime
    client_request_id: str
    status: int | None
    """None = no answer came; `failure` says why."""
    milliseconds: float
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""
    is_cut: bool = False
    failure: str = ""

    @property
    def key_was_accepted(self) -> bool | None:
        """Whether the front end let the key through; None when no answer came."""
        return None if self.status is None else self.status not in (401, 403)

    @property
    def model_milliseconds(self) -> float | None:
        """What `run()` alone took, when the server says so."""
        text = self.headers.get("x-ms-run-fn-exec-ms")
        return float(text) if text else None


def send(
    address: str,
    body: str | bytes,
    *,
    credential: str | None,
    purpose: Purpose,
    deadline: float,
    content_type: str = "application/json",
) -> Attempt:
    """Send one request; never raises for what the service or the network does."""
    client_request_id = f"desk-{purpose}-{secrets.token_hex(8)}"
    headers = {"Content-Type": content_type, "x-ms-client-request-id": client_request_id}
    if credential:
        headers["Authorization"] = f"Bearer {credential}"
    sent_at, started = datetime.now(UTC), time.perf_counter()
    try:
        with httpx.Client(timeout=deadline, trust_env=False) as client:
            # Reading the certificates of this host took as long as many a request: that is not the service's time.
            started = time.perf_counter()
            answer = client.post(address, content=body, headers=headers)
            milliseconds = (time.perf_counter() - started) * 1000
    except httpx.TimeoutException:
        return _unanswered(sent_at, client_request_id, started, f"No answer within {deadline:.0f} s.")
    except httpx.ConnectError:
        return _unanswered(
            sent_at, client_request_id, started, "The address refused the connection: nothing listens there."
        )
    except httpx.HTTPError as error:
        return _unanswered(
            sent_at, client_request_id, started, f"The connection broke before an answer came ({type(error).__name__})."
        )
    text = answer.content[:BODY_SHOWN].decode("utf-8", errors="replace")
    return Attempt(
        sent_at=sent_at,
        client_request_id=client_request_id,
        status=answer.status_code,
        milliseconds=milliseconds,
        headers={name.lower(): value for name, value in answer.headers.items()},
        body=text,
        is_cut=len(answer.content) > BODY_SHOWN,
    )


def sample_body(swagger_address: str, *, credential: str | None) -> str:
    """A body the service should understand, from its own swagger document; a neutral one when it has none."""
    headers = {"Authorization": f"Bearer {credential}"} if credential else {}
    try:
        with httpx.Client(timeout=SWAGGER_DEADLINE_SECONDS, trust_env=False) as client:
            answer = client.get(swagger_address, headers=headers)
            document = answer.json() if answer.status_code == 200 else {}
    except (httpx.HTTPError, ValueError):
        return FALLBACK_BODY
    example = _example(document)
    # Of a script without a schema the inference server says an empty object, which is no example of anything.
    return json.dumps(example, indent=2) if example not in (None, {}) else FALLBACK_BODY


def _example(document: Any) -> Any:
    """The example of the input in a swagger 2 or OpenAPI 3 document of the inference server."""
    if not isinstance(document, dict):
        return None
    schemas = document.get("definitions") or document.get("components", {}).get("schemas") or {}
    found = schemas.get("ServiceInput", {})
    return found.get("example") if isinstance(found, dict) else None


def _unanswered(sent_at: datetime, client_request_id: str, started: float, failure: str) -> Attempt:
    return Attempt(
        sent_at=sent_at,
        client_request_id=client_request_id,
        status=None,
        milliseconds=(time.perf_counter() - started) * 1000,
        failure=failure,
    )
