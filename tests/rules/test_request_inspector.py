"""One call from two sources: the container's telemetry and the front end's log, joined by the request's id."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from services.request_inspector import joined

AT = datetime(2026, 11, 21, 14, tzinfo=UTC)


def row(request_id: str, *, code: int = 500, **more: Any) -> dict[str, Any]:
    """A row of the container's telemetry."""
    return {
        "TimeGenerated": AT,
        "Service": "wine-prod",
        "RequestId": request_id,
        "ClientRequestId": "shop_p_1",
        "Replica": "wine-prod-0",
        "ContainerCode": code,
        "DurationMs": 12.0,
        "IsSoftFailure": False,
        "IsOurs": False,
        **more,
    }


def line(request_id: str, *, code: int, **more: Any) -> dict[str, Any]:
    """A line of the front end's log."""
    return {
        "TimeGenerated": AT + timedelta(seconds=1),
        "Service": "wine-prod",
        "RequestId": request_id,
        "ClientRequestId": "shop_p_1",
        "Replica": "",
        "Code": code,
        "DurationMs": 13.0,
        "RunMs": None,
        "Reason": "",
        "IsOurs": False,
        **more,
    }


def test_a_call_in_both_sources_is_one_with_the_code_the_caller_saw() -> None:
    (call,) = joined([row("a")], [line("a", code=504, RunMs=9.5)])

    assert (call.container_code, call.client_code, call.run_ms, call.in_front_end_log) == (500, 504, 9.5, True)
    assert call.at == AT


def test_what_the_front_end_refused_never_reached_a_container() -> None:
    (call,) = joined([], [line("b", code=503, Reason="queue wait exceeded")])

    assert (call.container_code, call.client_code, call.reason) == (None, 503, "queue wait exceeded")


def test_a_client_request_id_used_twice_gives_both_calls_newest_first() -> None:
    calls = joined([row("a"), row("b", TimeGenerated=AT + timedelta(minutes=1))], [])

    assert [call.request_id for call in calls] == ["b", "a"]
    assert all(call.client_code is None and not call.in_front_end_log for call in calls)
