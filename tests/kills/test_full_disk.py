"""While nothing can be written, an operation waits; it goes on by itself, and does nothing twice."""

from __future__ import annotations

import resource
from collections.abc import Callable
from datetime import timedelta

import pytest

from services.health import BEAT_SECONDS
from tests.kills.desk_stack import DeskStack
from tests.running_workspace import wait_for

pytestmark = pytest.mark.slow

NOTHING = 4096
"""Every database is longer: to a process with this limit, the disk takes no more."""
UNLIMITED = resource.RLIM_INFINITY


def test_an_operation_outlives_a_disk_that_takes_nothing_for_a_while(
    stack: DeskStack, model_id: str, unique: Callable[[str], str]
) -> None:
    name = unique("full-disk")
    operation = stack.launch(stack.wanted(name, model_id))
    stack.wait_for_step(operation, "follow")

    def worker_is_silent() -> bool:
        worker = next(part for part in stack.desk.health.heartbeats() if part.name == "worker")
        age = worker.age(stack.desk.clock.now())
        return age is not None and age > timedelta(seconds=2 * BEAT_SECONDS)

    resource.prlimit(stack.worker, resource.RLIMIT_FSIZE, (NOTHING, UNLIMITED))
    try:
        wait_for(worker_is_silent, "the worker to write nothing", 60)
        assert stack.desk.operations.get(operation).is_open
    finally:
        resource.prlimit(stack.worker, resource.RLIMIT_FSIZE, (UNLIMITED, UNLIMITED))

    done = stack.wait(operation)
    assert done.leg == 1, "nobody had to do anything"
    assert stack.changes(name) == ["create"]
