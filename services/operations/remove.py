"""Delete a service: look, delete, wait until it is gone."""

from __future__ import annotations

from typing import Any

from services.azureml.mms import ModelManagement
from services.errors import Conflict
from services.operations.engine import Work
from services.operations.following import follow, until_free
from services.operations.records import Operation


def delete(work: Work) -> dict[str, Any]:
    """Delete it, unless it is gone; never a newer service of the same name."""
    name = work.arguments["service"]
    mms: ModelManagement = work.tool("gateway").mms
    with work.turn(name):
        live = mms.find_service(name)
        if live is None:
            return {"azure_operation": None}
        created = live.created_at.isoformat() if live.created_at else None
        if work.arguments["created_at"] and created != work.arguments["created_at"]:
            raise Conflict(
                f"{name} was deleted and made anew since you asked: look at the new one, and delete that if you mean it."
            )
        return {"azure_operation": until_free(work, lambda: mms.delete_service(name))}


def wait_until_gone(work: Work) -> dict[str, Any]:
    """Wait until Azure knows it no more."""
    name = work.arguments["service"]
    mms: ModelManagement = work.tool("gateway").mms
    follow(work, (work.result("delete") or {}).get("azure_operation"))
    while mms.find_service(name) is not None:
        work.note(f"{name} is still there")
        work.pause(1.0)
    return {}


def receipt(operation: Operation) -> dict[str, Any]:
    """What is gone."""
    return {"deleted": operation.subject}
