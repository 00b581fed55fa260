"""Begin and end a fault of the local workspace: look whether it holds, act, record."""

from __future__ import annotations

from typing import Any

from services.azureml.local_admin import Fault, LocalAdmin
from services.errors import Invalid, NotFound
from services.operations.engine import Work
from services.operations.records import Operation

MARKS = ("kind", "service", "milliseconds", "rate", "method", "path")


def begin(work: Work) -> dict[str, Any]:
    """Begin it, unless a run before this one did."""
    admin = _admin(work)
    asked = work.arguments["fault"]
    before = work.intended()
    if before:
        # The run before was about to begin it: the one that was not there then is it.
        known = set(before.get("held", ()))
        found = next((fault for fault in admin.faults() if fault.id not in known and _is_asked(fault, asked)), None)
        if found is not None:
            return _said(found)
    work.about_to({"held": [fault.id for fault in admin.faults()]})
    return _said(admin.begin(asked))


def begun(operation: Operation) -> dict[str, Any]:
    """Which fault holds, and until when."""
    return dict(operation.result("begin") or {})


def end(work: Work) -> dict[str, Any]:
    """End it; one that has ended by itself is done."""
    fault_id = work.arguments["fault_id"]
    try:
        _admin(work).end(fault_id)
    except NotFound:
        return {"fault": fault_id, "had_ended": True}
    return {"fault": fault_id, "had_ended": False}


def ended(operation: Operation) -> dict[str, Any]:
    """Which fault is over."""
    return dict(operation.result("end") or {})


def _admin(work: Work) -> LocalAdmin:
    admin: LocalAdmin | None = work.tool("local_admin")
    if admin is None:
        raise Invalid("Faults on purpose are there on the local workspace alone: this worker works on Azure.")
    return admin


def _is_asked(fault: Fault, asked: dict[str, Any]) -> bool:
    return all(name not in asked or getattr(fault, name) == asked[name] for name in MARKS)


def _said(fault: Fault) -> dict[str, Any]:
    return {"fault": fault.id, "kind": fault.kind, "service": fault.service, "until": fault.until.isoformat()}
