"""What a test's status means, what differs between two bundles, and a service in words."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from dashboard.ui import service_words
from services.azureml.types import Replicas, Service
from services.bundle_changes import differences
from services.planning.environments import from_requirements
from services.planning.wanted import CodeRef, EnvironmentRef, Wanted
from services.probing import Attempt
from services.testing import meaning
from services.webservices import ListedService

NOW = datetime(2026, 11, 21, 14, 5, 12, tzinfo=UTC)
AKS = Service(name="wine-prod", compute_type="AKS", compute="big", state="Healthy", model_ids=("wine:2",))


def attempt(status: int | None, *, body: str = "", failure: str = "", **headers: str) -> Attempt:
    """One answer."""
    return Attempt(
        sent_at=NOW,
        client_request_id="desk-test-1",
        status=status,
        milliseconds=12.0,
        headers={name.replace("_", "-"): value for name, value in headers.items()},
        body=body,
        failure=failure,
    )


def listed(service: Service, *, state: str | None = None) -> ListedService:
    """A row of the list."""
    return ListedService(
        service=service,
        state=state or service.state,
        state_since=NOW,
        application="wine",
        stage="prod",
        summary=None,
        read_at=NOW,
    )


def test_a_502_of_a_script_that_raised_is_a_500_in_the_container() -> None:
    found = meaning(attempt(502, x_ms_run_function_failed="True"))

    assert "500" in found.in_container
    assert "run() raised" in found.in_container


def test_a_502_without_the_header_is_a_container_that_died() -> None:
    assert "died" in meaning(attempt(502)).in_container


@pytest.mark.parametrize("status", [401, 413, 503])
def test_what_the_front_end_refuses_never_reached_the_container(status: int) -> None:
    found = meaning(attempt(status))

    assert not found.is_good
    assert "never saw it" in found.in_container


def test_a_200_that_speaks_of_an_error_is_no_success() -> None:
    assert not meaning(attempt(200, body='{"error": "no such feature"}')).is_good
    assert meaning(attempt(200, body='{"result": [1]}')).is_good


def test_no_answer_says_why() -> None:
    assert meaning(attempt(None, failure="No answer within 30 s.")).at_client == "No answer within 30 s."


def bundle(**changes: object) -> Wanted:
    """What was deployed once."""
    first = Wanted(
        service="wine-dev",
        target="ACI",
        model_ids=("wine:1",),
        code=CodeRef(source="upload", entry_script="score.py", sha256="a" * 64, name="code.zip"),
        environment=EnvironmentRef(name="env", document=from_requirements("numpy==2.1\n", name="env")),
        configuration={"cpu_cores": 0.5},
        tags={"stage": "dev"},
    )
    return replace(first, **changes)  # type: ignore[arg-type]


def test_equal_bundles_have_no_difference() -> None:
    assert differences(bundle(), bundle()) == ()


def test_two_bundles_differ_field_by_field() -> None:
    other = bundle(
        model_ids=("wine:2",),
        configuration={"cpu_cores": 0.5, "memory_gb": 2.0},
        tags={"stage": "prod"},
        environment=EnvironmentRef(name="env", document=from_requirements("numpy==2.2\n", name="env")),
    )

    found = {change.label: (change.before, change.after) for change in differences(bundle(), other)}

    assert found["Models"] == (["wine:1"], ["wine:2"])
    assert found["Memory"] == (0.5, 2.0)
    assert found["Environment: numpy"] == ("2.1", "2.2") or "2.2" in str(found["Environment: numpy"][1])
    assert found["Tags"] == ({"stage": "dev"}, {"stage": "prod"})
    assert set(found) == {"Models", "Memory", "Environment: numpy", "Tags"}


def test_a_default_that_is_written_out_is_no_difference() -> None:
    assert differences(bundle(), bundle(configuration={"cpu_cores": 0.5, "memory_gb": 0.5})) == ()


def test_access_is_said_in_plain_words() -> None:
    assert service_words.auth(replace(AKS, configuration={"auth_enabled": True})) == "key"
    assert service_words.auth(replace(AKS, configuration={"token_auth_enabled": True})) == "token"
    assert service_words.auth_cell(replace(AKS, configuration={"auth_enabled": False})) == "▲ anonymous"
    assert service_words.auth(AKS) == "not known"
    assert service_words.auth(replace(AKS, broken="no such field")) == "not known"


def test_replicas_are_counted_where_azure_does() -> None:
    counted = replace(AKS, deployment_status=Replicas(desired=3, updated=3, available=2))

    assert service_words.replicas(counted) == "2 of 3"
    assert service_words.replicas(AKS) == "not known"
    assert service_words.replicas(replace(AKS, compute_type="ACI")) == "1 container"


@pytest.mark.parametrize("state", ["Unhealthy", "Unschedulable"])
def test_what_is_not_final_says_so(state: str) -> None:
    assert "not final" in service_words.state(listed(AKS, state=state))


def test_what_changed_outside_the_desk_is_said_without_a_name_that_nobody_knows() -> None:
    changed = replace(AKS, created_at=NOW, updated_at=NOW.replace(hour=15), created_by="a person")

    assert service_words.last_change(listed(changed), None)[:2] == ("changed outside the desk", "not known")
    assert service_words.last_change(listed(replace(changed, updated_at=NOW)), None)[:2] == (
        "created outside the desk",
        "a person",
    )
