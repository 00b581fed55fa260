"""Work that the engine will not take up again waits for a person, and goes on when one says so."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import sqlalchemy as sa

from tests.kills.desk_stack import OPERATOR, DeskStack

pytestmark = pytest.mark.slow


def test_an_operation_that_was_begun_too_often_is_left_to_a_person_who_goes_on(
    stack: DeskStack, model_id: str, unique: Callable[[str], str]
) -> None:
    name = unique("too-often")
    operation = stack.launch(stack.wanted(name, model_id))
    stack.wait_for_step(operation, "follow")
    stack.kill_worker()
    # As after a hundred more kills, which is too long to try.
    with stack.desk.databases[0].writing() as work:
        begun_often = sa.text("UPDATE workflow_status SET recovery_attempts = 1000 WHERE workflow_uuid = :id")
        assert work.execute(begun_often, {"id": f"{operation}.1"}).rowcount == 1
    stack.start_worker()

    stopped = stack.wait(operation, state="stopped")
    assert stopped.error is not None
    assert stopped.error.startswith("The worker ended again and again in the middle of this: look at the worker's log")
    assert stopped.current is None, "no step says that it runs"
    assert any(matter.kind == "waiting" and matter.subject == name for matter in stack.desk.attention.matters())

    stack.desk.operations.go_on(OPERATOR, operation)
    stack.wait(operation)
    assert stack.changes(name) == ["create"]
