"""A part that stands still is said in a sentence within 25 s, and the sentence goes when it goes on."""

from __future__ import annotations

import os
import signal

import pytest

from tests.kills.canaries import command_of, family
from tests.kills.desk_stack import DeskStack
from tests.running_workspace import wait_for

pytestmark = pytest.mark.slow

SAID_WITHIN = 27.0
"""20 s of silence and one beat."""


def sentence(stack: DeskStack, part: str) -> str:
    """What is said of a part now; empty while it is well."""
    return next(found.sentence for found in stack.desk.health.heartbeats() if found.name == part)


def test_a_worker_that_stands_still_is_said_and_taken_back(stack: DeskStack) -> None:
    wait_for(lambda: not sentence(stack, "worker"), "the worker to be well", 60)
    stack.signal_worker(signal.SIGSTOP)
    try:
        said = wait_for(lambda: sentence(stack, "worker"), "the worker's silence to be said", SAID_WITHIN)
    finally:
        stack.signal_worker(signal.SIGCONT)

    assert said.startswith("The worker has not answered for 2")
    assert "nothing you start will run" in said
    wait_for(lambda: not sentence(stack, "worker"), "the sentence to go", 30)


@pytest.mark.timeout(300)
def test_a_workspace_and_a_telemetry_that_stand_still_are_said_and_taken_back(stack: DeskStack) -> None:
    assert stack.workspace.process is not None
    workspace = stack.workspace.process.pid
    ingestion = [pid for pid in family(workspace) if "local_workspace.insights" in command_of(pid)]
    assert len(ingestion) == 1
    wait_for(lambda: not sentence(stack, "Azure"), "Azure to be well", 60)
    wait_for(lambda: not sentence(stack, "telemetry"), "telemetry to be well", 60)
    for pid in (ingestion[0], workspace):
        os.kill(pid, signal.SIGSTOP)
    try:
        # Each is asked every few seconds and has up to 30 s for its answer before that counts as none.
        azure = wait_for(lambda: sentence(stack, "Azure"), "the workspace's silence to be said", 120)
        telemetry = wait_for(lambda: sentence(stack, "telemetry"), "the telemetry's silence to be said", 120)
    finally:
        for pid in (ingestion[0], workspace):
            os.kill(pid, signal.SIGCONT)

    assert azure.startswith("Azure has not answered since ")
    assert "this is the state of" in azure
    assert telemetry.startswith("The telemetry has not answered since ")
    wait_for(lambda: not sentence(stack, "Azure"), "Azure's sentence to go", 60)
    wait_for(lambda: not sentence(stack, "telemetry"), "the telemetry's sentence to go", 60)
