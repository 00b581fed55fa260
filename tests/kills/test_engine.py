"""The engine's promises: one worker per id, work that goes on, one turn at a time, and nothing done on a stale plan."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa

from services.operations.desk import new_id
from services.storage import ledger
from tests.kills.desk_stack import ADMIN, OPERATOR, DeskStack
from tests.running_workspace import wait_for

pytestmark = pytest.mark.slow

Name = Callable[[str], str]
OWN_KEY = "an-own-key-of-thirty-two-letters"


def test_a_second_worker_of_the_same_id_is_refused_with_a_sentence(stack: DeskStack) -> None:
    second = stack.launch_worker()

    assert second.wait(90) == 1
    assert "A worker named worker-0 runs already on" in stack.worker_output()
    assert "set another WORKER_ID" in stack.worker_output()


def test_work_goes_on_after_the_worker_was_told_to_end(stack: DeskStack, model_id: str, unique: Name) -> None:
    name = unique("goes-on")
    operation = stack.launch(stack.wanted(name, model_id))
    stack.wait_for_step(operation, "follow")
    stack.end_worker()
    assert stack.desk.operations.get(operation).is_open
    stack.start_worker()

    stack.wait(operation)
    assert stack.changes(name) == ["create"]


def test_a_failed_operation_stays_failed_until_a_person_goes_on(stack: DeskStack, unique: Name) -> None:
    name, operation = unique("lost-file"), new_id()
    stack.end_worker()
    stack.register(name, content=name.encode(), operation_id=operation)
    kept = stack.desk.files.path(stack.desk.operations.get(operation).arguments["sha256"])
    away = kept.with_name("away")
    kept.rename(away)
    # The worker dies right after it wrote down the failure, and the file comes back: nothing may happen by itself.
    stack.start_worker({operation: "end:recorded"})
    stack.wait_for_worker_to_end()
    failed = stack.desk.operations.get(operation)
    assert (failed.state, failed.error_kind) == ("failed", "not found")
    assert failed.error == "This file is not kept here any more: upload or fetch it again."
    away.rename(kept)
    stack.start_worker()
    stack.wait(stack.register(unique("after")))
    assert stack.desk.operations.get(operation).state == "failed"

    stack.desk.operations.go_on(OPERATOR, operation)
    stack.wait(operation)
    assert stack.changes(name) == ["register"]


def test_going_on_while_the_failed_run_is_taken_up_again_runs_it_once(stack: DeskStack, unique: Name) -> None:
    name, operation = unique("twice-run"), new_id()
    stack.end_worker()
    stack.register(name, content=name.encode(), operation_id=operation)
    kept = stack.desk.files.path(stack.desk.operations.get(operation).arguments["sha256"])
    away = kept.with_name("away")
    kept.rename(away)
    stack.start_worker({operation: "end:recorded"})
    stack.wait_for_worker_to_end()
    away.rename(kept)
    stack.desk.operations.go_on(OPERATOR, operation)
    stack.start_worker()

    stack.wait(operation)
    stack.wait(stack.register(unique("after")))
    assert stack.changes(name) == ["register"]


def test_two_clicks_at_once_are_one_operation(stack: DeskStack, unique: Name) -> None:
    name, operation = unique("clicked"), new_id()
    together = threading.Barrier(4)

    def click() -> None:
        together.wait(10)
        stack.register(name, operation_id=operation)

    clicks = [threading.Thread(target=click) for _ in range(4)]
    for thread in clicks:
        thread.start()
    for thread in clicks:
        thread.join(30)

    stack.wait(operation)
    asked = [e for e in stack.desk.audit.page(limit=500) if e.operation == operation and e.result == "asked"]
    assert len(asked) == 1
    assert stack.changes(name) == ["register"]


def test_an_operation_says_behind_what_and_whose_it_waits(stack: DeskStack, model_id: str, unique: Name) -> None:
    name = stack.deployed(unique("queue"), model_id)
    stack.fault(
        "control-plane-slow", method="POST", path=f"/services/{name}/regenerateKeys$", milliseconds=3000, count=1
    )
    first = stack.desk.keys.regenerate(OPERATOR, name, "primary")
    stack.wait_for_step(first, "replace")
    wait_for(lambda: stack.faults() == [], "the first request to be on its way", 30)
    second = stack.desk.keys.regenerate(ADMIN, name, "secondary")

    said = wait_for(
        lambda: stack.desk.operations.behind(stack.desk.operations.get(second)),
        "the second to say what it waits for",
        30,
    )
    assert said == f"behind “Regenerate the primary key of {name}” by local operator"
    stack.wait(first)
    assert stack.wait(second).waits_for is None
    assert stack.changes(name) == ["create", "regenerate", "regenerate"]


@pytest.mark.parametrize("redeploy", [False, True], ids=["update", "redeploy"])
def test_a_plan_whose_base_changed_is_not_sent(stack: DeskStack, model_id: str, unique: Name, redeploy: bool) -> None:
    name = stack.deployed(unique("stale"), model_id)
    now = stack.desk.deployments.wanted_now(name)
    asked = stack.wanted(name, model_id, description="Mine.") if redeploy else replace(now, description="Mine.")
    stack.end_worker()
    operation = stack.launch(asked, redeploy=redeploy)
    # It looked, and then somebody else was quicker.
    stack.start_worker({operation: "check:recorded"})
    stack.wait_for_worker_to_end()
    patch = [{"op": "replace", "path": "/description", "value": "Theirs."}]
    answer = stack.workspace.mms(
        "PATCH", f"/services/{name}", json=patch, headers={"Content-Type": "application/json-patch+json"}
    )
    assert answer.status_code < 300, answer.text
    stack.start_worker()

    ended = stack.wait(operation, state="failed")
    assert ended.error_kind == "conflict"
    assert f"{name} was changed after this was planned, so nothing was sent" in (ended.error or "")
    assert stack.desk.gateway.mms.service(name).description == "Theirs."


def test_the_worker_checks_the_role_again(stack: DeskStack, unique: Name) -> None:
    name = unique("tampered")
    stack.end_worker()
    operation = stack.register(name)
    with stack.desk.databases[0].writing() as work:
        work.execute(sa.update(ledger.operations).where(ledger.operations.c.id == operation).values(role="viewer"))
    stack.start_worker()

    ended = stack.wait(operation, state="failed")
    assert ended.error_kind == "forbidden"
    assert "Your role is viewer: this needs an operator" in (ended.error or "")
    assert stack.changes(name) == []


def test_an_expired_secret_stops_the_work_until_it_is_typed_again(
    stack: DeskStack, model_id: str, unique: Name
) -> None:
    name = stack.deployed(unique("sealed"), model_id)
    stack.end_worker()
    operation = stack.desk.keys.set_own(OPERATOR, name, "primary", "x" * 32)
    table = ledger.sealed_secrets
    with stack.desk.databases[0].writing() as work:
        work.execute(
            sa.update(table)
            .where(table.c.operation == operation)
            .values(expires_at=stack.desk.clock.now() - timedelta(seconds=1))
        )
    stack.start_worker()

    stopped = stack.wait(operation, state="stopped")
    assert (
        stopped.error == "Your key has expired here before it was sent: type it again, and the work goes on from there."
    )
    assert stack.changes(name) == ["create"]
    stack.desk.operations.go_on(OPERATOR, operation, secrets={"value": OWN_KEY})
    stack.wait(operation)
    assert stack.desk.gateway.mms.keys(name).primary == OWN_KEY
    assert stack.changes(name) == ["create", "regenerate"]
    with stack.desk.databases[0].reading() as look:
        assert look.execute(sa.select(table)).all() == [], "the envelope is thrown away"
