"""What arrives as telemetry and what becomes of it, on what real inference servers of both generations sent."""

from __future__ import annotations

import gzip
import json
import re
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from local_workspace.insights import envelopes
from local_workspace.insights.envelopes import BadBody
from local_workspace.insights.losses import Losses
from local_workspace.insights.normalise import SOFT_FAILURE, is_soft_failure, milliseconds, request_row
from local_workspace.insights.rows import rows
from local_workspace.insights.schema import TABLES
from tests.local_workspace.insights_process import IKEY, recorded, scoring_call

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def read(items: Any) -> envelopes.Batch:
    return envelopes.read(json.dumps(items).encode(), instrumentation_keys={IKEY})


@pytest.mark.parametrize("generation", ["opencensus", "opentelemetry"])
def test_both_generations_of_server_give_the_same_true_requests(generation: str) -> None:
    found = rows(read(recorded(generation)).envelopes)

    by_kind = {row["ClientRequestId"]: row for row in found["Requests"]}
    codes = {name.removeprefix("shop_p_"): row["ContainerCode"] for name, row in by_kind.items()}
    assert codes == {
        "ok": 200,
        "raise": 500,
        "softdict": 200,
        "softjson": 200,
        "softstr": 200,
        "slow": 500,
        "503": 503,
        "word": 200,
        "desk-probe-1": 200,
    }
    assert {name for name, row in by_kind.items() if row["IsSoftFailure"]} == {
        "shop_p_softdict",
        "shop_p_softjson",
        "shop_p_softstr",
    }
    assert [name for name, row in by_kind.items() if row["IsOurs"]] == ["desk-probe-1"]
    assert {(row["Service"], row["Replica"], row["Path"]) for row in by_kind.values()} == {
        ("wine-prod", "replica-7", "/score")
    }
    assert 1500 <= by_kind["shop_p_slow"]["DurationMs"] < 1510
    assert by_kind["shop_p_ok"]["DurationMs"] < 5
    assert all(row["RequestId"] for row in by_kind.values())


@pytest.mark.parametrize("generation", ["opencensus", "opentelemetry"])
def test_the_raw_table_stays_as_wrong_as_azures(generation: str) -> None:
    found = rows(read(recorded(generation)).envelopes)

    assert {row["ResultCode"] for row in found["AppRequests"]} == {"0"}
    assert {row["Success"] for row in found["AppRequests"]} == {True}
    assert len(found["AppRequests"]) == len(found["Requests"]) + 1  # the swagger page is no scoring call


@pytest.mark.parametrize("generation", ["opencensus", "opentelemetry"])
def test_an_exceptions_innermost_cause_comes_out_of_its_stack(generation: str) -> None:
    raised, timed_out = rows(read(recorded(generation)).envelopes)["AppExceptions"]

    assert (raised["OuterType"], raised["InnermostType"], raised["InnermostMessage"]) == (
        "UserScriptException",
        "ValueError",
        "feature 7 is missing",
    )
    assert raised["ProblemId"] == "ValueError at run"
    assert raised["SeverityLevel"] == 3
    assert "ValueError: feature 7 is missing" in json.loads(raised["Details"])[0]["rawStack"]
    assert timed_out["InnermostType"] == "UserScriptTimeout"


def test_a_server_that_one_day_sends_the_truth_is_read_right() -> None:
    call = scoring_call(at=NOW, code=502, milliseconds=41)
    call["data"]["baseData"] |= {"responseCode": "418", "duration": "0.00:00:00.041"}

    row = rows(read([call]).envelopes)["Requests"][0]

    assert (row["ContainerCode"], row["DurationMs"]) == (418, 41.0)


def test_a_span_longer_than_the_servers_own_measurement_is_not_believed() -> None:
    call = scoring_call(at=NOW, milliseconds=0)
    call["data"]["baseData"]["duration"] = "0.00:00:00.007"  # a pause after the answer was ready

    assert rows(read([call]).envelopes)["Requests"][0]["DurationMs"] == 0


def test_a_plain_request_without_properties_is_no_scoring_call() -> None:
    call = scoring_call(at=NOW)
    call["data"]["baseData"] |= {"name": "GET /", "properties": {}}

    assert request_row(read([call]).envelopes[0]) is None


@pytest.mark.parametrize(
    ("body", "soft"),
    [
        ('{"error": "no such column"}', True),
        ('"{\\"error\\": \\"no such column\\"}"', True),
        ('"\\"{\\\\\\"error\\\\\\": \\\\\\"no such column\\\\\\"}\\""', True),
        ("\"could not convert string to float: 'a'\"", True),
        ("ValueError: X has 3 features, but Ridge is expecting 4 features as input.", True),
        ('{"errors": ["row 3"], "result": []}', True),
        ('{"result": [1], "error": null}', False),
        ('{"result": [1], "error": ""}', False),
        ('{"result": [1], "errors": []}', False),
        ('{"prediction": 5.1, "error": 1.25}', False),
        ('{"label": "error"}', False),
        ('["error", "warning"]', False),
        ("[1.5, 2.5]", False),
        ("", False),
    ],
)
def test_a_success_whose_body_is_an_error_is_a_soft_failure(body: str, soft: bool) -> None:
    assert is_soft_failure(200, body) is soft
    assert is_soft_failure(500, body) is False
    assert (re.search(SOFT_FAILURE, body) is not None) is soft  # the rule as Azure's engine reads it


@pytest.mark.parametrize(
    "body",
    ["a" * 65_000, '"' * 65_000, "\\" * 65_000, "{ " * 32_000, ", " * 32_000, '{"error": ' * 6000, "error " * 10_000],
)
def test_a_long_body_is_judged_at_once(body: str) -> None:
    begun = time.process_time()

    is_soft_failure(200, body)
    is_soft_failure(200, f'"{body}"')

    assert time.process_time() - begun < 0.5


@pytest.mark.parametrize(
    ("text", "expected"),
    [("00:00:00.001", 1), ("0.00:00:01.504", 1504), ("1.02:03:04.5", 93_784_500), ("", None), ("soon", None)],
)
def test_durations_are_milliseconds(text: str, expected: float | None) -> None:
    assert milliseconds(text) == expected


def test_every_row_has_only_columns_of_its_table() -> None:
    found = rows(read(recorded("opencensus") + recorded("opentelemetry")).envelopes)

    for table, batch in found.items():
        for row in batch:
            assert set(row) <= set(TABLES[table])
            assert set(row) == set(batch[0])


def test_the_tables_have_exactly_as_many_columns_as_azure_documents() -> None:
    counts = {name: len(columns) for name, columns in TABLES.items()}

    assert counts == {
        "AppRequests": 42,
        "AppDependencies": 43,
        "AppExceptions": 49,
        "AppTraces": 37,
        "AppMetrics": 36,
        "ContainerLogV2": 17,
        "Requests": 11,
    }


def test_newline_delimited_and_gzipped_bodies_are_read() -> None:
    lines = "\n".join(json.dumps(scoring_call(at=NOW)) for _ in range(3)).encode()

    unpacked = envelopes.unpack(gzip.compress(lines), encoding="gzip")

    assert len(envelopes.read(unpacked, instrumentation_keys={IKEY}).envelopes) == 3


def test_a_gzip_bomb_is_refused() -> None:
    with pytest.raises(BadBody, match="larger than 64 MB"):
        envelopes.unpack(gzip.compress(b" " * (envelopes.LARGEST_BODY + 1)), encoding="gzip")


def test_each_item_is_judged_by_itself() -> None:
    foreign = scoring_call(at=NOW) | {"iKey": "99999999-2222-4333-8444-555555555555"}
    timeless = scoring_call(at=NOW) | {"time": "yesterday"}
    page_view = scoring_call(at=NOW) | {"data": {"baseType": "PageViewData", "baseData": {}}}

    batch = read([scoring_call(at=NOW), foreign, "what", timeless, page_view])

    assert batch.status == 206
    assert [error["index"] for error in batch.errors] == [1, 2, 3]
    assert (batch.answer()["itemsReceived"], batch.answer()["itemsAccepted"]) == (5, 2)
    assert len(batch.envelopes) == 1


def test_a_broken_line_costs_only_itself() -> None:
    body = json.dumps(scoring_call(at=NOW)).encode() + b'\n{"half'

    batch = envelopes.read(body, instrumentation_keys={IKEY})

    assert (len(batch.envelopes), len(batch.errors)) == (1, 1)


def test_what_no_database_holds_is_made_harmless() -> None:
    body = json.dumps([scoring_call(at=NOW, response="half a pair: \ud83d")]).replace('"measurements": {}', '"m": NaN')

    envelope = envelopes.read(body.encode(), instrumentation_keys={IKEY}).envelopes[0]

    assert envelope.properties["Response Value"].encode() == b"half a pair: ?"
    assert envelope.data["m"] is None


def test_lost_telemetry_ends_by_itself() -> None:
    losses = Losses()
    batch = read([scoring_call(at=NOW, service="wine-prod"), scoring_call(at=NOW, service="iris")]).envelopes

    losses.begin("wine-prod", until=NOW + timedelta(minutes=1))

    assert [envelope.tags["ai.cloud.role"] for envelope in losses.keep(batch, now=NOW)] == ["iris"]
    assert len(losses.keep(batch, now=NOW + timedelta(minutes=2))) == 2
