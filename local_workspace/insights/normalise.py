"""One scoring call as it really was, from a request's telemetry as it was sent.

The inference server opens its span after the answer is ready: every request arrives with response code "0", success
true and, since 1.5, duration 0. The truth lies in the custom properties. Two generations are read by their shape, never
by their version, so a server that one day sends the truth is read right as well:

                    <= 1.4 (OpenCensus)              >= 1.5 (OpenTelemetry)
    name            ""                               "/score"
    time            start of the request             end of the request
    duration        right, whole milliseconds        "0.00:00:00.000"
    cloud role      the process's default            the service's name
    Response Value  JSON encoded once more           as it was sent

`services/azuremonitor/preludes/azure.kql` says the same in KQL, for rows Azure stored raw; a test compares the two.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from .envelopes import Envelope

OURS = "desk-"
"""Client request ids of the desk's own probes and test requests begin with it."""

_FILLED_ERROR_KEY = (
    r'[{,]\s*\\*"(error|errors|exception|traceback|error_message)\\*"\s*:\s*(\\*"[^"\\]|[\[{]\s*[^\]}\s]|true)'
)
_LIKE_AN_EXCEPTION = (
    r"(error|exception)\s*:|error occurred|traceback \(most recent|could not "
    r"|is expecting|unexpected keyword|missing \d+ required|not in index"
)
SOFT_FAILURE = rf'(?is){_FILLED_ERROR_KEY}|^["\\\s]*([^"\\\[{{\s].*)?({_LIKE_AN_EXCEPTION})'
"""A 200 whose body is an error: an object with a filled `error` (or the like), or a bare text that reads like an
exception. It works on the body as it was sent and on the body JSON encoded once more. This is the whole rule as Azure's
engine reads it; here it is taken in steps, since bodies have up to 64 KB and Python's engine backtracks."""

_KEY = re.compile(_FILLED_ERROR_KEY, re.DOTALL)
_QUOTES = re.compile(r'["\\\s]*')
_WORDS = re.compile(_LIKE_AN_EXCEPTION)
_CODE = re.compile(r"^[0-9]{1,4}$")
_DURATION = re.compile(r"^(?:(\d{1,7})\.)?(\d{1,2}):(\d{1,2}):(\d{1,2}(?:\.\d+)?)$")


def milliseconds(text: Any) -> float | None:
    """Read `[d.]hh:mm:ss[.fff]`."""
    match = _DURATION.match(str(text)) if text else None
    if not match:
        return None
    days, hours, minutes, seconds = match.groups(default="0")
    return round(((int(days) * 24 + int(hours)) * 60 + int(minutes)) * 60_000 + float(seconds) * 1000, 3)


def service(envelope: Envelope) -> str:
    """The service the telemetry is about; the older generation's role is the process's, its property the service's."""
    return envelope.properties.get("Service Name") or str(envelope.tags.get("ai.cloud.role", ""))


def is_soft_failure(code: int | None, body: str) -> bool:
    """Whether a 200 is an error all the same."""
    if code != 200 or not body:
        return False
    body = body.lower()
    if _KEY.search(body):
        return True
    begin = _QUOTES.match(body)
    start = begin.end() if begin else 0
    return body[start : start + 1] not in ("[", "{", "") and _WORDS.search(body, start) is not None


def request_row(envelope: Envelope) -> dict[str, Any] | None:
    """The row of `Requests`, or None for what is no scoring call (swagger, health)."""
    data, properties = envelope.data, envelope.properties
    path = properties.get("name") or str(data.get("name") or "") or urlsplit(str(data.get("url") or "")).path
    if not path.endswith("/score"):
        return None

    code = str(data.get("responseCode") or "")
    if code in ("", "0") and properties.get("resultCode"):
        code = properties["resultCode"]
    container_code = int(code) if _CODE.match(code) else None
    client_request_id = properties.get("Client Request Id", "")
    return {
        "TimeGenerated": envelope.time,
        "Service": service(envelope),
        "RequestId": properties.get("Request Id", ""),
        "ClientRequestId": client_request_id,
        "Replica": properties.get("Container Id") or str(envelope.tags.get("ai.cloud.roleInstance", "")),
        "Path": path,
        "ContainerCode": container_code,
        "DurationMs": _duration(milliseconds(data.get("duration")), milliseconds(properties.get("duration"))),
        "IsSoftFailure": is_soft_failure(container_code, properties.get("Response Value", "")),
        "IsOurs": client_request_id.startswith(OURS),
        "ItemCount": envelope.item_count,
    }


def _duration(span: float | None, measured: float | None) -> float | None:
    """The server's own measurement where it sent one; the span only where it is the same one with more digits."""
    if measured is None:
        return span
    if span is not None and measured <= span < measured + 1:
        return span
    return measured
