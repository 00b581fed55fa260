"""The desk's way to Log Analytics, through the unmodified client, against a real local Azure Monitor.

The numbers are compared with a computation of their own, and every query runs twice: on the local `Requests` and on
the raw AppRequests through the prelude that Azure needs. Both must say the same.
"""

from __future__ import annotations

import json
import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from services.azuremonitor import literals, queries
from services.azuremonitor.client import LogAnalytics
from services.azuremonitor.tables import Column, Table
from services.errors import Forbidden, Invalid, NotFound, Unavailable
from tests.local_workspace.insights_process import IKEY, InsightsProcess, recorded, scoring_call
from tests.rules.test_kql_queries import HOSTILE
from tests.services.front_end_lines import access, scale, write_log

END = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
START = END - timedelta(hours=2)
STEP = timedelta(minutes=10)
SOFT = '{"error": "no such column"}'


@dataclass(frozen=True)
class Call:
    """One scoring call as it really was."""

    at: datetime
    service: str
    code: int
    milliseconds: int
    client_request_id: str
    soft: bool
    timed_out: bool

    @property
    def bin(self) -> datetime:
        return START + (self.at - START) // STEP * STEP

    @property
    def seen(self) -> int:
        """The code the caller saw."""
        return {500: 504 if self.timed_out else 502}.get(self.code, self.code)


def made_up_calls() -> list[Call]:
    random = np.random.default_rng(7)
    calls = []
    for number in range(3000):
        # Nothing happens between 40 and 60 minutes: a gap.
        minutes = random.uniform(0, 100)
        code = int(random.choice([200, 200, 200, 200, 200, 200, 400, 500, 500, 503]))
        client_request_id = ["", "shop_p_", "shop_s_", "billing_app_s_", "desk-probe-"][number % 5]
        calls.append(
            Call(
                at=START + timedelta(minutes=minutes if minutes < 40 else minutes + 20),
                service=str(random.choice(["wine-prod", "iris", "it's"])),
                code=code,
                milliseconds=int(random.gamma(2, 40)),
                client_request_id=client_request_id and f"{client_request_id}{number:x}",
                soft=code == 200 and number % 17 == 0,
                timed_out=code == 500 and number % 3 == 0,
            )
        )
    return calls


def envelopes(calls: list[Call]) -> Iterator[dict[str, Any]]:
    for call in calls:
        request_id = str(uuid.uuid4())
        yield scoring_call(
            at=call.at,
            service=call.service,
            code=call.code,
            milliseconds=call.milliseconds,
            client_request_id=call.client_request_id,
            response=SOFT if call.soft else "[1.5]",
            request_id=request_id,
        )
        if call.timed_out:
            yield timeout_of(request_id, call)


def timeout_of(request_id: str, call: Call) -> dict[str, Any]:
    template = next(
        item
        for item in recorded("opentelemetry")
        if item["data"]["baseType"] == "ExceptionData"
        and item["data"]["baseData"]["exceptions"][0]["typeName"] == "UserScriptTimeout"
    )
    template["time"] = call.at.isoformat()
    template["data"]["baseData"]["properties"]["custom_dimensions"] = str({"Request Id": request_id})
    return template


@pytest.fixture(scope="module")
def calls() -> list[Call]:
    return made_up_calls()


@pytest.fixture(scope="module")
def monitor(tmp_path_factory: pytest.TempPathFactory, calls: list[Call]) -> Iterator[InsightsProcess]:
    process = InsightsProcess(tmp_path_factory.mktemp("monitor"))
    items = list(envelopes(calls))
    for first in range(0, len(items), 500):
        assert process.track(items[first : first + 500])["errors"] == []
    write_log(
        process, [access("logged", at=START, status=503, reason="queue wait exceeded"), scale("logged", at=START)]
    )
    yield process
    process.stop()


@pytest.fixture(params=["local", "azure"])
def logs(request: pytest.FixtureRequest, monitor: InsightsProcess) -> Iterator[LogAnalytics]:
    client = LogAnalytics(monitor.url, lambda: monitor.read_token, monitor.workspace_id, source=request.param)
    yield client
    client.close()


@pytest.fixture
def local(monitor: InsightsProcess) -> Iterator[LogAnalytics]:
    client = LogAnalytics(monitor.url, lambda: monitor.read_token, monitor.workspace_id, source="local")
    yield client
    client.close()


def ours(call: Call) -> bool:
    return call.client_request_id.startswith("desk-")


def percentile(values: list[int], share: int) -> float:
    """Nearest rank."""
    ordered = np.sort(values)
    return float(ordered[max(0, int(np.ceil(share / 100 * len(ordered))) - 1)])


def test_the_request_rate_is_what_was_sent(logs: LogAnalytics, calls: list[Call]) -> None:
    table = logs.ask("request_rate", start=START, end=END, step=STEP, front_end=False)

    expected = {}
    for call in calls:
        if not ours(call):
            row = expected.setdefault((call.bin, call.service), [0, 0, 0])
            row[0] += 1
            row[1] += call.code >= 400
            row[2] += call.soft
    assert {
        (row["TimeGenerated"], row["Service"]): [row["n"], row["errors"], row["soft"]] for row in table.dicts()
    } == (expected)
    assert all(row["perMinute"] == pytest.approx(row["n"] / 10) for row in table.dicts())


def test_percentiles_equal_an_independent_computation(logs: LogAnalytics, calls: list[Call]) -> None:
    table = logs.ask("latency", start=START, end=END, step=STEP, include_ours=True)

    groups: dict[tuple[datetime, str], list[int]] = {}
    for call in calls:
        groups.setdefault((call.bin, call.service), []).append(call.milliseconds)
    found = {(row["TimeGenerated"], row["Service"]): row for row in table.dicts()}
    assert set(found) == set(groups)
    for key, values in groups.items():
        assert found[key]["n"] == len(values)
        assert [found[key][name] for name in ("p50", "p95", "p99")] == [
            percentile(values, share) for share in (50, 95, 99)
        ]


def test_errors_carry_the_code_the_caller_saw(logs: LogAnalytics, calls: list[Call]) -> None:
    table = logs.ask("errors_by_code", start=START, end=END, step=STEP, front_end=False)

    expected = Counter(
        (call.bin, call.service, call.seen) for call in calls if not ours(call) and (call.code >= 400 or call.soft)
    )
    assert {(row["TimeGenerated"], row["Service"], row["Code"]): row["n"] for row in table.dicts()} == expected
    assert {(row["Code"], row["Failure"]) for row in table.dicts()} == {
        (200, "success whose body is an error"),
        (400, "answered by the script or the server"),
        (502, "script raised"),
        (503, "answered by the script or the server"),
        (504, "script ran out of time"),
    }


def test_the_summary_has_one_row_for_each_service(logs: LogAnalytics, calls: list[Call]) -> None:
    table = logs.ask("service_summary", start=START, end=END, front_end=False)

    for row in table.dicts():
        mine = [call for call in calls if call.service == row["Service"] and not ours(call)]
        assert row["n"] == len(mine)
        assert row["errors"] == sum(call.code >= 400 for call in mine)
        assert row["soft"] == sum(call.soft for call in mine)
        assert row["p95"] == percentile([call.milliseconds for call in mine], 95)
        assert row["lastRow"] == max(call.at for call in mine)
        assert row["firstError"] == min(call.at for call in mine if call.code >= 400)
    assert [row["Service"] for row in table.dicts()] == ["iris", "it's", "wine-prod"]


def test_consumers_are_told_apart_by_app_and_key_slot(logs: LogAnalytics, calls: list[Call]) -> None:
    table = logs.ask("slots", services=("iris",), start=START, end=END)

    expected: Counter[tuple[str, str]] = Counter()
    for call in calls:
        if call.service == "iris" and not ours(call):
            app, _, rest = call.client_request_id.rpartition("_")[0].rpartition("_")
            expected[(app, {"p": "primary", "s": "secondary", "": ""}[rest])] += 1
    assert {(row["App"], row["Slot"]): row["calls"] for row in table.dicts()} == expected
    assert set(expected) == {("", ""), ("shop", "primary"), ("shop", "secondary"), ("billing_app", "secondary")}


def test_our_own_last_probe_is_found(logs: LogAnalytics, calls: list[Call]) -> None:
    table = logs.ask("last_rows", services=("iris",), start=START, end=END)

    mine = [call for call in calls if call.service == "iris"]
    probe = max((call for call in mine if ours(call)), key=lambda call: call.at)
    assert table.dicts() == [
        {
            "Service": "iris",
            "lastRow": max(call.at for call in mine),
            "lastOurs": probe.at,
            "lastOursId": probe.client_request_id,
            "n": len(mine),
        }
    ]


def test_recent_failures_are_the_newest_first(logs: LogAnalytics, calls: list[Call]) -> None:
    table = logs.ask("recent_failures", services=("wine-prod", "it's"), start=START, end=END)

    failed = sorted(
        (call for call in calls if call.service != "iris" and not ours(call) and (call.code >= 400 or call.soft)),
        key=lambda call: call.at,
        reverse=True,
    )[:200]
    assert [(row["TimeGenerated"], row["Code"], row["ClientRequestId"]) for row in table.dicts()] == [
        (call.at, call.seen, call.client_request_id) for call in failed
    ]
    assert all(row["RequestId"] for row in table.dicts())


@pytest.mark.parametrize("name", queries.names())
def test_every_answer_has_the_columns_its_header_promises(logs: LogAnalytics, name: str) -> None:
    table = logs.ask(name, services=("wine-prod", "logged"), start=START, end=END, include_ours=True)

    assert [(column.name, column.type) for column in table.columns] == list(queries.load(name).columns)
    assert table.rows
    assert table.query == logs.render(name, services=("wine-prod", "logged"), start=START, end=END, include_ours=True)


def test_both_generations_of_server_are_the_same_through_azures_prelude(
    monitor: InsightsProcess, local: LogAnalytics
) -> None:
    when = START - timedelta(hours=6)
    for generation in ("opencensus", "opentelemetry"):
        items = recorded(generation)
        for item in items:
            item["time"] = (when + timedelta(seconds=1)).isoformat()
            item["tags"]["ai.cloud.role"] = generation
        monitor.track(items)
    text = "Requests | order by RequestId asc, Service asc"
    span = {"start": when, "end": when + timedelta(minutes=1)}
    azure = LogAnalytics(monitor.url, lambda: monitor.token, monitor.workspace_id, source="azure")

    here = local.console(text, **span)
    there = azure.console(text, **span)
    azure.close()

    assert len(here.rows) == 18
    assert here.rows == there.rows
    assert here.columns == there.columns


def test_a_frame_has_types(local: LogAnalytics) -> None:
    frame = local.ask("latency", services=("iris",), start=START, end=END, step=STEP).frame()

    assert str(frame["TimeGenerated"].dt.tz) == "UTC"
    assert frame["n"].dtype == "Int64"
    assert frame["p95"].dtype == "float64"
    assert len(frame) == 10


def test_an_empty_answer_is_an_empty_frame_with_columns(local: LogAnalytics) -> None:
    frame = local.ask("latency", services=("nobody",), start=START, end=END, step=STEP).frame()

    assert list(frame.columns) == ["TimeGenerated", "Service", "n", "p50", "p95", "p99"]
    assert frame.empty


def test_time_spans_become_timedeltas() -> None:
    table = Table((Column("t", "timespan"),), (("1.02:03:04",), ("00:00:01.5",), (None,)), None, "", 0.0)

    assert list(table.frame()["t"])[:2] == [
        pd.Timedelta(days=1, hours=2, minutes=3, seconds=4),
        pd.Timedelta(seconds=1.5),
    ]


def test_hostile_texts_come_back_as_they_went(local: LogAnalytics) -> None:
    for text in HOSTILE:
        assert local.query(f"print x = {literals.string(text)}").rows == ((text,),)
        found = local.ask("service_summary", services=(text,), start=START, end=END)
        assert {row["Service"] for row in found.dicts()} <= {text}


def test_what_kql_says_of_a_mistake_reaches_the_person(local: LogAnalytics) -> None:
    with pytest.raises(Invalid, match="DurationMss") as mistaken:
        local.console("Requests | where DurationMss > 5", start=START, end=END)

    assert mistaken.value.field == "query"
    with pytest.raises(Invalid, match="not allowed"):
        local.console("workspace('x').Requests", start=START, end=END)


def test_a_persons_query_sees_its_range_only(local: LogAnalytics, calls: list[Call]) -> None:
    table = local.console("Requests | count", start=START, end=START + STEP)

    assert table.rows == ((sum(call.at < START + STEP for call in calls),),)


def test_a_token_that_changed_is_read_again(monitor: InsightsProcess) -> None:
    given = ["stale", monitor.token]
    logs = LogAnalytics(monitor.url, lambda: given.pop(0), monitor.workspace_id, source="local")

    assert logs.query("print 1").rows == ((1,),)
    assert given == []
    logs.close()


def test_an_address_that_changed_is_read_again(monitor: InsightsProcess) -> None:
    given = ["http://127.0.0.1:9", monitor.url]
    logs = LogAnalytics(lambda: given.pop(0), lambda: monitor.token, monitor.workspace_id, source="local")

    assert logs.query("print 1").rows == ((1,),)
    logs.close()


def test_every_failure_says_what_to_do_next(monitor: InsightsProcess) -> None:
    def ask(url: str, token: str, workspace: str) -> None:
        logs = LogAnalytics(url, lambda: token, workspace, source="local")
        try:
            logs.query("print 1")
        finally:
            logs.close()

    with pytest.raises(Forbidden, match="Log Analytics Reader"):
        ask(monitor.url, "wrong", monitor.workspace_id)
    with pytest.raises(NotFound, match="under Connection"):
        ask(monitor.url, monitor.token, str(uuid.uuid4()))
    with pytest.raises(Unavailable, match="does not answer"):
        ask("http://127.0.0.1:9", monitor.token, monitor.workspace_id)


def test_a_cut_answer_says_so(tmp_path: Path) -> None:
    process = InsightsProcess(tmp_path, largest_rows=10, instrumentation_keys=[IKEY])
    logs = LogAnalytics(process.url, lambda: process.token, process.workspace_id, source="local")
    try:
        table = logs.query("range n from 1 to 50 step 1")
    finally:
        logs.close()
        process.stop()

    assert len(table.rows) == 10
    assert table.partial == "The answer was cut at 10 rows: the query returns more."
    assert json.dumps(table.dicts()[0]) == '{"n": 1}'
