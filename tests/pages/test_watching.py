"""Overview, Monitoring, Logs and Connection on the real desk: there, empty, refused, gone meanwhile, deep link."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
import sqlalchemy as sa

from dashboard.ui import charts, connection_facts, ranges, traffic_charts
from services.access import COMMANDS
from services.azureml.types import Problem, Service
from services.operations.records import Operation
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


def change(at: datetime, *, kind: str = "service.deploy") -> Operation:
    """A change of a service that ended well."""
    return Operation(
        id=f"{kind}-{at.isoformat()}",
        workspace="subscription/group/name",
        kind=kind,
        subject_kind="service",
        subject="wine-dev",
        title="A change of wine-dev",
        arguments={},
        plan=None,
        reason="",
        person_id="local/operator",
        person_name="local operator",
        role="operator",
        requested_at=at,
        started_at=at,
        ended_at=at,
        state="succeeded",
        waits_for=None,
        error_kind=None,
        error=None,
        receipt=None,
        version="1",
        leg=1,
        follows=None,
    )


def text_of(page: Any) -> str:
    """All that is written on a screen."""
    parts = [*page.header, *page.markdown, *page.caption, *page.info, *page.warning, *page.error]
    return "\n".join(str(part.value) for part in parts)


def test_before_the_first_read_nothing_is_called_well(open_page: OpenPage) -> None:
    shown = text_of(open_page("overview"))

    assert "nothing was read from Azure so far" in shown
    assert "Nothing needs attention" not in shown


def test_an_empty_workspace_has_nothing_to_attend_to_and_says_how_to_begin(open_page: OpenPage, desk: Desk) -> None:
    with desk.databases[1].writing() as work:
        work.execute(sa.insert(mirror.refreshes).values(workspace=desk.workspace, what="services", succeeded_at=NOW))

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


def test_what_azure_puts_around_a_cause_is_left_out_of_the_matter(open_page: OpenPage, desk: Desk) -> None:
    said = (
        "Aci Deployment failed with exception: Error in entry script, No module named 'xgboost', "
        "please run print(service.get_logs()) to get details."
    )
    put(desk, "wine-next", state="Failed", error=Problem(code="AciDeploymentFailed", message=said))

    sentence = next(text.value for text in open_page("overview").markdown if "xgboost" in text.value)

    assert sentence.replace("\\", "") == "It could not be started: Error in entry script, No module named 'xgboost'"


def test_a_service_anyone_may_call_is_a_matter_of_its_own(open_page: OpenPage, desk: Desk) -> None:
    put(desk, "open-dev", configuration={"auth_enabled": False})

    assert "Anyone who knows the address can call it" in text_of(open_page("overview"))


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


def test_logs_offer_the_worst_services_one_press_each(open_page: OpenPage, desk: Desk) -> None:
    put(desk, "wine-dev")
    put(desk, "wine-prod", state="Failed", stage="prod")

    offered = [button.key for button in open_page("logs").button if str(button.key).startswith("read-log-")]

    assert offered == ["read-log-wine-prod", "read-log-wine-dev"]


def test_changes_close_together_share_one_label_that_points_to_the_middle() -> None:
    range_ = ranges.last("1h", now=NOW)
    early, late = range_.start + timedelta(minutes=6), range_.end - timedelta(minutes=6)
    changes = [change(at) for at in (early, early + timedelta(minutes=1), late, late + timedelta(minutes=1))]

    markers = traffic_charts.marked([*changes, change(late + timedelta(minutes=2), kind="keys.set")], range_)

    assert [marker.label for marker in markers] == ["", "deployed ×2", "changes ×3", "", ""]
    assert [marker.is_label_left for marker in markers] == [False, False, True, True, True]


def test_a_few_failures_are_counted_in_whole_numbers() -> None:
    range_ = ranges.last("1h", now=NOW)
    frame = pd.DataFrame({"TimeGenerated": [pd.Timestamp(range_.start)], "Code": [502], "n": [2]})

    assert charts.codes(frame, range_).layout.yaxis.dtick == 1
    assert charts.codes(frame.assign(n=900), range_).layout.yaxis.dtick is None


def test_every_command_has_words_in_the_table_of_roles(open_page: OpenPage) -> None:
    assert set(connection_facts.WORDS) == set(COMMANDS)

    page = open_page("connection", identity="operator")

    table = next(frame.value for frame in page.dataframe if "logged" in frame.value).set_index("logged")
    assert list(table.loc["audit.export", ["from", "you"]]) == ["admin", False]
    assert list(table.loc["service.deploy", ["from", "you"]]) == ["operator", True]


def test_the_connection_is_tried_step_by_step(open_page: OpenPage) -> None:
    page = open_page("connection", identity="operator")

    page.button(key="diagnose").click().run(timeout=60)

    table = next(frame.value for frame in page.dataframe if "said" in frame.value)
    assert list(table["step"]) == ["Credential", "Workspace", "Services", "Models", "Compute", "Telemetry"]
    assert all("succeeded" in state[0] for state in table["state"]), table.to_string()
