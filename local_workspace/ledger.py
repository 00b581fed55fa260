"""What was really done: one row per accepted change, so that anyone can count."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from local_workspace.state import State, now
from local_workspace.tokens import Caller

Kind = Literal["create", "update", "delete", "regenerate", "register", "attach", "detach"]

DESK_OPERATION = "desk-operation"
"""The property or tag by which a caller marks which of its own operations a change belongs to."""


def record(
    state: State,
    kind: Kind,
    resource: str,
    name: str,
    *,
    caller: Caller,
    version: str | None = None,
    operation_id: str | None = None,
    marks: Mapping[str, Any] | None = None,
) -> None:
    """Add a row; call it inside the transaction that makes the change."""
    desk_operation = (marks or {}).get(DESK_OPERATION)
    with state.transaction() as work:
        work.execute(
            "INSERT INTO ledger (at, kind, resource, name, version, operation_id, desk_operation, caller)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (now(), kind, resource, name, version, operation_id, desk_operation, caller.name),
        )


def entries(state: State, *, resource: str | None, name: str | None, kind: str | None) -> list[dict[str, Any]]:
    """The rows, oldest first, narrowed where asked."""
    found = state.rows(
        "SELECT * FROM ledger WHERE (?1 IS NULL OR resource = ?1) AND (?2 IS NULL OR name = ?2)"
        " AND (?3 IS NULL OR kind = ?3) ORDER BY sequence",
        (resource, name, kind),
    )
    return [dict(row) for row in found]
