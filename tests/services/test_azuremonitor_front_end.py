"""Two sources of one call: what the front end logged and what the container sent are counted once, as the caller saw it.

Every query runs on the local `Requests` and on the raw AppRequests through the prelude that Azure needs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.azuremonitor.client import LogAnalytics
from services.azuremonitor.queries import TOGETHER
from tests.local_workspace.insights_process import InsightsProcess, scoring_call
from tests.services.front_end_lines import access, scale, write_log
from tests.services.test_azuremonitor_client import SOFT, Call, timeout_of

START = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=3)
END = START + timedelta(hours=1)
SPAN: dict[str, Any] = {"start": START, "end": END, "step": timedelta(hours=1)}
AT = START + timedelta(minutes=10)

IN_BOTH = [
    # container, its milliseconds, front end, reason, and what is shown
    (200, 10, 200, "", None),
    (200, 20, 200, "", None),
    (500, 30, 502, "run() failed", (502, "script raised")),
    (500, 900, 504, "scoring timeout", (504, "script ran out of time")),
    (200, 1200, 504, "scoring timeout", (504, "longer than the scoring timeout")),
    (503, 5, 503, "", (503, "answered by the script or the server")),
]
REFUSED = [
    (401, "bad key", "key or token not accepted"),
    (401, "bad token", "key or token not accepted"),
    (413, "body too large", "body larger than the limit"),
    (499, "caller left", "caller left before the answer"),
    (502, "replica died", "replica died"),
    (503, "queue wait exceeded", "no replica became free"),
    (504, "scoring timeout", "longer than the scoring timeout"),
]
LOST = 3
"""Calls the front end logged and whose telemetry never came."""

REFUSED_ALONE = 4
"""Calls of a service that answers nobody: its container sends nothing."""


def sent() -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """What the containers sent, and what the front end logged."""
    items, lines = [], []
    for number, (container, milliseconds, code, reason, _) in enumerate(IN_BOTH):
        request_id = f"both-{number}"
        items.append(
            scoring_call(at=AT, service="wine", code=container, milliseconds=milliseconds, request_id=request_id)
        )
        lines.append(
            access(
                "wine",
                at=AT,
                status=code,
                request_id=request_id,
                reason=reason,
                milliseconds=milliseconds + 4,
                run_milliseconds=milliseconds - 1.0 if code == 200 else None,
            )
        )
        if code == 504 and container == 500:
            items.append(timeout_of(request_id, Call(AT, "wine", 500, 0, "", soft=False, timed_out=True)))
    items.append(scoring_call(at=AT, service="wine", response=SOFT, milliseconds=7, request_id="soft"))
    lines.append(access("wine", at=AT, request_id="soft"))
    lines += [
        access("wine", at=AT, status=code, request_id=f"refused-{number}", reason=reason)
        for number, (code, reason, _) in enumerate(REFUSED)
    ]
    lines += [access("wine", at=AT, request_id=f"lost-{number}") for number in range(LOST)]
    lines.append(access("wine", at=AT, status=401, client_request_id="desk-probe-1", reason="bad key"))
    items.append(scoring_call(at=AT, service="iris", code=500, request_id="iris-0"))
    items.append(
        scoring_call(
            at=AT,
            service="iris",
            code=500,
            response='{"message": "Scoring timeout after 1500 ms"}',
            request_id="iris-1",
        )
    )
    lines += [access("plum", at=AT, status=401, request_id=f"plum-{n}", reason="bad key") for n in range(REFUSED_ALONE)]
    lines += [scale("wine", at=AT + timedelta(seconds=10 * n), replicas=2, busy=n, waiting=n) for n in range(3)]
    return items, lines


@pytest.fixture(scope="module")
def monitor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InsightsProcess]:
    process = InsightsProcess(tmp_path_factory.mktemp("monitor"))
    items, lines = sent()
    assert process.track(items)["errors"] == []
    write_log(process, lines)
    yield process
    process.stop()


@pytest.fixture(params=["local", "azure"])
def logs(request: pytest.FixtureRequest, monitor: InsightsProcess) -> Iterator[LogAnalytics]:
    client = LogAnalytics(monitor.url, lambda: monitor.read_token, monitor.workspace_id, source=request.param)
    yield client
    client.close()


def failures(logs: LogAnalytics, service: str, **options: Any) -> Counter[tuple[int, str, str]]:
    """(Code, Failure, Source) of the failed calls of a service."""
    found: Counter[tuple[int, str, str]] = Counter()
    for row in logs.ask("errors_by_code", services=(service,), **SPAN, **options).dicts():
        found[(row["Code"], row["Failure"], row["Source"])] += row["n"]
    return found


def test_a_call_that_both_saw_is_counted_once_as_the_caller_saw_it(logs: LogAnalytics) -> None:
    shown = [shown for *_, shown in IN_BOTH if shown] + [(code, word) for code, _, word in REFUSED]

    expected = Counter((code, word, "front end") for code, word in shown)
    assert failures(logs, "wine") == expected + Counter([(200, "success whose body is an error", "container")])


def test_without_the_log_refusals_are_not_seen_and_nothing_is_made_up(logs: LogAnalytics) -> None:
    assert failures(logs, "wine", front_end=False) == Counter(
        {
            (502, "script raised", "container"): 1,
            (504, "script ran out of time", "container"): 1,
            (503, "answered by the script or the server", "container"): 1,
            (200, "success whose body is an error", "container"): 1,
        }
    )


def test_several_services_asked_together_are_the_sum_of_each(logs: LogAnalytics) -> None:
    each = logs.ask("errors_by_code", **SPAN)
    together = logs.ask("errors_by_code", together=True, **SPAN)

    summed: Counter[tuple[object, ...]] = Counter()
    for row in each.dicts():
        summed[(row["TimeGenerated"], row["Code"], row["Failure"], row["Source"])] += row["n"]
    assert len({row["Service"] for row in each.dicts()}) > 1
    assert {row["Service"] for row in together.dicts()} == {TOGETHER}
    assert summed == {
        (row["TimeGenerated"], row["Code"], row["Failure"], row["Source"]): row["n"] for row in together.dicts()
    }


def test_our_own_refused_probe_is_left_out_unless_asked_for(logs: LogAnalytics) -> None:
    without, with_ours = failures(logs, "wine"), failures(logs, "wine", include_ours=True)

    assert with_ours - without == Counter([(401, "key or token not accepted", "front end")])


def test_a_service_without_a_log_shows_what_its_containers_sent(logs: LogAnalytics) -> None:
    found = failures(logs, "iris")

    assert {source for *_, source in found} == {"container"}
    assert sum(found.values()) == 2


def test_on_azure_a_timeout_is_known_by_its_answer_alone(monitor: InsightsProcess) -> None:
    azure = LogAnalytics(monitor.url, lambda: monitor.token, monitor.workspace_id, source="azure")

    found = failures(azure, "iris")
    azure.close()

    assert found == Counter([(502, "script raised", "container"), (504, "script ran out of time", "container")])


def test_every_call_arrived_once(logs: LogAnalytics) -> None:
    rows = {row["Service"]: row for row in logs.ask("request_rate", **SPAN).dicts()}
    summary = {row["Service"]: row for row in logs.ask("service_summary", start=START, end=END).dicts()}

    arrived = len(IN_BOTH) + 1 + len(REFUSED) + LOST
    failed = sum(code >= 400 for _, _, code, _, _ in IN_BOTH) + len(REFUSED)
    assert (rows["wine"]["n"], rows["wine"]["errors"], rows["wine"]["soft"]) == (arrived, failed, 1)
    assert (rows["iris"]["n"], rows["iris"]["errors"]) == (2, 2)
    assert (summary["wine"]["n"], summary["wine"]["errors"], summary["wine"]["soft"]) == (arrived, failed, 1)
    assert summary["wine"]["p99"] == 1200
    assert summary["wine"]["firstError"] == AT


def test_the_busiest_are_counted_by_what_arrived(logs: LogAnalytics) -> None:
    found = logs.ask("busiest", start=START, end=END).dicts()

    arrived = len(IN_BOTH) + 1 + len(REFUSED) + LOST
    assert [(row["Service"], row["n"]) for row in found] == [("wine", arrived), ("plum", REFUSED_ALONE), ("iris", 2)]


def test_the_log_tells_run_from_the_rest(logs: LogAnalytics) -> None:
    rows = {(row["Service"], row["Source"]): row for row in logs.ask("latency_split", **SPAN).dicts()}

    logged, sent_by_container = rows[("wine", "front end")], rows[("wine", "container")]
    assert (logged["n"], logged["model"], logged["rest"], logged["total"]) == (2, 14.0, 5.0, 19.0)
    assert sent_by_container["n"] == len(IN_BOTH) + 1
    assert (sent_by_container["model"], sent_by_container["rest"]) == (None, None)
    assert sent_by_container["total"] == pytest.approx((10 + 20 + 30 + 900 + 1200 + 5 + 7) / 7)
    assert ("iris", "front end") not in rows


def test_replicas_are_the_front_ends_count_or_those_that_answered(logs: LogAnalytics) -> None:
    rows = {row["Service"]: row for row in logs.ask("replicas", **SPAN).dicts()}

    assert rows["wine"]["Source"] == "front end"
    assert [rows["wine"][name] for name in ("replicas", "busy", "utilization", "waiting", "maxReplicas", "target")] == [
        2.0,
        1.0,
        0.5,
        2.0,
        10.0,
        0.7,
    ]
    assert rows["iris"]["Source"] == "container"
    assert (rows["iris"]["replicas"], rows["iris"]["waiting"]) == (1.0, None)
    assert rows["iris"]["busy"] == pytest.approx(24 / 3_600_000)


def test_the_heat_map_has_five_bands_to_a_factor_of_ten(logs: LogAnalytics) -> None:
    rows = logs.ask("latency_heat", services=("wine",), **SPAN).dicts()

    found = {row["FromMs"]: (row["ToMs"], row["n"]) for row in rows}
    assert sum(n for _, n in found.values()) == len(IN_BOTH) + 1
    for _, milliseconds, *_ in IN_BOTH:
        assert any(low <= milliseconds < high for low, (high, _) in found.items())
    assert found[10.0] == (15.85, 1)
    assert found[1000.0] == (1584.89, 1)


def test_a_persons_query_may_name_the_front_ends_log(logs: LogAnalytics) -> None:
    refused = logs.console("FrontEnd | where Code == 401 | count", start=START, end=END)
    scaled = logs.console("Scale | summarize max(Replicas), avg(TargetUtilization)", start=START, end=END)

    assert refused.rows == ((3 + REFUSED_ALONE,),)
    assert scaled.rows == ((2, 70.0),)
