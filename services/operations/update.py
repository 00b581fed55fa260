"""Change a running service by `update()`: one call after the other, each marked, each looked for before it is sent."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from services.azureml.types import Service
from services.operations.deploy import (
    code_of,
    environment_of,
    gateway_of,
    opened_secrets,
    plan_of,
    refuse_changed,
    typed_files,
    wanted_of,
)
from services.operations.engine import Work
from services.operations.following import follow, settle, until_free
from services.operations.records import Operation
from services.planning.wanted import SEALED


def check(work: Work) -> dict[str, Any]:
    """Look whether the service is still the one that was planned against."""
    wanted, plan = wanted_of(work), plan_of(work)
    live = gateway_of(work).mms.service(wanted.service)
    if calls_done(live, work) == 0:
        refuse_changed(live, wanted, plan)
    return {}


def apply(work: Work) -> dict[str, Any]:
    """Send each call that Azure does not have yet, waiting for the one before to end."""
    wanted, plan = wanted_of(work), plan_of(work)
    mms = gateway_of(work).mms
    azure_operations: list[str] = list(work.intended().get("azure_operations", []))
    with work.turn(wanted.service):
        for number, call in enumerate(plan.calls, start=1):
            live = mms.service(wanted.service)
            if calls_done(live, work) >= number:
                if live.operation_id and live.operation_id not in azure_operations:
                    azure_operations.append(live.operation_id)
                continue
            if number == 1:
                # Since the first look it may have waited long for its turn.
                refuse_changed(live, wanted, plan)
            work.note(f"sending change {number} of {len(plan.calls)}")
            operation_id = until_free(work, lambda number=number, call=call: _send(work, number, call))
            if operation_id:
                azure_operations.append(operation_id)
            work.about_to({"azure_operations": azure_operations})
            if number < len(plan.calls):
                follow(work, operation_id)
    return {"azure_operations": azure_operations}


def follow_it(work: Work) -> dict[str, Any]:
    """Follow Azure's last operation to its end, then the service until it is healthy."""
    wanted = wanted_of(work)
    operations = (work.result("apply") or {}).get("azure_operations") or [None]
    ended = follow(work, operations[-1])
    service = settle(work, wanted.service, ended)
    return {"state": service.state, "azure_state": ended.state if ended else None}


def receipt(operation: Operation) -> dict[str, Any]:
    """What the change did."""
    return {
        "asked": (operation.plan or {}).get("changes", []),
        "mismatches": (operation.result("read_back") or {}).get("mismatches", []),
        "azure_operations": (operation.result("apply") or {}).get("azure_operations", []),
    }


def calls_done(live: Service, work: Work) -> int:
    """How many of this operation's calls Azure has: the mark says operation and number."""
    operation, _, number = (live.operation or "").partition(".")
    return int(number) if operation == work.operation.id and number.isdigit() else 0


def _send(work: Work, number: int, call: dict[str, Any]) -> str | None:
    wanted, plan = wanted_of(work), plan_of(work)
    secrets = opened_secrets(work, wanted) if SEALED in call.values() else {}
    gateway = gateway_of(work)
    carries_rollout = plan.new_rollout and number == len(plan.calls)
    with tempfile.TemporaryDirectory(prefix="desk-update-") as folder, typed_files(secrets, Path(folder)) as typed:
        arguments = {name: typed.get(name, value) if value == SEALED else value for name, value in call.items()}
        code = code_of(work, wanted, Path(folder)) if carries_rollout else None
        submission = gateway.sdk.update_service(
            wanted.service,
            mark=f"{work.operation.id}.{number}",
            tags=arguments.pop("tags", None),
            properties=arguments.pop("properties", None),
            description=arguments.pop("description", None),
            configuration=arguments,
            model_ids=wanted.model_ids if carries_rollout else None,
            code=code,
            environment=environment_of(work, wanted) if code else None,
        )
    return submission.operation_id
