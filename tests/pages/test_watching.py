"""Overview, Monitoring, Logs and Connection on the real desk: there, empty, refused, gone meanwhile, deep link."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from services.azureml.types import Problem, Service
from services.storage import mirror
from tests.pages.conftest import OpenPage

if TYPE_CHECKING:
    from services.bootstrap import Desk

NOW = datetime.now(UTC)


def put(desk: Desk, name: str, *, state: str = "Healthy", **facts: Any) -> None:
    """Write a service into the mirror, as the worker does after reading it."""
    tags = {"application": facts.pop("application", "wine"), "stage": facts.pop("stage", "dev")}
    configuration = {"auth_enabled": True, "enable_app_insights": True} | facts.pop("configuration", {})
    service = Service(
        name=name,
        compute_type="ACI",
        state=state,
        created_at=NOW,
        updated_at=NOW,
        tags=tags,
        configuration=configuration,
        model_ids=("wine:1",),
        **facts,
    )
    with desk.databases[1].writing() as work:
        work.execute(
            sa.insert(mirror.services).values(
                workspace=desk.workspace,
                name=name,
                compute_type="ACI",
                state=state,
                state_since=NOW - timedelta(minutes=9),
                application=tags["application"],
                stage=tags["stage"],
                broken=None,
                content=service.to_json(),
                configuration_sha256="0" * 64,
                read_at=NOW,
            )
        )


def summarise(desk: Desk, name: str, *, requests: int, errors: int) -> None:
    """Write the last hour of a service into the mirror."""
    content = {
        "requests": requests,
        "errors": errors,
        "soft_failures": 0,
        "p50_ms": 3.0,
        "p95_ms": 41.0,
        "p99_ms": 90.0,
        "last_row_at": NOW.isoformat(),
        "first_error_at": (NOW - timedelta(minutes=4)).isoformat() if errors else None,
    }
    with desk.databases[1].writing() as work:
        work.execute(
            sa.insert(mirror.summaries).values(workspace=desk.workspace, service=name, read_at=NOW, content=content)
        )


def text_of(page: Any) -> str:
    """All that is written on a screen."""
    parts = [*page.markdown, *page.caption, *page.info, *page.warning, *page.error]
    return "\n".join(str(part.value) for part in parts)


def test_an_empty_workspace_has_nothing_to_attend_to_and_says_how_to_begin(open_page: OpenPage) -> None:
    page = open_page("overview")

    assert "Nothing needs attention" in text_of(page)
    assert "Nothing is deployed here yet" in text_of(page)


def test_what_fails_stands_first_with_since_when(open_page: OpenPage, desk: Desk) -> None:
    put(desk, "wine-dev")
    summarise(desk, "wine-dev", requests=200, errors=50)
    problem = Problem(code="KubernetesDeploymentFailed", message="no room on the cluster")
    put(desk, "wine-prod", state="Failed", stage="prod", error=problem)

    shown = text_of(open_page("overview"))

    assert shown.index("no room on the cluster") < shown.index("25\\.0 % of 200 requests failed")
    assert "2 need attention" in shown
    assert re.search(r"since .* \\\(\d+ min", shown), shown


def test_a_service_anyone_may_call_is_a_matter_of_its_own(open_page: OpenPage, desk: Desk) -> None:
    put(desk, "open-dev", configuration={"auth_enabled": False})

    assert "anyone who knows the address can call it" in text_of(open_page("overview"))


def test_i_have_it_is_said_to_everyone_and_only_by_an_operator(open_page: OpenPage, desk: Desk) -> None:
    put(desk, "wine-dev", state="Unhealthy")

    assert open_page("overview", identity="viewer").button(key="have-unhealthy-wine-dev").disabled

    page = open_page("overview", identity="operator")
    page.button(key="have-unhealthy-wine-dev").click().run()

    assert "local operator has it" in text_of(open_page("overview", identity="approver"))


def test_the_matrix_has_a_cell_for_each_application_and_stage(open_page: OpenPage, desk: Desk) -> None:
    put(desk, "wine-dev")
    put(desk, "iris-prod", application="iris", stage="prod")
    put(desk, "stray", application="", stage="")
    summarise(desk, "wine-dev", requests=1200, errors=0)

    shown = text_of(open_page("overview"))

    assert "0.0 % failed · p95 41 ms · 1,200 requests" in shown
    assert "prod: not deployed" in shown
    assert "no request seen in the last hour" in shown


def test_charts_of_a_silent_workspace_have_words_and_their_query(open_page: OpenPage, desk: Desk) -> None:
    put(desk, "never-called")

    page = open_page("monitoring", services="never-called")

    shown = text_of(page)
    assert "No request arrived in this range" in shown
    assert "No failed request was seen in this range" in shown
    assert "are not in this telemetry" in shown
    queries = [code.value for code in page.code if "Requests" in code.value]
    assert len(queries) >= 3
    assert all('"never-called"' in query for query in queries)


def test_a_service_that_charts_cannot_see_is_named(open_page: OpenPage, desk: Desk) -> None:
    put(desk, "dark-dev", configuration={"enable_app_insights": False})

    assert "Application Insights is off for dark-dev" in text_of(open_page("monitoring"))


@pytest.mark.parametrize("query", [{"range": "nonsense"}, {"services": "gone-meanwhile"}])
def test_an_address_that_names_what_is_not_there_still_opens(open_page: OpenPage, query: dict[str, str]) -> None:
    page = open_page("monitoring", **query)

    assert page.title[0].value == "Monitoring"
    assert not page.exception


def test_logs_without_a_service_lead_to_deploy(open_page: OpenPage) -> None:
    assert "Nothing is deployed here yet" in text_of(open_page("logs"))


def test_logs_ask_for_a_service(open_page: OpenPage, desk: Desk) -> None:
    put(desk, "wine-dev")

    assert "Choose a service to read its log" in text_of(open_page("logs"))


def test_the_connection_is_tried_step_by_step(open_page: OpenPage) -> None:
    page = open_page("connection", identity="operator")

    page.button(key="diagnose").click().run(timeout=60)

    table = next(frame.value for frame in page.dataframe if "said" in frame.value)
    assert list(table["step"]) == ["Credential", "Workspace", "Services", "Models", "Compute", "Telemetry"]
    assert all("succeeded" in state[0] for state in table["state"]), table.to_string()
