"""Every command of the table is refused to the role below, by the service itself, and the refusal is recorded."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from services import code_uploads
from services.access import COMMANDS, LOCAL_IDENTITIES, Person, Role
from services.alert_rules import DEFAULTS
from services.azureml.local_admin import Fault
from services.errors import Forbidden
from services.failure_groups import FailureGroup
from services.objectives import Objective
from services.planning.wanted import Wanted
from services.probes import ProbePlan
from services.request_inspector import Call
from services.switches import SAMPLE_TRAFFIC
from tests.kills.desk_stack import OPERATOR, DeskStack

pytestmark = pytest.mark.slow

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
GROUP = FailureGroup(
    id="never",
    type="ValueError",
    message="",
    place="",
    count=1,
    first_seen=NOON,
    last_seen=NOON,
    first_operation=None,
    services=(),
    sample_request="",
)
CALL = Call(
    at=NOON,
    service="never",
    request_id="never",
    client_request_id="",
    replica="",
    container_code=500,
    client_code=None,
    duration_ms=1.0,
    run_ms=None,
    reason="",
    is_soft_failure=False,
    is_ours=False,
    in_front_end_log=False,
)


class Bench:
    """What the commands need to be worth refusing: a service, a model, an upload, a rotation, a failed operation."""

    def __init__(self, stack: DeskStack, model_id: str, token_service: str) -> None:
        self.stack, self.desk, self.model_id, self.token_service = stack, stack.desk, model_id, token_service
        self.free_model = stack.registered("unused")
        self.service = stack.deployed("for-roles", model_id)
        self.rotated = stack.deployed("for-roles-rotated", model_id)
        self.upload = self.desk.files.keep(io.BytesIO(b"x"), name="x.bin", purpose="model", by=OPERATOR, limit=100)
        self.rotation = self.desk.keys.rotate(OPERATOR, self.rotated)
        stack.wait(self.rotation)
        missing = replace(self.upload, sha256="0" * 64)
        self.failed = self.desk.registry.register(OPERATOR, name="never", upload=missing)
        stack.wait(self.failed, state="failed")

    def launch(self, person: Person, wanted: Wanted, *, redeploy: bool = False) -> None:
        """Launch what is wanted."""
        based_on = self.desk.deployments.plan(wanted, redeploy=redeploy).based_on
        self.desk.deployments.launch(person, wanted, based_on=based_on, redeploy=redeploy)

    def anonymous(self) -> Wanted:
        """The service, open to anyone."""
        now = self.desk.deployments.wanted_now(self.service)
        return replace(now, configuration={**now.configuration, "auth_enabled": False}, anonymous_confirmed=True)

    def start(self, person: Person, kind: str, subject: str) -> None:
        """Start an operation that has no feature of its own yet."""
        self.desk.operations.start(person, kind, subject, {"name": subject}, title=subject)


Try = Callable[[Bench, Person], object]
CALLS: dict[str, list[Try]] = {
    "service.deploy": [
        lambda b, p: b.launch(p, b.stack.wanted("never", b.model_id)),
        lambda b, p: b.launch(p, b.stack.wanted(b.service, b.model_id), redeploy=True),
    ],
    "service.update": [
        lambda b, p: b.launch(p, replace(b.desk.deployments.wanted_now(b.service), description="Never.")),
    ],
    "service.bundle": [lambda b, p: b.start(p, "service.bundle", b.service)],
    "service.rehearse": [
        lambda b, p: b.desk.rehearsals.rehearse(p, b.stack.wanted("never", b.model_id)),
        lambda b, p: b.desk.rehearsals.reproduce(p, b.service, "{}"),
        lambda b, p: b.desk.rehearsals.answer(p, b.failed),
    ],
    "service.delete": [lambda b, p: b.desk.webservices.delete(p, b.service, typed_name=b.service)],
    "service.test": [
        lambda b, p: b.desk.testing.sample(p, b.service),
        lambda b, p: b.desk.testing.send(p, b.service, "{}"),
        lambda b, p: b.desk.testing.try_out(p, b.service, "{}"),
    ],
    "service.make_anonymous": [lambda b, p: b.launch(p, b.anonymous())],
    "queries.edit": [
        lambda b, p: b.desk.queries.run(p, "print 1", start=NOON, end=NOON.replace(hour=13)),
        lambda b, p: b.desk.queries.save(p, "never", "print 1"),
        lambda b, p: b.desk.queries.delete(p, "never"),
    ],
    "failures.assign": [lambda b, p: b.desk.failure_groups.assign(p, GROUP, "nobody")],
    "failures.mute": [lambda b, p: b.desk.failure_groups.mute(p, GROUP, datetime.now(UTC) + timedelta(hours=1))],
    "values.unmask": [
        lambda b, p: b.desk.request_inspector.unmask(p, CALL),
        lambda b, p: b.desk.rehearsals.unmask(p, b.failed),
    ],
    "attention.take": [
        lambda b, p: b.desk.attention.take(p, "any"),
        lambda b, p: b.desk.attention.let_go(p, "any"),
    ],
    "probe.plan": [lambda b, p: b.desk.probes.set_plan(p, ProbePlan(service=b.service, body="{}", is_on=True))],
    "objective.set": [
        lambda b, p: b.desk.objectives.set(p, Objective(service=b.service, availability=0.99, latency_ms=None)),
    ],
    "alert.rule": [lambda b, p: b.desk.alerts.set_rule(p, DEFAULTS[0])],
    "keys.reveal": [lambda b, p: b.desk.keys.reveal(p, b.service)],
    "keys.token": [lambda b, p: b.desk.keys.token(p, b.token_service)],
    "keys.regenerate": [lambda b, p: b.desk.keys.regenerate(p, b.service, "primary")],
    "keys.set": [lambda b, p: b.desk.keys.set_own(p, b.service, "primary", "a-key-of-thirty-two-characters!!")],
    "keys.rotate": [
        lambda b, p: b.desk.keys.rotate(p, b.service),
        lambda b, p: b.desk.keys.clients_have_moved(p, b.rotation),
        lambda b, p: b.desk.keys.stop_rotation(p, b.rotation),
    ],
    "model.register": [
        lambda b, p: b.desk.registry.register(p, name="never", upload=b.upload),
        lambda b, p: b.desk.operations.go_on(p, b.failed),
    ],
    "model.edit": [lambda b, p: b.desk.registry.edit(p, b.free_model, tags={"a": "b"}, description="")],
    "model.delete": [lambda b, p: b.desk.registry.delete(p, b.free_model, reason="No")],
    "model.download": [lambda b, p: b.desk.registry.fetch(p, b.free_model)],
    "environment.register": [lambda b, p: b.start(p, "environment.register", "never")],
    "compute.create": [lambda b, p: b.start(p, "compute.create", "never")],
    "switch.flip": [lambda b, p: b.desk.switches.flip(p, SAMPLE_TRAFFIC, on=False)],
    "fault.begin": [lambda b, p: b.desk.faults.begin(p, "lost-telemetry")],
    "fault.end": [lambda b, p: b.desk.faults.end(p, Fault(id="never", kind="lost-telemetry", until=datetime.now(UTC)))],
    "incident.open": [
        lambda b, p: b.desk.incidents.open_by_hand(p, title="Never"),
        lambda b, p: b.desk.incidents.open_from_service(p, b.service),
    ],
    "incident.change": [
        lambda b, p: b.desk.incidents.change(p, "INC-1", severity=1),
        lambda b, p: b.desk.incidents.lead(p, "INC-1"),
        lambda b, p: b.desk.incidents.focus(p, "INC-1", on=True),
        lambda b, p: b.desk.incidents.stabilise(p, "INC-1"),
        lambda b, p: b.desk.incidents.reopen(p, "INC-1"),
        lambda b, p: b.desk.incident_notes.add_action(p, "INC-1", text="Never", owner="nobody"),
        lambda b, p: b.desk.incident_notes.finish_action(p, "INC-1", 1),
    ],
    "incident.note": [
        lambda b, p: b.desk.incident_notes.note(p, "INC-1", "Never"),
        lambda b, p: b.desk.drafts.keep(p, "INC-1-note", "Never"),
    ],
    "incident.close": [
        lambda b, p: b.desk.incidents.close(p, "INC-1", what_happened="Never", what_helped="Never"),
    ],
    "incident.export": [lambda b, p: b.desk.incident_reports.export(p, "INC-1", "md")],
    "audit.export": [lambda b, p: b.desk.audit.export(p)],
}
NOT_ASKED_YET = {
    "operation.retry": "going on asks for the command of the operation's own kind",
}


@pytest.fixture(scope="module")
def bench(shared_stack: DeskStack, model_id: str, token_service: str) -> Bench:
    """Made once."""
    return Bench(shared_stack, model_id, token_service)


def test_every_command_of_the_table_is_tried_here_or_named() -> None:
    looking = {command for command, role in COMMANDS.items() if role is Role.VIEWER}

    assert set(CALLS) | set(NOT_ASKED_YET) | looking == set(COMMANDS)
    assert not set(CALLS) & (set(NOT_ASKED_YET) | looking)


@pytest.mark.parametrize(
    ("command", "call"),
    [
        pytest.param(command, call, id=f"{command}-{n}")
        for command, calls in CALLS.items()
        for n, call in enumerate(calls)
    ],
)
def test_the_role_below_is_refused_and_the_refusal_recorded(
    stack: DeskStack, bench: Bench, command: str, call: Try
) -> None:
    person = LOCAL_IDENTITIES[Role(COMMANDS[command] - 1).word]
    changes, operations = len(stack.workspace.ledger()), len(stack.desk.operations.page(limit=1000))

    with pytest.raises(Forbidden, match=f"Your role is {person.role.word}: this needs"):
        call(bench, person)
    newest = stack.desk.audit.page(limit=1)[0]
    assert (newest.action, newest.result, newest.person_id) == (command, "refused", person.id)
    assert len(stack.desk.operations.page(limit=1000)) == operations
    assert len(stack.workspace.ledger()) == changes


def test_an_upload_of_code_is_refused_to_who_may_not_deploy(stack: DeskStack) -> None:
    with pytest.raises(Forbidden):
        code_uploads.keep(stack.desk.files, io.BytesIO(b""), name="x.zip", by=LOCAL_IDENTITIES["viewer"])


def test_each_role_may_all_that_the_one_before_may() -> None:
    for lower, higher in zip(list(Role), list(Role)[1:], strict=False):
        below, above = LOCAL_IDENTITIES[lower.word], LOCAL_IDENTITIES[higher.word]
        assert {c for c in COMMANDS if below.may(c)} <= {c for c in COMMANDS if above.may(c)}


def test_only_an_identity_with_the_role_sees_a_command_offered(stack: DeskStack) -> None:
    for command, role in COMMANDS.items():
        offered = {name for name, person in LOCAL_IDENTITIES.items() if stack.desk.may(person, command)}
        assert offered == {found.word for found in Role if found >= role}
