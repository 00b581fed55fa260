"""Overview, Monitoring, Logs and Connection on the real desk: there, empty, refused, gone meanwhile, deep link."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
import sqlalchemy as sa

from dashboard.ui import charts, connection_facts, monitoring_events, palette, ranges, traffic_charts
from services.access import COMMANDS
from services.azureml.types import Problem, Service
from services.incident_records import IncidentRange
from services.objectives import Objective
from services.operations.records import Operation
from services.storage import mirror
from tests.pages.conftest import OpenPage
from tests.pages.records import OPERATOR

if TYPE_CHECKING:
    from services.bootstrap import Desk

NOW = datetime.now(UTC)
RANGE = ranges.last("1h", now=NOW)


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


def rate_of(at: datetime) -> pd.DataFrame:
    """One service's rate at one time."""
    return pd.DataFrame([{"TimeGenerated": pd.Timestamp(at), "Service": "wine", "n": 10, "perMinute": 2.0}])


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
    assert "No row was received in the last day" in shown


def test_the_query_of_a_chart_is_shown_and_named_services_are_in_it(open_page: OpenPage, desk: Desk) -> None:
    put(desk, "never-called")
    page = open_page("monitoring", identity="operator", services="never-called")
    assert not page.code

    page.session_state["chart-latency-query"] = True
    page.run()

    (query,) = [code.value for code in page.code]
    assert '"never-called"' in query
    assert "percentile" in query
    page.text_input(key="chart-latency-name").set_value("Latency of mine").run()
    page.button(key="chart-latency-save").click().run()
    assert [(own.name, own.text.strip()) for own in desk.queries.own()] == [("Latency of mine", query.strip())]


def test_a_service_that_charts_cannot_see_is_named(open_page: OpenPage, desk: Desk) -> None:
    put(desk, "dark-dev", configuration={"enable_app_insights": False})

    among = text_of(open_page("monitoring")).replace("\\", "")
    alone = text_of(open_page("monitoring", services="dark-dev")).replace("\\", "")

    assert "Application Insights is off for dark-dev: no telemetry, which is not zero" in among
    assert alone.count("No telemetry: Application Insights is off.") == len(traffic_charts.ALL)
    assert "No request arrived" not in alone


def test_where_no_row_came_one_can_be_told_when_data_flows(open_page: OpenPage, desk: Desk) -> None:
    put(desk, "never-called")

    assert open_page("monitoring", identity="viewer", services="never-called").button(key="await-never-called").disabled

    page = open_page("monitoring", identity="operator", services="never-called")
    page.button(key="await-never-called").click().run()

    # Nothing answers at its address: that is said where one asked.
    assert page.error
    assert not page.exception


def test_objectives_say_what_is_known_and_who_has_none(open_page: OpenPage, desk: Desk) -> None:
    put(desk, "wine-dev")
    put(desk, "iris-dev")
    assert "No service here has an objective yet" in text_of(open_page("monitoring", view="Objectives"))

    desk.objectives.set(OPERATOR, Objective(service="iris-dev", availability=0.999, latency_ms=250.0))
    page = open_page("monitoring", view="Objectives")

    table = next(frame.value for frame in page.dataframe if "objective" in frame.value)
    assert list(table["objective"]) == ["99.9 % answered well", "95 % within 250 ms"]
    # Nobody called it: an objective nobody put to the test is not kept.
    assert list(table["state"]) == ["? not known"] * 2
    assert "Without an objective: wine-dev." in text_of(page)


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


def test_changes_close_together_share_one_flag_and_one_at_the_edge_points_inwards() -> None:
    range_ = ranges.last("1h", now=NOW)
    early, late = range_.start + timedelta(minutes=6), range_.end - timedelta(minutes=3)
    changes = [change(at) for at in (early, early + timedelta(minutes=1), late, late + timedelta(minutes=1))]

    events = monitoring_events.of([*changes, change(late + timedelta(minutes=2), kind="keys.set")], [], now=NOW)
    bands = monitoring_events.bands(events, range_)

    assert [band.label for band in bands] == ["1–2 deployed", "", "3–5 changes", "", ""]
    assert [band.is_label_left for band in bands] == [False, False, True, True, True]


def test_a_change_is_a_range_and_what_has_not_ended_lasts_until_now() -> None:
    began = NOW - timedelta(minutes=20)
    ended = replace(change(began), ended_at=began + timedelta(minutes=4))
    running = replace(change(NOW - timedelta(minutes=2)), ended_at=None, state="running")
    incident = IncidentRange(id="INC-3", title="wine is failing", start=NOW - timedelta(minutes=9), end=None)

    events = monitoring_events.of([ended, running], [incident], now=NOW)

    assert [(event.number, event.word, event.end - event.start) for event in events] == [
        (1, "deployed", timedelta(minutes=4)),
        (2, "incident", timedelta(minutes=9)),
        (3, "deployed", timedelta(minutes=2)),
    ]
    drawn = charts.rate(rate_of(began), ranges.last("1h", now=NOW), bands=monitoring_events.bands(events, RANGE)).layout
    assert next(shape.x1 - shape.x0 for shape in drawn.shapes if shape.type == "rect") == timedelta(minutes=4)


def test_both_legs_of_a_rotation_are_one_range() -> None:
    first = replace(change(NOW - timedelta(minutes=30), kind="keys.rotate_idle"), arguments={"rotation": "r1"})
    second = replace(change(NOW - timedelta(minutes=5), kind="keys.rotate_other"), arguments={"rotation": "r1"})

    (event,) = monitoring_events.of([first, second], [], now=NOW)

    assert (event.word, event.end - event.start) == ("rotation", timedelta(minutes=25))


def test_an_update_of_replicas_alone_is_a_scale_change() -> None:
    def updated(*fields: str) -> Operation:
        plan = {"changes": [{"field": field} for field in fields]}
        return replace(change(NOW, kind="service.update"), plan=plan)

    scaled, mixed = updated("autoscale_min_replicas", "num_replicas"), updated("num_replicas", "cpu_cores")

    assert [event.word for event in monitoring_events.of([scaled], [], now=NOW)] == ["scaled"]
    assert [event.word for event in monitoring_events.of([mixed], [], now=NOW)] == ["changed"]


def test_a_few_failures_are_counted_in_whole_numbers() -> None:
    frame = pd.DataFrame({"TimeGenerated": [pd.Timestamp(RANGE.start)], "Code": [502], "n": [2]})

    assert charts.codes(frame, RANGE).layout.yaxis.dtick == 1
    assert charts.codes(frame.assign(n=900), RANGE).layout.yaxis.dtick is None


def test_failures_are_stacked_by_code_and_by_who_saw_them() -> None:
    seen = [(503, "front end", 4), (502, "front end", 1), (502, "container", 3), (0, "probe", 2), (200, "container", 5)]
    frame = pd.DataFrame(
        [
            {"TimeGenerated": pd.Timestamp(RANGE.start), "Code": code, "Source": source, "n": n}
            for code, source, n in seen
        ]
    )

    bars = charts.codes(frame, RANGE).data

    assert {bar.name: bar.y[0] for bar in bars} == {
        "502 container": 3,
        "502 front end": 1,
        "503 front end": 4,
        "failed 200 container": 5,
        "no answer probe": 2,
    }
    assert len({(bar.marker.color, bar.marker.pattern.shape) for bar in bars}) == len(bars)


def test_the_period_before_is_dashed_on_the_axis_of_this_one() -> None:
    before = charts.moved(rate_of(RANGE.before.start), RANGE.duration)

    dashed, solid = charts.rate(rate_of(RANGE.start), RANGE, before=before).data

    assert (dashed.name, dashed.line.dash, solid.line.dash) == ("wine, period before", palette.BEFORE, "solid")
    assert dashed.line.color == solid.line.color
    assert dashed.x[0] == solid.x[0]


def test_the_split_is_of_a_source_that_can_tell_it_and_weighs_services_by_their_requests() -> None:
    at = pd.Timestamp(RANGE.start)
    columns = ["TimeGenerated", "Service", "Source", "n", "model", "rest", "total"]
    container = [(at, "wine", "container", 900, None, None, 30.0)]
    probes = [(at, "wine", "probe", 3, 10.0, 2.0, 12.0), (at, "iris", "probe", 1, 30.0, 6.0, 36.0)]

    with_probes = pd.DataFrame([*container, *probes], columns=columns)
    without = pd.DataFrame(container, columns=columns)

    assert [list(bar.y) for bar in charts.split(with_probes, RANGE).data] == [[15.0], [3.0]]
    (alone,) = charts.split(without, RANGE).data
    assert (alone.name, list(alone.y)) == ("in the container, not split", [30.0])


def test_the_heat_map_leaves_a_step_without_telemetry_empty() -> None:
    frame = pd.DataFrame(
        {
            "TimeGenerated": [pd.Timestamp(RANGE.start)] * 2,
            "FromMs": [0.0, 100.0],
            "ToMs": [1.0, 158.49],
            "n": [9, 99],
        }
    )

    (heat,) = charts.heat(frame, RANGE).data

    first, second = [row[0] for row in heat.z], [row[1] for row in heat.z]
    assert [value for value in first if not pd.isna(value)] == [1.0, 2.0]
    assert all(pd.isna(value) for value in second)
    assert len(heat.y) == len(heat.z) + 1
    assert heat.y[0] > 0


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


def test_the_way_back_from_a_zoom_leads_where_it_says_though_a_choice_by_hand_forgot_it(open_page: OpenPage) -> None:
    page = open_page("monitoring", range="6h")
    page.session_state["ranges-before"] = [("24h", None, None)]
    page.run()
    assert page.button(key="range-back").label == "Back to last 24 h"

    # As when the browser sends a choice of the range and the press together.
    page.button(key="range-back").click()
    page.selectbox(key="range").select("7d")
    page.run()

    assert not page.exception
    assert page.selectbox(key="range").value == "24h"
