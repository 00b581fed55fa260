"""The panel knows every fault of the local workspace, and says each as a person would."""

from __future__ import annotations

from datetime import UTC, datetime

from local_workspace import faults as workspace
from services.azureml.local_admin import Fault
from services.faults import BY_NAME, KINDS, words

UNTIL = datetime(2026, 11, 21, 14, 0, tzinfo=UTC)


def test_every_fault_of_the_workspace_can_be_begun() -> None:
    assert [kind.name for kind in KINDS] == list(workspace.KINDS)
    assert {kind.name for kind in KINDS if kind.needs_service} == set(workspace.OF_A_SERVICE)
    assert {kind.name for kind in KINDS if "path" in kind.parameters} == set(workspace.OF_REQUESTS)


def test_every_parameter_is_one_the_workspace_knows() -> None:
    known = set(workspace.Fault.__dataclass_fields__) | {"count"}

    assert {parameter for kind in KINDS for parameter in kind.parameters} <= known


def test_a_fault_is_said_with_its_service_and_its_measure() -> None:
    slow = Fault(id="1", kind="slow", until=UNTIL, service="wine-prod", milliseconds=900, rate=0.5)
    lost = Fault(id="2", kind="answer-lost", until=UNTIL, method="POST", path="/services$", remaining=1)

    assert words(slow) == "wine-prod answers slowly (900 ms more, 50 % of the calls)"
    assert words(lost) == "a change is made and its answer is lost (1 more, POST /services$)"
    assert words(Fault(id="3", kind="lost-telemetry", until=UNTIL, service="x")) == "telemetry is lost (x)"
    assert BY_NAME["crash"].words.replace("a service", "x") == words(
        Fault(id="4", kind="crash", until=UNTIL, service="x")
    )
