"""One request in a real local Azure Monitor: what the front end alone knows, and which of two codes the caller saw."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from services.access import LOCAL_IDENTITIES
from services.audit import Audit
from services.azuremonitor.client import LogAnalytics
from services.errors import Invalid
from services.live import Live
from services.request_inspector import RequestInspector
from tests.local_workspace.insights_process import InsightsProcess, scoring_call
from tests.services.front_end_lines import access, write_log
from tests.services.test_failure_groups import monitor
from tests.services.test_log_snapshots import WORKSPACE, House, house

__all__ = ["house", "monitor"]

VIEWER = LOCAL_IDENTITIES["viewer"]


@pytest.fixture(params=["local", "azure"])
def inspector(request: pytest.FixtureRequest, monitor: InsightsProcess, house: House) -> Iterator[RequestInspector]:
    """On the local tables, and on raw ones as Azure keeps them."""
    logs = LogAnalytics(monitor.url, lambda: monitor.read_token, monitor.workspace_id, source=request.param)
    live = Live(house.watch)
    audit = Audit(house.ledger, workspace=WORKSPACE, key=b"k" * 32, anchor=house.anchor, clock=house.watch)
    yield RequestInspector(live, lambda: logs, house.operations, audit)
    live.close()
    logs.close()


def test_a_call_the_front_end_refused_is_found_though_no_container_saw_it(
    inspector: RequestInspector, monitor: InsightsProcess, house: House, request: pytest.FixtureRequest
) -> None:
    now, id_ = house.watch.now(), f"refused-{request.node.name}"
    line = access("wine-prod", at=now, status=503, request_id=id_, client_request_id=id_, reason="queue wait exceeded")
    write_log(monitor, [line])

    (call,) = inspector.find(VIEWER, id_, start=now - timedelta(hours=1), end=now + timedelta(minutes=1))
    found = inspector.inspect(VIEWER, call)

    assert (call.client_code, call.container_code, call.reason) == (503, None, "queue wait exceeded")
    assert (found.answer, found.raised, found.call.client_code) == (None, None, 503)


def test_the_front_ends_code_is_the_callers_and_the_answer_is_masked(
    inspector: RequestInspector, monitor: InsightsProcess, house: House, request: pytest.FixtureRequest
) -> None:
    now, id_ = house.watch.now(), f"slow-{request.node.name}"
    monitor.track(
        [scoring_call(at=now, service="wine-prod", code=200, request_id=id_, response='{"customer": "Ann Lee"}')]
    )
    write_log(monitor, [access("wine-prod", at=now, status=504, request_id=id_, reason="scoring timeout")])

    (call,) = inspector.find(VIEWER, id_, start=now - timedelta(hours=1), end=now + timedelta(minutes=1))
    found = inspector.inspect(VIEWER, call)

    assert (found.call.client_code, found.call.container_code) == (504, 200)
    assert found.answer == '{\n  "customer": "•••"\n}'


def test_no_id_is_no_question(inspector: RequestInspector, house: House) -> None:
    now = house.watch.now()

    with pytest.raises(Invalid, match="request id"):
        inspector.find(VIEWER, "  ", start=now - timedelta(hours=1), end=now)
