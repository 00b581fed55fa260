"""Envelopes as rows of Azure's App* tables, raw where Azure keeps them raw: what a chart must not read there is wrong
here as well, so that a query tried on a laptop behaves on Azure. `Innermost*` and `ProblemId` are worked out from the
stack, as Azure does on its side by a rule of its own.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

from .envelopes import Envelope
from .normalise import milliseconds, request_row

Rows = dict[str, list[dict[str, Any]]]

_INT = re.compile(r"^-?[0-9]{1,9}$")
_FRAME = re.compile(r'File "([^"]+)", line (\d+), in (\S+)')
_CAUSE = "The above exception was the direct cause of the following exception:"
_LAST_LINE = re.compile(r"^([A-Za-z_][\w.]*)(?::\s?(.*))?$")


def rows(envelopes: Iterable[Envelope]) -> Rows:
    """Rows by table, `Requests` among them."""
    found: Rows = defaultdict(list)
    for envelope in envelopes:
        table, own_columns = _TABLES[envelope.kind]
        found[table].append({**_shared(envelope, table), **own_columns(envelope)})
        if envelope.kind == "RequestData" and (normalised := request_row(envelope)):
            found["Requests"].append(normalised)
    return found


def _shared(envelope: Envelope, table: str) -> dict[str, Any]:
    tags = envelope.tags
    return {
        "TimeGenerated": envelope.time,
        "ItemCount": envelope.item_count,
        "Properties": _json(envelope.properties),
        "AppRoleName": str(tags.get("ai.cloud.role", "")),
        "AppRoleInstance": str(tags.get("ai.cloud.roleInstance", "")),
        "AppVersion": str(tags.get("ai.application.ver", "")),
        "ClientIP": str(tags.get("ai.location.ip", "")),
        "OperationId": str(tags.get("ai.operation.id", "")),
        "OperationName": str(tags.get("ai.operation.name", "")),
        "ParentId": str(tags.get("ai.operation.parentId", "")),
        "SDKVersion": str(tags.get("ai.internal.sdkVersion", "")),
        "IKey": envelope.instrumentation_key,
        "Type": table,
    }


def _request(envelope: Envelope) -> dict[str, Any]:
    data = envelope.data
    return {
        "Id": _text(data.get("id")),
        "Name": _text(data.get("name")),
        "Url": _text(data.get("url")),
        "Source": _text(data.get("source")),
        "ResultCode": _text(data.get("responseCode")),
        "Success": _flag(data.get("success")),
        "DurationMs": milliseconds(data.get("duration")),
        "Measurements": _json(data.get("measurements") or {}),
    }


def _dependency(envelope: Envelope) -> dict[str, Any]:
    data = envelope.data
    return {
        "Id": _text(data.get("id")),
        "Name": _text(data.get("name")),
        "Data": _text(data.get("data")),
        "DependencyType": _text(data.get("type")),
        "Target": _text(data.get("target")),
        "ResultCode": _text(data.get("resultCode")),
        "Success": _flag(data.get("success")),
        "DurationMs": milliseconds(data.get("duration")),
        "Measurements": _json(data.get("measurements") or {}),
    }


def _exception(envelope: Envelope) -> dict[str, Any]:
    exceptions = [entry for entry in envelope.data.get("exceptions") or [] if isinstance(entry, dict)]
    outer: dict[str, Any] = exceptions[0] if exceptions else {}
    # The older generation puts the stack into the message, the newer into `stack`.
    message = _text(outer.get("message"))
    _, _, tail = message.partition("\nTraceback (most recent call last):")
    stack = _text(outer.get("stack")) or (f"Traceback (most recent call last):{tail}" if tail else "")
    innermost_type, innermost_message = _innermost(stack)
    method = _deepest_function(stack)
    outer_type = _text(outer.get("typeName"))
    details = [{"type": outer_type, "message": message, "rawStack": stack, "parsedStack": outer.get("parsedStack")}]
    return {
        "ExceptionType": outer_type,
        "OuterType": outer_type,
        "Message": message,
        "OuterMessage": message,
        "InnermostType": innermost_type or outer_type,
        "InnermostMessage": innermost_message or message,
        "InnermostMethod": method,
        "Method": method,
        "SeverityLevel": _whole(envelope.data.get("severityLevel")),
        "ProblemId": f"{innermost_type or outer_type} at {method}" if method else innermost_type or outer_type,
        "Details": _json(details),
        "Measurements": _json(envelope.data.get("measurements") or {}),
    }


def _message(envelope: Envelope) -> dict[str, Any]:
    return {
        "Message": _text(envelope.data.get("message")),
        "SeverityLevel": _whole(envelope.data.get("severityLevel")),
        "Measurements": _json(envelope.data.get("measurements") or {}),
    }


def _metric(envelope: Envelope) -> dict[str, Any]:
    metrics = [entry for entry in envelope.data.get("metrics") or [] if isinstance(entry, dict)]
    metric: dict[str, Any] = metrics[0] if metrics else {}
    value = _number(metric.get("value"))
    lowest, highest = _number(metric.get("min")), _number(metric.get("max"))
    return {
        "Name": _text(metric.get("name")),
        "Sum": value,
        "Min": value if lowest is None else lowest,
        "Max": value if highest is None else highest,
        "ItemCount": _whole(metric.get("count")) or 1,
    }


_TABLES: dict[str, tuple[str, Callable[[Envelope], dict[str, Any]]]] = {
    "RequestData": ("AppRequests", _request),
    "RemoteDependencyData": ("AppDependencies", _dependency),
    "ExceptionData": ("AppExceptions", _exception),
    "MessageData": ("AppTraces", _message),
    "MetricData": ("AppMetrics", _metric),
}


def _innermost(stack: str) -> tuple[str, str]:
    """Type and message of the first cause: the last line of the first traceback in the chain."""
    for line in reversed(stack.split(_CAUSE)[0].strip().splitlines()):
        if not line.startswith(" ") and (match := _LAST_LINE.match(line)):
            return match[1].rpartition(".")[2], match[2] or ""
    return "", ""


def _deepest_function(stack: str) -> str:
    """The function in which the first cause was raised."""
    frames = _FRAME.findall(stack.split(_CAUSE)[0])
    return str(frames[-1][2]) if frames else ""


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _flag(value: Any) -> bool | None:
    return None if value is None else str(value).lower() == "true"


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and abs(value) < 1e300 else None


def _whole(value: Any) -> int | None:
    text = _text(value)
    return int(text) if _INT.match(text) else None


# One encoder for all rows: making one for each is a tenth of the whole work.
_json = json.JSONEncoder(ensure_ascii=False).encode
