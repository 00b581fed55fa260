"""Breeze, the wire format of Application Insights: a body in, envelopes and per-item verdicts out.

Exporters send a JSON array, some newline-delimited JSON, some of it gzipped; an answer that names each refused item
by its index (206) keeps them from dropping or repeating the rest.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

LARGEST_BODY = 64 * 1024 * 1024
"""Bytes of one unpacked body; the exporters' own batches are below 1 MB."""
BASE_TYPES = frozenset({"RequestData", "ExceptionData", "MessageData", "RemoteDependencyData", "MetricData"})
_KNOWN_BUT_NOT_KEPT = frozenset({"EventData", "PageViewData", "AvailabilityData"})


_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


class BadBody(ValueError):
    """The body as a whole cannot be read."""


@dataclass(frozen=True)
class Envelope:
    """One item of telemetry that can be stored."""

    time: datetime
    """UTC, without a zone, as DuckDB's TIMESTAMP wants it."""
    kind: str
    tags: dict[str, Any]
    data: dict[str, Any]
    properties: dict[str, str]
    instrumentation_key: str
    item_count: int


@dataclass
class Batch:
    """What a body held: the envelopes to store and the verdict on the others."""

    received: int = 0
    envelopes: list[Envelope] = field(default_factory=list)
    not_kept: int = 0
    errors: list[dict[str, Any]] = field(default_factory=list)

    def answer(self) -> dict[str, Any]:
        """The body of the answer as exporters read it."""
        accepted = self.received - len(self.errors)
        return {"itemsReceived": self.received, "itemsAccepted": accepted, "errors": self.errors}

    @property
    def status(self) -> int:
        """200 when all were taken, 206 for some, 400 for none."""
        if not self.errors:
            return 200
        return 206 if len(self.errors) < self.received else 400


def unpack(body: bytes, *, encoding: str) -> bytes:
    """Return the body as sent before compression, never more than LARGEST_BODY of it."""
    if encoding in ("", "identity"):
        return body
    if encoding not in ("gzip", "deflate"):
        raise BadBody(f"Content-Encoding {encoding} is not supported: send gzip or nothing.")
    unpacker = zlib.decompressobj(wbits=47)  # 32 + 15: gzip and zlib headers are both recognised
    try:
        unpacked = unpacker.decompress(body, LARGEST_BODY)
    except zlib.error as error:
        raise BadBody(f"The body is not {encoding}: {error}.") from error
    if unpacker.unconsumed_tail:
        raise BadBody("The body is larger than 64 MB when unpacked: send smaller batches.")
    return unpacked


def read(body: bytes, *, instrumentation_keys: Collection[str]) -> Batch:
    """Read a JSON array, one JSON object, or newline-delimited JSON."""
    batch = Batch()
    for index, item in enumerate(_items(body)):
        batch.received += 1
        try:
            envelope = _envelope(item, instrumentation_keys)
        except BadBody as problem:
            batch.errors.append({"index": index, "statusCode": 400, "message": str(problem)})
            continue
        if envelope is None:
            batch.not_kept += 1
        else:
            batch.envelopes.append(envelope)
    return batch


def _items(body: bytes) -> list[Any]:
    text = body.strip()
    if not text:
        raise BadBody("The body is empty.")
    try:
        whole = _load(text)
    except RecursionError as error:
        raise BadBody("The body is nested too deeply.") from error
    except ValueError:
        # Not one document: each line is one, and a broken line costs only itself.
        return [_line(line) for line in text.splitlines() if line.strip()]
    return whole if isinstance(whole, list) else [whole]


def _line(line: bytes) -> Any:
    try:
        return _load(line)
    except (ValueError, RecursionError):
        return None


def _load(text: bytes) -> Any:
    """Parse JSON into what a database can hold: no NaN, no half of a surrogate pair."""
    if _SURROGATE.search(text):
        whole = json.dumps(json.loads(text, parse_constant=_null), ensure_ascii=False)
        text = whole.encode("utf-8", "replace")
    return json.loads(text, parse_constant=_null)


def _null(_: str) -> None:
    return None


def _envelope(item: Any, instrumentation_keys: Collection[str]) -> Envelope | None:
    """One item checked; None for a kind that Azure would take and that has no table here."""
    if not isinstance(item, dict) or not isinstance(item.get("data"), dict):
        raise BadBody("The item is not a telemetry envelope.")
    key = str(item.get("iKey", "")).lower()
    if key not in instrumentation_keys:
        raise BadBody("Invalid instrumentation key")
    kind = item["data"].get("baseType")
    if kind in _KNOWN_BUT_NOT_KEPT:
        return None
    if kind not in BASE_TYPES:
        raise BadBody(f"103: Field 'data' has an unknown base type {str(kind)[:60]!r}.")
    data = item["data"].get("baseData")
    tags = item.get("tags") or {}
    if not isinstance(data, dict) or not isinstance(tags, dict):
        raise BadBody("The item has no base data.")
    properties = data.get("properties")
    return Envelope(
        time=moment(item.get("time")),
        kind=kind,
        tags=tags,
        data=data,
        properties=_strings(properties) if isinstance(properties, dict) else {},
        instrumentation_key=key,
        item_count=_item_count(item.get("sampleRate")),
    )


def moment(text: Any) -> datetime:
    """An ISO 8601 time as UTC without a zone."""
    try:
        found = datetime.fromisoformat(str(text))
        return (found if found.tzinfo is None else found.astimezone(UTC)).replace(tzinfo=None)
    except (ValueError, OverflowError) as error:
        raise BadBody(f"Field 'time' is not an ISO 8601 time: {str(text)[:40]!r}.") from error


def _strings(properties: dict[str, Any]) -> dict[str, str]:
    """Custom properties are strings in Azure's tables, whatever the exporter sent (older ones send `true` and `27`)."""
    return {
        name: value if isinstance(value, str) else "" if value is None else str(value)
        for name, value in properties.items()
    }


def _item_count(sample_rate: Any) -> int:
    """How many real items this one stands for: 100 / sampleRate."""
    if not isinstance(sample_rate, int | float) or not 0 < sample_rate <= 100:
        return 1
    return max(1, round(100 / sample_rate))
