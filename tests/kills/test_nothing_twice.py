"""Killed at every moment of every step, or left without an answer: each operation ends as if nothing had happened, once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest

from services.operations.desk import new_id
from services.operations.kinds import KINDS
from tests.kills.desk_stack import OPERATOR, DeskStack
from tests.running_workspace import wait_for

pytestmark = pytest.mark.slow

Name = Callable[[str], str]
DELAY_MS = 5000


def moments_of(kind: str) -> list[str]:
    """Every moment at which an operation of this kind can be cut off, in order."""
    steps = [f"{step.name}:{moment}" for step in KINDS[kind].steps for moment in ("begun", "acted", "recorded")]
    return [*steps, "end:begun", "end:recorded"]


def kill_at_every_moment(stack: DeskStack, kinds: dict[str, str]) -> int:
    """Run these operations (id → kind), killing the worker each time all of them came to their next moment."""
    rounds = 0
    chains = {operation: moments_of(kind) for operation, kind in kinds.items()}
    while any(chains.values()):
        stack.start_worker({operation: chain.pop(0) for operation, chain in chains.items() if chain})
        stack.wait_for_worker_to_end()
        rounds += 1
    stack.start_worker()
    return rounds


def started_without_worker(stack: DeskStack, *starts: Callable[[], str]) -> dict[str, str]:
    """End the worker, start the operations; id → kind."""
    stack.end_worker()
    started = [start() for start in starts]
    return {operation: stack.desk.operations.get(operation).kind for operation in started}


def audit_of(stack: DeskStack, operation: str) -> Counter[str]:
    """How often each result of an operation is in the audit log."""
    return Counter(entry.result for entry in stack.desk.audit.page(limit=2000) if entry.operation == operation)


@pytest.mark.timeout(600)
def test_every_kind_of_operation_killed_at_every_moment_does_its_work_once(
    stack: DeskStack, model_id: str, unique: Name
) -> None:
    desk = stack.desk
    made, over, changed, renewed, first, second, gone = (
        unique(stem) for stem in ("made", "over", "changed", "renewed", "first", "second", "gone")
    )
    before = [stack.launch(stack.wanted(name, model_id)) for name in (over, changed, renewed, first, second, gone)]
    for operation in before:
        stack.wait(operation)
    doomed_model, registered = stack.registered(unique("doomed")), unique("registered")
    edited = stack.registered(unique("edited"))
    rotation = desk.keys.rotate(OPERATOR, second)
    stack.wait(rotation)
    keys = {name: desk.gateway.mms.keys(name) for name in (over, renewed, first, second)}
    now = desk.deployments.wanted_now(changed)
    update = replace(now, configuration={**now.configuration, "enable_app_insights": False}, description="Changed.")
    rotation_of_first = new_id()

    kinds = started_without_worker(
        stack,
        lambda: stack.launch(stack.wanted(made, model_id)),
        lambda: stack.launch(stack.wanted(over, model_id, description="Redeployed."), redeploy=True),
        lambda: stack.launch(update),
        lambda: desk.keys.regenerate(OPERATOR, renewed, "primary"),
        lambda: desk.keys.rotate(OPERATOR, first, operation_id=rotation_of_first),
        lambda: desk.keys.clients_have_moved(OPERATOR, rotation),
        lambda: desk.webservices.delete(OPERATOR, gone, typed_name=gone),
        lambda: stack.register(registered),
        lambda: desk.registry.edit(OPERATOR, edited, tags={"seen": "yes"}, description="Edited."),
        lambda: desk.registry.delete(OPERATOR, doomed_model, reason="No longer needed"),
        lambda: desk.registry.fetch(OPERATOR, model_id),
    )
    rounds = kill_at_every_moment(stack, kinds)

    assert rounds == max(len(moments_of(kind)) for kind in kinds.values())
    for operation in kinds:
        ended = stack.wait(operation)
        assert [step.state for step in ended.steps] == ["done"] * len(ended.steps), stack.story(operation)
        assert not (ended.receipt or {}).get("mismatches"), stack.story(operation)
        assert audit_of(stack, operation) == {"asked": 1, "succeeded": 1}
    assert desk.audit.verify().is_whole
    assert stack.changes(made) == ["create"]
    assert stack.changes(over) == ["create", "create"], "once, and overwritten once"
    assert stack.changes(changed) == ["create", "update"]
    assert stack.changes(renewed) == ["create", "regenerate"]
    assert stack.changes(first) == ["create", "regenerate"]
    assert stack.changes(second) == ["create", "regenerate", "regenerate"]
    assert stack.changes(gone) == ["create", "delete"]
    assert stack.changes(registered) == ["register"]
    assert stack.changes(edited.partition(":")[0]) == ["register", "update"]
    assert stack.changes(doomed_model.partition(":")[0]) == ["register", "delete"]

    after = {name: desk.gateway.mms.keys(name) for name in keys}
    assert after[over] == keys[over], "a redeployment sends the present keys along"
    assert after[renewed].primary != keys[renewed].primary
    assert after[renewed].secondary == keys[renewed].secondary
    assert after[first].secondary != keys[first].secondary
    assert after[first].primary == keys[first].primary
    assert after[second].primary != keys[second].primary
    assert after[second].secondary == keys[second].secondary
    assert desk.keys.rotation(rotation_of_first).state == "waiting"
    assert desk.keys.rotation(rotation).state == "done"
    assert {listed.service.name: listed.word for listed in desk.webservices.all()}[made] == "Healthy"


def test_a_lost_answer_is_looked_for_and_nothing_is_sent_twice(stack: DeskStack, model_id: str, unique: Name) -> None:
    desk = stack.desk
    made, over, changed, renewed, gone = (unique(stem) for stem in ("made", "over", "changed", "renewed", "gone"))
    for operation in [stack.launch(stack.wanted(name, model_id)) for name in (over, changed, renewed, gone)]:
        stack.wait(operation)
    doomed, registered = stack.registered(unique("doomed")), unique("registered")
    keys = desk.gateway.mms.keys(renewed)
    now = desk.deployments.wanted_now(changed)
    update = replace(now, description="Changed.")

    stack.fault("answer-lost", method="PATCH", path=f"/services/{changed}$")
    stack.fault("answer-lost", method="POST", path=f"/services/{renewed}/regenerateKeys$")
    stack.fault("answer-lost", method="DELETE", path=f"/services/{gone}$")
    stack.fault("answer-lost", method="DELETE", path=f"/models/{doomed}$")
    stack.fault("answer-lost", method="POST", path="/models$")
    stack.fault("answer-lost", method="POST", path="/services$")
    first = [
        stack.launch(update),
        desk.keys.regenerate(OPERATOR, renewed, "primary"),
        desk.webservices.delete(OPERATOR, gone, typed_name=gone),
        desk.registry.delete(OPERATOR, doomed, reason="No longer needed"),
        stack.register(registered),
        stack.launch(stack.wanted(made, model_id)),
    ]
    for operation in first:
        stack.wait(operation)
    stack.fault("answer-lost", method="POST", path="/services$")
    redeployed = stack.launch(stack.wanted(over, model_id, description="Redeployed."), redeploy=True)
    stack.wait(redeployed)

    assert stack.faults() == [], "each fault took its one answer"
    assert stack.changes(made) == ["create"]
    assert stack.changes(over) == ["create", "create"]
    assert stack.changes(changed) == ["create", "update"]
    assert stack.changes(renewed) == ["create", "regenerate"]
    assert stack.changes(gone) == ["create", "delete"]
    assert stack.changes(registered) == ["register"]
    assert stack.changes(doomed.partition(":")[0]) == ["register", "delete"]
    assert desk.gateway.mms.keys(renewed).primary != keys.primary
    tried_again = {
        operation
        for operation in [*first, redeployed]
        if any(s.attempts > 0 for s in desk.operations.get(operation).steps)
    }
    assert len(tried_again) == 7


def test_a_request_on_its_way_when_the_worker_dies_counts_once(stack: DeskStack, model_id: str, unique: Name) -> None:
    made, renewed, registered = unique("late"), stack.deployed(unique("late"), model_id), unique("late")
    for path in ("/services$", f"/services/{renewed}/regenerateKeys$", "/models$"):
        stack.fault("control-plane-slow", method="POST", path=path, count=1, milliseconds=DELAY_MS)
    operations = [
        stack.launch(stack.wanted(made, model_id)),
        stack.desk.keys.regenerate(OPERATOR, renewed, "primary"),
        stack.register(registered),
    ]
    wait_for(lambda: stack.faults() == [], "all three requests to be on their way", 60)
    assert [stack.changes(name) for name in (made, renewed, registered)] == [[], ["create"], []], "done too early"
    stack.kill_worker()
    stack.start_worker()

    for operation in operations:
        stack.wait(operation)
    assert stack.changes(made) == ["create"]
    assert stack.changes(renewed) == ["create", "regenerate"]
    assert stack.changes(registered) == ["register"]
