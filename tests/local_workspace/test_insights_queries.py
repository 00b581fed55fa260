"""The local Azure Monitor as a process: asked by the real LogsQueryClient, hurt on purpose, killed."""

from __future__ import annotations

import gzip
import json
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from azure.core.exceptions import HttpResponseError
from azure.monitor.query import LogsBatchQuery, LogsQueryPartialResult, LogsQueryStatus

from tests.local_workspace.insights_process import COMPONENT, IKEY, ROOT, InsightsProcess, recorded, scoring_call

NOW = datetime.now(UTC)


@pytest.fixture(scope="module")
def monitor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InsightsProcess]:
    process = InsightsProcess(tmp_path_factory.mktemp("monitor"), largest_rows=5000)
    calls = [scoring_call(at=NOW - timedelta(hours=n), service="hourly") for n in range(48)]
    assert process.track([*recorded("opentelemetry"), *calls])["errors"] == []
    yield process
    assert process.stop() == 0


@pytest.fixture
def own_monitor(tmp_path: Path) -> Iterator[InsightsProcess]:
    process = InsightsProcess(tmp_path)
    yield process
    process.stop()


def test_what_was_sent_is_what_is_queried(monitor: InsightsProcess) -> None:
    query = "Requests | where Service == 'wine-prod' | summarize n=sum(ItemCount) by ContainerCode | order by n"

    assert monitor.rows(query) == [(200, 6), (500, 2), (503, 1)]


def test_the_four_forms_of_a_time_span_narrow_every_table(monitor: InsightsProcess) -> None:
    client, query = monitor.client(), "Requests | where Service == 'hourly' | count"
    start = NOW - timedelta(hours=9, minutes=30)

    def count(timespan: Any) -> int:
        result = client.query_workspace(monitor.workspace_id, query, timespan=timespan)
        return int(result.tables[0].rows[0][0])  # type: ignore[union-attr]

    assert count(None) == 48
    assert count(timedelta(hours=5, minutes=30)) == 6
    assert count((start, NOW - timedelta(hours=4, minutes=30))) == 5
    assert count((start, timedelta(hours=3))) == 3


def test_every_type_arrives_as_the_client_expects_it(monitor: InsightsProcess) -> None:
    query = (
        "print s='x', i=toint(3), l=4, r=1.5, nan=real(nan), b=true, t=datetime(2026-11-21T14:00:00.25Z), "
        "span=1d + 2h + 3m + 4s, d=dynamic([1, 'a']), none=int(null)"
    )

    table = monitor.client().query_workspace(monitor.workspace_id, query, timespan=None).tables[0]  # type: ignore[union-attr]

    assert dict(zip(table.columns, table.columns_types, strict=True)) == {
        "s": "string",
        "i": "int",
        "l": "long",
        "r": "real",
        "nan": "real",
        "b": "bool",
        "t": "datetime",
        "span": "timespan",
        "d": "dynamic",
        "none": "int",
    }
    row = {name: table.rows[0][name] for name in table.columns}
    assert row["t"] == datetime(2026, 11, 21, 14, 0, 0, 250_000, tzinfo=UTC)
    assert (row["span"], row["nan"], row["none"], json.loads(row["d"])) == ("1.02:03:04", "NaN", None, [1, "a"])


def test_a_resource_id_and_a_batch_lead_to_the_same_rows(monitor: InsightsProcess) -> None:
    client, query = monitor.client(), "Requests | where Service == 'wine-prod' | count"

    by_resource = client.query_resource(COMPONENT, query, timespan=None)
    good, bad, elsewhere = client.query_batch(
        [
            LogsBatchQuery(monitor.workspace_id, query, timespan=None),
            LogsBatchQuery(monitor.workspace_id, "Requests | where Nope == 1", timespan=None),
            LogsBatchQuery("00000000-0000-0000-0000-000000000000", query, timespan=None),
        ]
    )

    assert by_resource.tables[0].rows[0][0] == 9  # type: ignore[union-attr]
    assert good.tables[0].rows[0][0] == 9  # type: ignore[union-attr]
    assert bad.status == LogsQueryStatus.FAILURE
    assert "'Nope'" in bad.message  # type: ignore[union-attr]
    assert elsewhere.status == LogsQueryStatus.FAILURE


def test_statistics_and_rendering_come_when_asked_for(monitor: InsightsProcess) -> None:
    query = "Requests | summarize count() by bin(TimeGenerated, 1h) | render timechart with (title='Calls')"

    asked = monitor.client().query_workspace(
        monitor.workspace_id, query, timespan=None, include_statistics=True, include_visualization=True
    )
    plain = monitor.client().query_workspace(monitor.workspace_id, query, timespan=None)

    assert asked.statistics["query"]["executionTime"] >= 0  # type: ignore[index]
    assert asked.visualization == {"visualization": "timechart", "title": "Calls"}
    assert (plain.statistics or {}, plain.visualization or {}) == ({}, {})


def test_too_many_rows_come_as_a_partial_result(monitor: InsightsProcess) -> None:
    result = monitor.client().query_workspace(monitor.workspace_id, "range n from 1 to 9000 step 1", timespan=None)

    assert isinstance(result, LogsQueryPartialResult)
    assert len(result.partial_data[0].rows) == 5000
    assert "5,000 rows" in str(result.partial_error.details)


def test_a_query_that_takes_too_long_is_interrupted(monitor: InsightsProcess) -> None:
    slow = (
        "range a from 1 to 200000 step 1 | extend k = 1 "
        "| join kind=inner (range b from 1 to 200000 step 1 | extend k = 1) on k | summarize sum(a * b)"
    )
    begun = time.monotonic()

    with pytest.raises(HttpResponseError) as refused:
        monitor.client().query_workspace(monitor.workspace_id, slow, timespan=None, server_timeout=1)

    assert refused.value.status_code == 504
    assert time.monotonic() - begun < 10
    assert monitor.rows("print 1") == [(1,)]


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("Requests | where DurationMss > 5", "DurationMss"),
        ("Reqests | count", "Reqests"),
        ("requests | count", "requests"),
        ("Requests | where (", "parse"),
        ("Requests | summarize percentiles(DurationMs, 50, 95)", "percentiles"),
        ("['/etc/passwd'] | take 1", "/etc/passwd"),
        ("print toscalar(['/etc/passwd'] | count)", "/etc/passwd"),
        ("Requests | where Service in (['/etc/passwd'])", "/etc/passwd"),
        ("union Requests, ['/etc/passwd']", "/etc/passwd"),
        ("database('information_schema').tables | take 1", "tables"),
        ("duckdb_tables | take 1", "duckdb_tables"),
        ("duckdb_settings | take 1", "duckdb_settings"),
        (".show tables", "management"),
        ("// why\n .set-or-replace Requests <| Requests", "management"),
        ("externaldata(a:string)['file:///etc/passwd']", "ExternalData"),
        ("workspace('other').Requests | count", "workspace"),
        ("cluster('other').database('x').Requests | count", "cluster"),
        ("print 1; print 2", ""),
    ],
)
def test_what_is_not_a_query_over_our_tables_is_refused_in_words(
    monitor: InsightsProcess, query: str, words: str
) -> None:
    with pytest.raises(HttpResponseError) as refused:
        monitor.rows(query)

    assert refused.value.status_code == 400
    assert words.lower() in refused.value.model.message.lower()  # type: ignore[union-attr]


def test_only_our_tokens_may_ask_and_they_are_compared_whole(monitor: InsightsProcess) -> None:
    for token in ("", "x", monitor.token[:-1], monitor.token + "x", monitor.admin_token):
        with pytest.raises(HttpResponseError) as refused:
            monitor.client(token=token or " ").query_workspace(monitor.workspace_id, "print 1", timespan=None)
        assert refused.value.status_code == 401
    for token in (monitor.token, monitor.read_token):
        monitor.client(token=token).query_workspace(monitor.workspace_id, "print 1", timespan=None)


def test_another_host_name_and_another_workspace_are_refused(monitor: InsightsProcess) -> None:
    rebound = requests.get(f"{monitor.url}/health", headers={"Host": "evil.example"}, timeout=5)
    with pytest.raises(HttpResponseError) as unknown:
        monitor.client().query_workspace("00000000-0000-0000-0000-000000000000", "print 1", timespan=None)

    assert rebound.status_code == 400
    assert unknown.value.status_code == 404


def test_exporters_of_all_kinds_are_understood(monitor: InsightsProcess) -> None:
    calls = [scoring_call(at=NOW, service="exporters") for _ in range(3)]
    lines = "\n".join(json.dumps(call) for call in calls).encode()

    doubled = requests.post(f"{monitor.url}//v2.1/track", json=calls, timeout=5)
    zipped = requests.post(
        f"{monitor.url}/v2/track", data=gzip.compress(lines), headers={"Content-Encoding": "gzip"}, timeout=5
    )
    foreign = requests.post(f"{monitor.url}/v2/track", json=[calls[0] | {"iKey": "other"}, calls[1]], timeout=5)
    nonsense = requests.post(f"{monitor.url}/v2/track", data=b"", timeout=5)

    assert (doubled.status_code, zipped.status_code, foreign.status_code, nonsense.status_code) == (200, 200, 206, 400)
    assert foreign.json()["errors"][0]["message"] == "Invalid instrumentation key"
    assert monitor.rows("Requests | where Service == 'exporters' | count") == [(7,)]


def test_a_post_without_end_is_refused(monitor: InsightsProcess) -> None:
    chunks = (b" " * 1024 * 1024 for _ in range(40))

    answer = requests.post(f"{monitor.url}/v2/track", data=chunks, timeout=30)

    assert answer.status_code == 413


def test_a_query_that_needs_too_much_memory_is_refused_and_nothing_else_suffers(monitor: InsightsProcess) -> None:
    with pytest.raises(HttpResponseError) as refused:
        monitor.rows("range a from 1 to 3000000000 step 1 | summarize dcount(a), max(a)")

    assert refused.value.status_code == 400
    assert "memory" in refused.value.model.message.lower()  # type: ignore[union-attr]
    assert monitor.rows("print 1") == [(1,)]


def test_a_changed_configuration_is_taken_up_without_a_restart(own_monitor: InsightsProcess) -> None:
    other = "22222222-2222-4333-8444-555555555555"
    call = scoring_call(at=NOW) | {"iKey": other}
    refused = own_monitor.track([call])["errors"]

    own_monitor.config |= {"instrumentation_keys": [IKEY, other], "tokens": ["fresh-token"]}
    own_monitor.write_config()

    assert len(refused) == 1
    assert own_monitor.track([call])["errors"] == []
    own_monitor.client(token="fresh-token").query_workspace(own_monitor.workspace_id, "print 1", timespan=None)


def test_acknowledged_rows_survive_kill_9(own_monitor: InsightsProcess) -> None:
    acknowledged = 0
    for number in range(20):
        verdict = own_monitor.track([scoring_call(at=NOW, request_id=f"{number}-{n}") for n in range(5)])
        acknowledged += verdict["itemsAccepted"]

    own_monitor.kill()
    own_monitor.start()

    assert acknowledged == 100
    assert own_monitor.rows("Requests | summarize dcount(RequestId)") == [(100,)]
    assert own_monitor.rows("AppRequests | count") == [(100,)]


def test_a_second_process_on_the_same_folder_says_so(own_monitor: InsightsProcess) -> None:
    second = subprocess.run(own_monitor.command(port=0), cwd=ROOT, capture_output=True, text=True, timeout=30)

    assert second.returncode == 2
    assert "cannot be opened" in second.stderr
    assert "Traceback" not in second.stderr


def test_telemetry_can_be_lost_on_purpose(own_monitor: InsightsProcess) -> None:
    admin = {"Authorization": f"Bearer {own_monitor.admin_token}"}
    until = (datetime.now(UTC) + timedelta(minutes=5)).isoformat()
    url = f"{own_monitor.url}/admin/lose"
    both = [scoring_call(at=NOW, service="wine-prod"), scoring_call(at=NOW, service="iris")]

    refused = requests.post(url, json={"service": None, "until": until}, timeout=5)
    began = requests.post(url, json={"service": "wine-prod", "until": until}, headers=admin, timeout=5)
    lost = own_monitor.track(both)
    ended = requests.delete(url, headers=admin, timeout=5)
    own_monitor.track(both)

    assert (refused.status_code, began.status_code, ended.json()) == (401, 200, {"losing": []})
    assert lost["itemsAccepted"] == 2
    assert own_monitor.rows("Requests | summarize count() by Service | order by Service asc") == [
        ("iris", 2),
        ("wine-prod", 1),
    ]
