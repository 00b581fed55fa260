"""Bundles at work: what others deployed is read back and can run again; a bundle is rehearsed before it is launched."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import httpx2
import pytest

from services.azureml.credentials import for_worker
from services.azureml.gateway import open_gateway
from services.azureml.sdk import Code, Deployment
from services.bundles import Bundle
from services.errors import Forbidden
from services.planning.environments import from_requirements
from tests.kills.desk_stack import OPERATOR, VIEWER, DeskStack
from tests.running_workspace import processes_on, wait_for

pytestmark = pytest.mark.slow

RAISES = """
def init():
    pass

def run(data):
    raise ValueError("no column named acidity")
"""
SAYS = """
def init():
    pass

def run(data):
    return {"says": "%s"}
"""


def answer(stack: DeskStack, service: str) -> object:
    """What the service says to a small request with its own key."""
    live = stack.desk.gateway.mms.service(service)
    key = stack.desk.gateway.mms.keys(service).primary
    reply = httpx2.post(live.scoring_uri or "", json={}, headers={"Authorization": f"Bearer {key}"}, timeout=30)
    return reply.json() if reply.status_code == 200 else reply.status_code


def bundles(stack: DeskStack, service: str, count: int) -> list[Bundle]:
    """The bundles of a service, as soon as there are so many."""

    def enough() -> list[Bundle] | None:
        found = stack.desk.deployments.bundles(service)
        return found if len(found) >= count else None

    found: list[Bundle] = wait_for(enough, f"{count} bundles of {service}", 90)
    return found


def test_what_was_not_deployed_from_here_is_read_back_and_runs_again(
    stack: DeskStack, model_id: str, unique: Callable[[str], str], tmp_path: Path
) -> None:
    name = unique("elsewhere")
    source = tmp_path / "their-source"
    source.mkdir()
    (source / "score.py").write_text(SAYS % "theirs")
    azure = open_gateway(for_worker(stack.settings))
    theirs = Deployment(
        name=name,
        compute_type="ACI",
        model_ids=[model_id],
        configuration={"cpu_cores": 0.5, "memory_gb": 1.0, "auth_enabled": True},
        code=Code(folder=source, entry_script="score.py"),
        environment=from_requirements("azureml-defaults\n", name="echo"),
    )
    azure.sdk.submit_deployment(theirs, mark="somebody-else")
    azure.close()

    read_back = bundles(stack, name, 1)[0]

    assert read_back.is_read_back
    assert read_back.remarks == ()
    assert read_back.wanted.model_ids == (model_id,)
    assert read_back.has_its_code
    key = stack.desk.gateway.mms.keys(name).primary
    stack.wait(stack.launch(stack.wanted(name, model_id, score=SAYS % "ours", tags={}, description="")))
    assert answer(stack, name) == {"says": "ours"}

    before = stack.desk.deployments.bundle_before(name)
    assert before is not None
    assert before.operation == read_back.operation
    plan = stack.desk.deployments.redeploy_plan(name, before.operation)
    assert "code" in {change.field for change in plan.changes}
    with pytest.raises(Forbidden):
        stack.desk.deployments.redeploy(VIEWER, name, before.operation, based_on=plan.based_on)
    back = stack.desk.deployments.redeploy(
        OPERATOR, name, before.operation, based_on=plan.based_on, reason="Going back to what worked"
    )
    done = stack.wait(back)

    assert done.title.startswith(f"Take {name} back to {model_id}")
    assert answer(stack, name) == {"says": "theirs"}
    assert stack.desk.gateway.mms.keys(name).primary == key


def test_what_others_changed_past_the_desk_is_kept_too(
    stack: DeskStack, model_id: str, unique: Callable[[str], str]
) -> None:
    name = stack.deployed(unique("drifting"), model_id)
    assert len(stack.desk.deployments.bundles(name)) == 1
    azure = open_gateway(for_worker(stack.settings))
    azure.sdk.update_service(name, mark="somebody-else", configuration={"enable_app_insights": False})
    azure.close()

    changed, deployed = bundles(stack, name, 2)

    assert changed.is_read_back
    assert changed.wanted.configuration["enable_app_insights"] is False
    assert changed.wanted.code == deployed.wanted.code
    before = stack.desk.deployments.bundle_before(name)
    assert before is not None
    assert before.operation == deployed.operation


def test_a_bundle_is_rehearsed_edited_and_rehearsed_again_and_a_request_reproduced(
    stack: DeskStack, unique: Callable[[str], str]
) -> None:
    name = unique("rehearsed")
    stack.registered(name)
    model_id = stack.registered(name)
    rehearsals = stack.desk.rehearsals
    wanted = stack.wanted(name, model_id)
    with pytest.raises(Forbidden):
        rehearsals.rehearse(VIEWER, wanted)

    first = rehearsals.get(stack.wait(rehearsals.rehearse(OPERATOR, wanted)).id)

    assert (first.works, first.way, first.verdict) == (True, "everything", "It starts and answers.")
    assert (first.operation.receipt or {})["copies"] == {f"{name}:2": f"{name}:2"}
    assert rehearsals.latest(wanted) is not None
    assert rehearsals.latest(replace(wanted, model_ids=())) is None
    assert stack.changes(name) == ["register", "register"]

    own = rehearsals.get(stack.wait(rehearsals.ask(OPERATOR, first.operation.id, json.dumps({"a": 1}))).id)
    assert (own.works, own.way) == (True, "as it was")

    edited = stack.wanted(name, model_id, score=RAISES).code
    assert edited is not None
    second = rehearsals.get(stack.wait_for_end(rehearsals.reload(OPERATOR, first.operation.id, edited)).id)

    assert second.way == "the code"
    log = "\n".join(line.text for line in stack.desk.operations.lines(second.operation.id))
    assert "no column named acidity" in log

    stack.deployed(name, model_id)
    again = rehearsals.get(stack.wait(rehearsals.reproduce(OPERATOR, name, json.dumps({"secret": "wine of 1961"}))).id)

    assert (again.works, again.reproduces) == (True, True)
    masked = rehearsals.answer(OPERATOR, again.operation.id)
    assert masked is not None
    assert "secret" in masked.text
    assert "1961" not in masked.text + masked.log
    shown = rehearsals.unmasked(rehearsals.unmask(OPERATOR, again.operation.id))
    assert shown is not None
    assert json.loads(shown.text) == {"secret": "wine of 1961"}
    assert "POST /score 200" in shown.log
    assert stack.desk.audit.page(limit=1)[0].action == "values.unmask"
    for refused in (rehearsals.answer, rehearsals.unmask):
        with pytest.raises(Forbidden):
            refused(VIEWER, again.operation.id)
    assert b"wine of 1961" not in (stack.settings.data / "ledger.sqlite3").read_bytes()


def test_the_rehearsal_workspace_ends_with_the_worker(
    stack: DeskStack, model_id: str, unique: Callable[[str], str]
) -> None:
    rehearsals = stack.desk.rehearsals
    stack.wait(rehearsals.rehearse(OPERATOR, stack.wanted(unique("killed"), model_id)))
    folder = stack.settings.data / "rehearsal"
    assert processes_on(folder)

    stack.kill_worker()

    wait_for(lambda: not processes_on(folder), "the rehearsal workspace to end with the worker", 20)
