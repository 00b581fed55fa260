"""The list of services and the screen of one, from the entry script, on a mirror filled as the worker fills it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from streamlit.testing.v1 import AppTest

from dashboard.ui import service_table
from services.azureml.types import Compute, ModelVersion, Problem, Replicas, Service
from services.inventory import Inventory
from services.webservices import ListedService

if TYPE_CHECKING:
    from services.bootstrap import Desk
    from tests.pages.conftest import OpenPage

VIEWS = ("Summary", "Configuration", "Access", "Metrics", "Logs", "Tests", "History", "Consume", "Delete")
BORN = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
WINE = Service(
    name="wine-dev",
    compute_type="ACI",
    state="Healthy",
    scoring_uri="http://127.0.0.1:9/score",
    created_at=BORN,
    updated_at=BORN,
    tags={"application": "wine", "stage": "dev"},
    model_ids=("wine:2",),
    configuration={"auth_enabled": True, "enable_app_insights": True, "cpu_cores": 0.5, "memory_gb": 1.0},
    entry_script="source/score.py",
    environment_name="wine-env",
    environment_version="3",
)
PROD = replace(
    WINE,
    name="wine-prod",
    compute_type="AKS",
    compute="big",
    tags={"application": "wine", "stage": "prod"},
    configuration={"auth_enabled": False, "token_auth_enabled": True, "autoscale_enabled": True},
    deployment_status=Replicas(desired=3, updated=3, available=2),
)
OPEN = replace(WINE, name="iris-dev", tags={}, configuration={"auth_enabled": False})
FAILED = replace(
    WINE,
    name="digits-dev",
    state="Failed",
    error=Problem(code="KubernetesDeploymentFailed", message="No module named x"),
)
BROKEN = Service(name="odd-one", compute_type="ACI", broken="state is missing")


class Azure:
    """What Azure would say: these services and nothing else."""

    def __init__(self, services: Sequence[Service]) -> None:
        self._services = list(services)

    def services(self, *, timeout: float) -> list[Service]:
        """Every service."""
        return self._services

    def model_pages(self) -> Iterator[list[ModelVersion]]:
        """No models."""
        return iter([])

    def find_model(self, model_id: str) -> ModelVersion | None:
        """No model."""
        return None

    def computes(self) -> list[Compute]:
        """No computes."""
        return []


def read(desk: Desk, *services: Service) -> None:
    """Read the services as the worker does."""
    Inventory(
        desk.databases[1],
        Azure(services),
        environments=list,
        model_bytes=lambda _model: None,
        workspace=desk.workspace,
        clock=desk.clock,
    ).refresh_services()


def words(page: AppTest) -> str:
    """Everything written on a screen."""
    parts = [*page.markdown, *page.caption, *page.error, *page.warning, *page.info, *page.title, *page.code]
    return "\n".join(str(part.value) for part in parts)


def test_services_stand_worst_first_and_a_broken_payload_is_one_broken_row(open_page: OpenPage, desk: Desk) -> None:
    read(desk, WINE, PROD, OPEN, FAILED, BROKEN)

    page = open_page("services")

    assert not page.exception
    table = page.dataframe[0].value
    assert list(table["name"]) == ["odd-one", "digits-dev", "wine-prod", "wine-dev", "iris-dev"]
    assert [state[0].split(" ", 1)[1] for state in table["state"]][:2] == ["broken", "failed"]
    assert table["models"][0] == "not known"
    assert [auth[0] for auth in table["auth"]] == ["not known", "key", "token", "key", "▲ anonymous"]
    assert table["replicas"][2] == "2 of 3"
    assert table["requests"].isna().all()


def test_no_service_leads_to_deploy(open_page: OpenPage) -> None:
    page = open_page("services")

    assert "Nothing is deployed here yet" in words(page)
    assert not page.dataframe


def test_filters_are_in_the_address(open_page: OpenPage, desk: Desk) -> None:
    read(desk, WINE, PROD, OPEN)

    page = open_page("services", stage="prod")

    assert list(page.dataframe[0].value["name"]) == ["wine-prod"]


def test_filters_that_leave_nothing_say_so(open_page: OpenPage, desk: Desk) -> None:
    read(desk, WINE)

    assert "No service matches" in words(open_page("services", q="nowhere"))


@pytest.mark.parametrize(
    ("wanted", "left"),
    [
        ({"search": "WINE:2"}, ["wine-dev", "wine-prod", "iris-dev"]),
        ({"stage": service_table.NO_STAGE}, ["iris-dev"]),
        ({"auth": "anonymous"}, ["iris-dev"]),
        ({"compute": "AKS big"}, ["wine-prod"]),
        ({"states": ["failed"]}, []),
    ],
)
def test_each_filter_leaves_what_fits(wanted: dict[str, object], left: list[str]) -> None:
    listed = [
        ListedService(
            service=service,
            state=service.state,
            state_since=BORN,
            application=service.tags.get("application", ""),
            stage=service.tags.get("stage", ""),
            summary=None,
            read_at=BORN,
        )
        for service in (WINE, PROD, OPEN)
    ]
    every: dict[str, object] = {"search": "", "stage": None, "states": [], "auth": None, "compute": None}

    found = service_table.matching(listed, **(every | wanted))  # type: ignore[arg-type]

    assert [row.service.name for row in found] == left


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("identity", ["viewer", "operator"])
def test_every_view_opens_by_its_address(open_page: OpenPage, desk: Desk, view: str, identity: str) -> None:
    read(desk, WINE)

    page = open_page("service", identity=identity, name="wine-dev", view=view)

    assert not page.exception
    assert page.title[0].value == "wine-dev"
    assert "key authentication" in words(page)


@pytest.mark.parametrize("service", [PROD, OPEN, FAILED, BROKEN], ids=lambda service: service.name)
@pytest.mark.parametrize("view", ["Summary", "Configuration", "Access", "Consume"])
def test_views_know_every_kind_of_service(open_page: OpenPage, desk: Desk, service: Service, view: str) -> None:
    read(desk, service)

    page = open_page("service", identity="operator", name=service.name, view=view)

    assert not page.exception
    assert "Something went wrong" not in words(page)


def test_a_failed_service_says_what_that_means_and_what_azure_said(open_page: OpenPage, desk: Desk) -> None:
    read(desk, FAILED)

    text = words(open_page("service", name="digits-dev"))

    assert "Azure has given up" in text
    assert "No module named x" in text
    assert "Not known: no request was recorded" in text


def test_an_anonymous_service_is_said_in_red_with_the_way_to_secure_it(open_page: OpenPage, desk: Desk) -> None:
    read(desk, OPEN)

    page = open_page("service", identity="operator", name="iris-dev", view="Configuration")

    assert page.button(key="switch-auth-key-iris-dev").label == "Turn key authentication on"
    assert "Anyone who knows the address" in words(open_page("service", name="iris-dev", view="Access"))


def test_a_viewer_may_change_nothing(open_page: OpenPage, desk: Desk) -> None:
    read(desk, WINE)

    for view in ("Configuration", "Access", "Delete"):
        page = open_page("service", identity="viewer", name="wine-dev", view=view)
        keys = [button for button in page.button if "wine-dev" in str(button.key)]
        assert keys
        assert all(button.disabled for button in keys)


def test_an_edit_shows_its_plan_and_what_needs_a_redeploy_says_the_downtime(open_page: OpenPage, desk: Desk) -> None:
    read(desk, WINE)
    page = open_page("service", identity="operator", name="wine-dev", view="Configuration")

    page.number_input(key="field-wine-dev-memory_gb").set_value(2.0).run()

    assert not page.exception
    assert page.button(key="configuration-apply").label == "Redeploy"
    assert "Down about 1 min" in words(page)


def test_an_edit_outlives_a_look_at_another_view(open_page: OpenPage, desk: Desk) -> None:
    read(desk, WINE)
    page = open_page("service", identity="operator", name="wine-dev", view="Configuration")
    page.text_area(key="field-wine-dev-description").set_value("seasonal").run()
    page.button(key="tags-wine-dev-0-add").click().run()
    page.text_input(key="tags-wine-dev-0-value-2").set_value("team").run()
    assert "The tag with the value 'team' has no name" in words(page)

    page.session_state["view"] = "History"
    page.run()
    page.session_state["view"] = "Configuration"
    page.run()

    assert page.text_area(key="field-wine-dev-description").value == "seasonal"
    assert page.text_input(key="tags-wine-dev-0-value-2").value == "team"
    assert page.button(key="configuration-apply").disabled


def test_tags_are_planned_and_discarded_and_follow_the_service_while_untouched(open_page: OpenPage, desk: Desk) -> None:
    read(desk, WINE)
    page = open_page("service", identity="operator", name="wine-dev", view="Configuration")
    page.text_input(key="tags-wine-dev-0-value-1").set_value("prod").run()
    assert "1 change to wine-dev" in words(page)

    page.button(key="configuration-discard").click().run()
    assert page.text_input(key="tags-wine-dev-1-value-1").value == "dev"
    assert "configuration-apply" not in {button.key for button in page.button}

    read(desk, replace(WINE, tags={"application": "wine", "stage": "test"}))
    page.run()

    assert page.text_input(key="tags-wine-dev-2-value-1").value == "test"
    assert "configuration-apply" not in {button.key for button in page.button}


def test_an_edit_that_is_taken_back_is_no_change(open_page: OpenPage, desk: Desk) -> None:
    read(desk, WINE)
    page = open_page("service", identity="operator", name="wine-dev", view="Configuration")
    page.number_input(key="field-wine-dev-cpu_cores").set_value(1.0).run()

    page.number_input(key="field-wine-dev-cpu_cores").set_value(0.5).run()

    assert "configuration-apply" not in {button.key for button in page.button}


def test_deleting_wants_the_name(open_page: OpenPage, desk: Desk) -> None:
    read(desk, WINE)
    page = open_page("service", identity="operator", name="wine-dev", view="Delete")

    page.button(key="delete-wine-dev").click().run()
    assert page.button(key="delete-wine-dev-confirm").disabled
    page.text_input(key="delete-wine-dev-typed").set_value("wine-prod").run()

    assert page.button(key="delete-wine-dev-confirm").disabled
    assert not desk.operations.page(subject="wine-dev")


def test_no_key_is_set_without_a_value(open_page: OpenPage, desk: Desk) -> None:
    read(desk, WINE)
    page = open_page("service", identity="operator", name="wine-dev", view="Access")

    page.button(key="set-primary-wine-dev").click().run()
    page.button(key="set-primary-wine-dev-confirm").click().run()

    assert "it is empty" in words(page)
    assert not desk.operations.page(subject="wine-dev")


def test_a_service_that_is_gone_says_so_and_leads_back(open_page: OpenPage, desk: Desk) -> None:
    read(desk, WINE)
    read(desk)

    page = open_page("service", name="wine-dev", view="Access")

    assert not page.exception
    assert "no service named **wine-dev**" in words(page)


def test_an_address_without_a_name_says_so(open_page: OpenPage) -> None:
    assert "does not say which service" in words(open_page("service"))


def test_a_view_that_does_not_exist_is_the_summary(open_page: OpenPage, desk: Desk) -> None:
    read(desk, WINE)

    assert "It runs and answers." in words(open_page("service", name="wine-dev", view="No"))
