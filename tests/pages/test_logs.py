"""The Logs screen on the real desk: previous logs, failures, one request, search: there, empty, refused, by address."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import requests

from services.access import LOCAL_IDENTITIES
from services.container_logs import parse
from services.errors import Forbidden, NotFound
from tests.local_workspace.insights_process import recorded
from tests.pages.conftest import OpenPage
from tests.pages.test_watching import put, text_of
from tests.running_workspace import RunningWorkspace

if TYPE_CHECKING:
    from services.bootstrap import Desk

VIEWER, OPERATOR = LOCAL_IDENTITIES["viewer"], LOCAL_IDENTITIES["operator"]
LOG = """2026-11-21 17:05:25,550 I [1] azmlinfsrv - POST /score 200 0.980ms 17
Traceback (most recent call last):
ValueError: no"""
RAISED, SLOW = "shop_p_raise", "shop_p_slow"


@pytest.fixture(scope="module")
def sent(local_workspace: RunningWorkspace) -> dict[str, str]:
    """Request ids of what a real inference server sent to the telemetry, by the client's."""
    items = recorded("opentelemetry", age=timedelta(minutes=3))
    key = json.loads((local_workspace.data / "insights.json").read_text())["instrumentation_keys"][0]
    ids = {}
    for item in items:
        item["iKey"] = key
        properties = item["data"]["baseData"].get("properties", {})
        if properties.get("Client Request Id"):
            ids[properties["Client Request Id"]] = properties["Request Id"]
    address = local_workspace.connection["logs_url"]
    answer = requests.post(f"{address}/v2.1/track", json=items, timeout=30)
    assert answer.json()["errors"] == []
    return ids


def values_of(page: Any) -> str:
    """All that is written on a screen, its tables and code too."""
    tables = [frame.value.to_string() for frame in page.dataframe]
    return "\n".join([text_of(page), *tables, *(code.value for code in page.code)])


def test_a_kept_log_is_read_by_its_address_at_its_line_also_when_the_service_is_gone(
    open_page: OpenPage, desk: Desk
) -> None:
    kept = desk.log_snapshots.keep(VIEWER, "gone-dev", parse(LOG), state="Failed")

    page = open_page("logs", view="Previous", snapshot=kept, line="3")

    shown = values_of(page)
    assert "gone\\-dev is gone" in shown
    assert "▶     3  ValueError: no" in shown
    assert "    1  2026-11-21 17:05:25,550 I" in shown
    assert "3 of 3 lines" in shown


def test_a_line_and_a_service_of_another_part_trouble_no_part(open_page: OpenPage, desk: Desk) -> None:
    put(desk, "wine-dev")
    desk.log_snapshots.keep(VIEWER, "gone-dev", parse(LOG), state="Failed")
    short = desk.log_snapshots.keep(VIEWER, "gone-dev", parse("one line"), state="Failed")
    page = open_page("logs", view="Previous", of="gone-dev", snapshot=short, line="3")
    assert "there is no line 3" in text_of(page)

    for view in ("Log", "Failures", "Search", "Previous"):
        page.session_state["view"] = view
        page.run()
        assert not page.exception
        assert "The desk made a mistake" not in text_of(page), view


def test_a_kept_log_that_is_not_there_is_said(open_page: OpenPage, desk: Desk) -> None:
    put(desk, "wine-dev")

    page = open_page("logs", view="Previous", of="wine-dev", snapshot="nonsense")

    assert "No log of it was kept yet" in text_of(page)
    assert "not kept any more" in text_of(page)
    with pytest.raises(NotFound, match="90 days"):
        desk.log_snapshots.read(VIEWER, "nonsense")


def test_two_kept_logs_stand_side_by_side(open_page: OpenPage, desk: Desk) -> None:
    desk.log_snapshots.keep(VIEWER, "gone-dev", parse("the first log"), state="Healthy")
    newer = desk.log_snapshots.keep(VIEWER, "gone-dev", parse("the second log"), state="Failed")
    page = open_page("logs", view="Previous", of="gone-dev", snapshot=newer)

    older = next(one.id for one in desk.log_snapshots.of("gone-dev") if one.id != newer)
    page.selectbox(key="beside-gone-dev").set_value(older).run()

    assert "the first log" in values_of(page)
    assert "the second log" in values_of(page)


def test_failures_stand_by_their_cause_without_values(open_page: OpenPage, desk: Desk, sent: dict[str, str]) -> None:
    page = open_page("logs", view="Failures", range="15m")

    table = next(frame.value for frame in page.dataframe if "failure" in frame.value)
    assert "UserScriptException" not in table.to_string()
    [found] = table[table["failure"] == "ValueError: feature • is missing"].to_dict("records")
    assert (found["services"], found["deployment"]) == ("wine-prod", "not by the desk")


def test_a_failure_is_given_to_somebody_muted_and_found_by_its_address(
    open_page: OpenPage, desk: Desk, sent: dict[str, str]
) -> None:
    now = datetime.now(UTC)
    group = next(one for one in desk.failure_groups.of(since=now - timedelta(minutes=15)) if one.type == "ValueError")
    page = open_page("logs", identity="operator", view="Failures", range="15m", group=group.id)

    page.button(key=f"assign-go-{group.id}").click().run()
    assert "local operator has it" in values_of(page)
    page.button(key=f"mute-go-{group.id}").click().run()

    known = desk.failure_groups.find(group.id, since=now - timedelta(minutes=15))
    assert known is not None
    assert known.assigned_to == "local operator"
    assert known.is_muted(now)
    assert [entry.action for entry in desk.audit.page(limit=2)] == ["failures.mute", "failures.assign"]
    assert "1 muted" in values_of(open_page("logs", view="Failures", range="15m"))


def test_a_viewer_gives_failures_to_nobody(open_page: OpenPage, desk: Desk, sent: dict[str, str]) -> None:
    group = desk.failure_groups.of(since=datetime.now(UTC) - timedelta(minutes=15))[0]

    page = open_page("logs", identity="viewer", view="Failures", range="15m", group=group.id)

    assert page.button(key=f"assign-go-{group.id}").disabled
    with pytest.raises(Forbidden):
        desk.failure_groups.assign(VIEWER, group, "me")


@pytest.mark.parametrize("by", ["request", "client"])
def test_one_request_is_found_by_either_id_and_its_values_are_masked(
    open_page: OpenPage, sent: dict[str, str], by: str
) -> None:
    page = open_page("logs", view="Request", range="15m", request=sent[RAISED] if by == "request" else RAISED)

    shown = values_of(page)
    metrics = {metric.label: metric.value for metric in page.metric}
    assert (metrics["At the caller"], metrics["In the container"]) == ("502", "500")
    assert "ValueError: feature • is missing" in shown
    assert "feature 7" not in shown.replace("\\", "").replace('ValueError("feature 7 is missing")', "")
    assert "scoring {'•••': '•••'}" in shown
    assert "Close in time, not linked" in shown


def test_a_script_that_ran_out_of_time_was_a_504_to_the_caller(open_page: OpenPage, sent: dict[str, str]) -> None:
    page = open_page("logs", view="Request", range="15m", request=sent[SLOW])

    assert {metric.label: metric.value for metric in page.metric}["At the caller"] == "504"


def test_unmasking_is_askedfirst_and_no_value_lies_in_the_session(
    open_page: OpenPage, desk: Desk, sent: dict[str, str]
) -> None:
    page = open_page("logs", identity="operator", view="Request", range="15m", request=sent[RAISED])

    page.button(key="unmask").click().run()
    page.button(key="unmask-confirm").click().run()

    assert "scoring {'kind': 'raise'}" in values_of(page)
    assert "feature 7 is missing" in values_of(page)
    assert "feature 7" not in str(page.session_state)
    newest = desk.audit.page(limit=1)[0]
    assert (newest.action, newest.object, newest.person_name) == ("values.unmask", "wine-prod", "local operator")
    page.button(key="mask-now").click().run()
    assert "feature 7 is missing" not in values_of(page).replace('ValueError("feature 7 is missing")', "")


def test_a_viewer_sees_masked_values_only(open_page: OpenPage, desk: Desk, sent: dict[str, str]) -> None:
    page = open_page("logs", identity="viewer", view="Request", range="15m", request=sent[RAISED])

    assert page.button(key="unmask").disabled
    now = datetime.now(UTC)
    call = desk.request_inspector.find(VIEWER, RAISED, start=now - timedelta(minutes=15), end=now)[0]
    with pytest.raises(Forbidden):
        desk.request_inspector.unmask(VIEWER, call)
    assert desk.audit.page(limit=1)[0].result == "refused"


def test_a_request_that_is_not_there_leads_to_a_longer_range(open_page: OpenPage) -> None:
    page = open_page("logs", view="Request", range="15m", request="nobody-sent-this")
    assert "No call with this id" in text_of(page)

    page.button(key="look-longer").click().run()

    assert page.selectbox(key="range").value == "30d"


def test_a_text_is_found_in_what_all_services_printed(open_page: OpenPage, sent: dict[str, str]) -> None:
    page = open_page("logs", view="Search", range="15m", find="SCORING")

    table = next(frame.value for frame in page.dataframe if "text" in frame.value)
    assert set(table["kind"]) >= {"print"}
    assert "scoring {'•••': '•••'}" in list(table["text"])
    assert "Nothing with this text" in text_of(open_page("logs", view="Search", range="15m", find="never printed"))


def test_a_query_of_ones_own_is_run_drawn_saved_and_found_again(
    open_page: OpenPage, desk: Desk, sent: dict[str, str]
) -> None:
    page = open_page("logs", identity="operator", view="Queries", range="15m")
    text = "Requests\n| summarize calls = count() by bin(TimeGenerated, 1m), Service"
    page.text_area(key="console-text").set_value(text).run()

    page.button(key="console-run").click().run()

    table = next(frame.value for frame in page.dataframe if "calls" in frame.value)
    assert table["calls"].sum() >= len(sent)
    assert "wine-prod" not in str(page.session_state)
    page.button(key="console-save").click().run()
    page.text_input(key="console-name").set_value("calls a minute").run()
    page.button(key="console-save-confirm").click().run()
    again = open_page("logs", identity="operator", view="Queries", range="15m")
    offered = again.selectbox(key="console-begin").options
    assert offered[0] == "calls a minute · local operator"
    again.selectbox(key="console-begin").set_value(offered[0]).run()
    assert again.text_area(key="console-text").value == text
    again.button(key="console-delete").click().run()
    again.button(key="console-delete-confirm").click().run()
    assert desk.queries.own() == []
    asked = [entry.action for entry in desk.audit.page(limit=20) if entry.object_kind == "query"]
    assert asked == ["queries.delete", "queries.save", "queries.edit"]


def test_one_of_the_desks_own_queries_can_be_taken_and_run(open_page: OpenPage, sent: dict[str, str]) -> None:
    page = open_page("logs", identity="operator", view="Queries", range="15m")

    page.selectbox(key="console-begin").set_value("service_summary · of the desk").run()
    page.button(key="console-run").click().run()

    table = next(frame.value for frame in page.dataframe if "p95" in frame.value)
    assert "wine-prod" in list(table["Service"])


def test_a_query_that_leads_out_is_refused_in_words(open_page: OpenPage) -> None:
    page = open_page("logs", identity="operator", view="Queries")
    page.text_area(key="console-text").set_value("workspace('another').Requests").run()

    page.button(key="console-run").click().run()

    assert "`workspace` is not allowed here" in text_of(page)


def test_a_viewer_reads_the_tables_and_runs_nothing(open_page: OpenPage) -> None:
    page = open_page("logs", identity="viewer", view="Queries")

    assert page.button(key="console-run").disabled
    assert "Every scoring call the containers answered" in text_of(page)
