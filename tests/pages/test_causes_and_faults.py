"""What probably happened, on the service and in forms filled in; faults on purpose, on their panel and above all screens."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from streamlit.testing.v1 import AppTest

from services.azureml.types import Problem, Replicas
from tests.pages.records import prepare_queue
from tests.pages.test_services import FAILED, PROD, WINE, read
from tests.pages.test_services import words as markdown

if TYPE_CHECKING:
    from services.bootstrap import Desk
    from tests.pages.conftest import OpenPage
    from tests.running_workspace import RunningWorkspace

DOCUMENT = {
    "name": "wine-env",
    "python": {"condaDependencies": {"dependencies": ["python=3.11", {"pip": ["azureml-defaults", "pandas"]}]}},
    "environmentVariables": {"WORKER_COUNT": "1"},
}
NO_XGBOOST = replace(
    FAILED,
    environment=DOCUMENT,
    error=Problem(
        code="AciDeploymentFailed",
        message="Aci Deployment failed with exception: Error in entry script, ModuleNotFoundError: No module named "
        "'xgboost', please run print(service.get_logs()) to get details.",
        details=(("CrashLoopBackOff", "again and again"),),
    ),
)
NO_ROOM = replace(
    PROD,
    state="Unschedulable",
    configuration={**PROD.configuration, "autoscale_min_replicas": 3, "autoscale_max_replicas": 5},
    deployment_status=Replicas(desired=3, updated=3, available=2, error="0/3 nodes are available: 3 Insufficient cpu."),
)


@pytest.fixture
def no_fault_left(local_workspace: RunningWorkspace) -> Iterator[RunningWorkspace]:
    """A workspace whose faults are ended after the test."""
    yield local_workspace
    for fault in local_workspace.admin("GET", "/admin/faults")["value"]:
        local_workspace.admin("DELETE", f"/admin/faults/{fault['id']}")


def words(page: AppTest) -> str:
    """Everything written on a screen, as it is read."""
    return markdown(page).replace("\\", "")


def labels(page: AppTest) -> list[str]:
    """What stands on the buttons."""
    return [button.label for button in page.button]


def test_a_failed_service_shows_its_cause_and_the_button_that_helps(open_page: OpenPage, desk: Desk) -> None:
    read(desk, NO_XGBOOST)

    page = open_page("service", identity="operator", name="digits-dev")

    assert not page.exception
    assert "What probably happened" in [header.value for header in page.header]
    assert "A package is missing: xgboost" in words(page)
    assert "Add xgboost and deploy" in labels(page)


def test_the_missing_package_is_filled_into_deploy(open_page: OpenPage, desk: Desk) -> None:
    read(desk, NO_XGBOOST)
    page = open_page("service", identity="operator", name="digits-dev")

    page.button(key="causes-missing-package").click().run()
    page.switch_page("../pages/deploy.py").run()

    assert not page.exception
    text = page.text_area(key="deploy-environment_text").value or ""
    assert "- xgboost" in text
    assert "- pandas" in text
    assert "Filled in, and not launched yet" in words(page)


def test_as_many_replicas_as_fit_are_filled_into_the_configuration(open_page: OpenPage, desk: Desk) -> None:
    read(desk, NO_ROOM)
    page = open_page("service", identity="operator", name="wine-prod")
    assert "The cluster has no room" in words(page)

    page.button(key="causes-no-room").click().run()
    page.query_params["name"] = "wine-prod"
    page.switch_page("../pages/service.py").run()

    assert not page.exception
    assert page.number_input(key="field-wine-prod-autoscale_min_replicas").value == 2
    assert "Filled in, and not applied yet" in words(page)


def test_an_unknown_failure_is_said_to_be_unknown_with_its_text(open_page: OpenPage, desk: Desk) -> None:
    read(desk, replace(FAILED, error=Problem(code="Odd", message="The moon stood in the way")))

    page = open_page("service", identity="operator", name="digits-dev")

    assert "Not recognised" in words(page)
    assert "The moon stood in the way" in words(page)


def test_a_healthy_service_has_no_cause(open_page: OpenPage, desk: Desk) -> None:
    read(desk, WINE)

    page = open_page("service", identity="operator", name="wine-dev")

    assert "What probably happened" not in [header.value for header in page.header]


def test_a_fault_is_begun_on_its_panel_by_an_admin_alone(open_page: OpenPage, desk: Desk) -> None:
    prepare_queue(desk)
    looking = open_page("faults", identity="operator")
    assert looking.button(key="fault-begin").disabled

    page = open_page("faults", identity="admin")
    assert "Nothing goes wrong on purpose" in words(page)
    page.selectbox(key="fault-kind").select("lost-telemetry").run()
    page.button(key="fault-begin").click().run()
    page.button(key="fault-begin-confirm").click().run()

    assert not page.exception
    (started,) = desk.operations.running()
    assert (started.kind, started.person_name) == ("fault.begin", "local admin")
    assert started.arguments == {"fault": {"kind": "lost-telemetry", "seconds": 300.0}}


def test_a_fault_that_holds_is_said_above_every_screen(open_page: OpenPage, no_fault_left: RunningWorkspace) -> None:
    no_fault_left.admin("POST", "/admin/faults", {"kind": "lost-telemetry", "seconds": 240})

    for screen in ("overview", "models"):
        page = open_page(screen)
        assert any("A fault is on purpose: telemetry is lost, ends in" in bar.value for bar in page.warning)


def test_the_panel_shows_what_holds(open_page: OpenPage, no_fault_left: RunningWorkspace) -> None:
    no_fault_left.admin("POST", "/admin/faults", {"kind": "slow", "service": "wine-prod", "milliseconds": 900})

    page = open_page("faults", identity="admin")

    assert "wine-prod answers slowly" in words(page)
    assert "End it" in labels(page)
