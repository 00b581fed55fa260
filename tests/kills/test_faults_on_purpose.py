"""Faults begun and ended from the desk: by the worker, once, in the audit log; and what the desk says is their cause."""

from __future__ import annotations

from collections import Counter

import pytest

from services.errors import Invalid
from tests.kills.desk_stack import ADMIN, OPERATOR, SCORE, DeskStack
from tests.running_workspace import wait_for

pytestmark = pytest.mark.slow


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
            faults.begin(ADMIN, kind, **asked)


def test_a_service_that_raises_on_purpose_is_explained(stack: DeskStack, model_id: str) -> None:
    desk = stack.desk
    name = stack.deployed("explained", model_id)
    assert desk.causes.of_service(name) == []

    stack.wait(desk.faults.begin(ADMIN, "error500", service=name, seconds=120))
    wait_for(lambda: desk.testing.send(OPERATOR, name, "{}").status == 502, "the fault to hold", 20)

    def explained() -> bool:
        return "run-raised" in [cause.id for cause in desk.causes.of_service(name)]

    # By its log, whose last lines are read at most every few seconds; then by the container's telemetry.
    wait_for(explained, "its log's cause", 60)
    assert desk.causes.may_have(desk.webservices.get(name))
    (counted,) = wait_for(
        lambda: [cause for cause in desk.causes.of_service(name) if cause.action and cause.action.group],
        "the exception's group",
        60,
    )
    assert "FaultOnPurpose" in counted.cause


def test_a_deployment_that_failed_says_which_package_is_missing(stack: DeskStack, model_id: str) -> None:
    desk = stack.desk
    script = f"import sklearnn.linear_model\n{SCORE}"
    operation = stack.launch(stack.wanted("unpacked", model_id, score=script))
    stack.wait(operation, state="failed")

    (cause,) = desk.causes.of_operation(operation)

    assert cause.id == "missing-package"
    assert cause.action is not None
    assert (cause.action.packages, cause.action.operation) == (("sklearnn",), operation)
    assert [cause.id for cause in desk.causes.of_service("unpacked")] == ["missing-package"]
