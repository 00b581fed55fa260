"""The list of operations: filters kept in the address, a page at a time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dashboard import context, reads_operations
from dashboard.ui import filters, operation_words, states, tables, times
from services.operations.records import Operation

STATES: Mapping[str, str] = {
    "waiting or running": "open",
    "stopped": "stopped",
    "failed": "failed",
    "succeeded": "succeeded",
}
PAGE = 50
ROWS = 15
"""So many are seen without scrolling in the table."""


def wanted() -> dict[str, Any]:
    """Show the filters and give what is wanted, as `Operations.page` takes it."""
    with filters.bar():
        state = filters.one("State", list(STATES), key="state")
        kind = filters.one("Kind", list(operation_words.KINDS), key="kind", format=operation_words.kind)
        person = filters.one("Asked for by", reads_operations.people(), key="person")
        subject = filters.text(
            "About", key="subject", placeholder="wine-dev or wine:3", help="The exact name of a service or model."
        )
    return {"state": STATES.get(state or "", ""), "kind": kind or "", "subject": subject, "person": person or ""}


def show(asked: dict[str, Any]) -> str | None:
    """Show the page of the list that is wanted; the id of the operation chosen in it."""
    total = reads_operations.count(**asked)
    shown = tables.pages(total, key="page", size=PAGE, what="operations")
    listed = reads_operations.page(**asked, limit=PAGE, offset=shown.start)
    chosen = tables.choose(
        [_row(operation) for operation in listed],
        key="operations",
        alt="Operations, newest first",
        columns={
            # First, so that a phone shows it; wide enough for its longest word.
            "state": {**states.column([operation_words.state(operation) for operation in listed]), "width": 115},
            "title": {**tables.text("What"), "width": 270},
            "requested": {**times.column("Asked for"), "width": 135},
            "took": tables.number("Took", unit="s", decimals=1, help="From being asked for to its end, or until now."),
            "by": tables.text("By"),
            "error": tables.text("Why it failed or stopped", wide=True),
            "reason": tables.text("Reason"),
            "kind": tables.text("Kind"),
            "subject": tables.text("About"),
        },
        empty="No operation matches these filters: take one away."
        if any(asked.values())
        else "Nothing was done through this desk yet: deploy a service or register a model.",
        height=tables.ROW * (min(len(listed), ROWS) + 1) + 2,
    )
    return None if chosen is None else listed[chosen].id


def _row(operation: Operation) -> dict[str, Any]:
    return {
        "title": operation.title,
        "state": [states.plain(operation_words.state(operation))],
        "requested": operation.requested_at,
        "took": operation.took(context.now()).total_seconds(),
        "by": operation.person_name,
        "kind": operation_words.kind(operation.kind),
        "subject": operation.subject,
        "reason": operation.reason,
        "error": operation.error or "",
    }
