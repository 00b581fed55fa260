"""Lines of containers as rows of ContainerLogV2, the way Container Insights' agent would have sent them.

A body is a JSON array of objects with the table's own columns. `LogMessage` is what the line says: a line that is one
JSON document is kept as that document, so that KQL reads its members, and its `level` becomes the row's `LogLevel`.
"""

from __future__ import annotations

import json
from typing import Any

from .envelopes import BadBody, moment
from .rows import Rows
from .schema import TABLES

TABLE = "ContainerLogV2"
LEVELS = frozenset({"CRITICAL", "ERROR", "WARNING", "INFO", "DEBUG", "TRACE"})
_STRINGS = tuple(name for name, kind in TABLES[TABLE].items() if kind == "string")


def read(body: bytes) -> Rows:
    """The rows of a body; every row has every column, so that any two batches can be written as one."""
    try:
        lines = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadBody(f"The body is not JSON: {error}.") from error
    if not isinstance(lines, list) or not all(isinstance(line, dict) for line in lines):
        raise BadBody("The body is not a list of lines.")
    return {TABLE: [_row(line) for line in lines]} if lines else {}


def _row(line: dict[str, Any]) -> dict[str, Any]:
    unknown = line.keys() - TABLES[TABLE].keys()
    if unknown:
        raise BadBody(f"{TABLE} has no column {', '.join(sorted(unknown))}.")
    message = line.get("LogMessage")
    row: dict[str, Any] = {name: str(line.get(name) or "") for name in _STRINGS}
    said = str(message.get("level") or "").upper() if isinstance(message, dict) else ""
    return row | {
        "TimeGenerated": moment(line.get("TimeGenerated")),
        "LogMessage": json.dumps(message, ensure_ascii=False),
        "KubernetesMetadata": json.dumps(line.get("KubernetesMetadata"), ensure_ascii=False),
        "_BilledSize": float(len(json.dumps(message))),
        "LogLevel": row["LogLevel"] or (said if said in LEVELS else "UNKNOWN"),
        "Type": TABLE,
    }
