"""Faults begun and ended from the desk: by the worker, once, in the audit log, and seen by every screen."""

from __future__ import annotations

from collections import Counter

import pytest

from services.access import LOCAL_IDENTITIES
from services.errors import Invalid
from tests.kills.desk_stack import DeskStack

pytestmark = pytest.mark.slow

ADMIN = LOCAL_IDENTITIES["admin"]


def results(stack: DeskStack, operation: str) -> Counter[str]:
    """What the audit log has of an operation."""
    return Counter(entry.result for entry in stack.desk.audit.page(limit=500) if entry.operation == operation)


def test_a_fault_whose_worker_died_is_begun_once_and_ended(stack: DeskStack) -> None:
    faults = stack.desk.faults
    stack.end_worker()
    begun = faults.begin(ADMIN, "control-plane-slow", seconds=120, parameters={"milliseconds": 1, "path": "/never"})
    stack.start_worker({begun: "begin:acted"})
    stack.wait_for_worker_to_end()
    stack.start_worker()
    receipt = stack.wait(begun).receipt or {}

    (held,) = faults.all()
    assert (held.id, held.kind, held.milliseconds, held.path) == (receipt["fault"], "control-plane-slow", 1, "/never")
    assert results(stack, begun) == {"asked": 1, "succeeded": 1}

    ended = faults.end(ADMIN, held, reason="Enough of it")
    stack.wait(ended)

    assert stack.faults() == []
    assert results(stack, ended) == {"asked": 1, "succeeded": 1}
    # One that is over is over: ending it again is no failure.
    assert (stack.wait(faults.end(ADMIN, held)).receipt or {})["had_ended"] is True


def test_what_makes_no_sense_is_refused_before_it_is_asked_for(stack: DeskStack) -> None:
    faults = stack.desk.faults

    for kind, asked in (
        ("slow", {}),
        ("earthquake", {}),
        ("control-plane-429", {"service": "wine-prod"}),
        ("hang", {"service": "wine-prod", "parameters": {"milliseconds": 5}}),
    ):
        with pytest.raises(Invalid):
            faults.begin(ADMIN, kind, **asked)  # type: ignore[arg-type]
