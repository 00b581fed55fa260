"""Failures in a real local Azure Monitor: one group for one cause, first seen in a deployment, whoever has it stays."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from services.access import LOCAL_IDENTITIES
from services.audit import Audit
from services.azuremonitor.client import LogAnalytics
from services.errors import Invalid, Unavailable
from services.failure_groups import FailureGroups
from tests.local_workspace.insights_process import InsightsProcess, recorded, scoring_call
from tests.services.test_log_snapshots import WORKSPACE, House, house

__all__ = ["house"]

OPERATOR = LOCAL_IDENTITIES["operator"]


@pytest.fixture(scope="module")
def monitor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InsightsProcess]:
    """An empty local Azure Monitor."""
    process = InsightsProcess(tmp_path_factory.mktemp("monitor"))
    yield process
    process.stop()


def groups_over(logs: LogAnalytics, house: House) -> FailureGroups:
    """The worker's failure groups."""
    audit = Audit(house.ledger, workspace=WORKSPACE, key=b"k" * 32, anchor=house.anchor, clock=house.watch)
    return FailureGroups(
        house.ledger,
        house.mirror,
        lambda: logs,
        house.operations,
        audit,
        note=house.inventory.note,
        workspace=WORKSPACE,
        clock=house.watch,
    )


@pytest.fixture(params=["local", "azure"])
def failures(request: pytest.FixtureRequest, monitor: InsightsProcess, house: House) -> Iterator[FailureGroups]:
    """On the local tables, and on raw ones as Azure keeps them."""
    logs = LogAnalytics(monitor.url, lambda: monitor.read_token, monitor.workspace_id, source=request.param)
    yield groups_over(logs, house)
    logs.close()


@pytest.fixture
def word() -> str:
    """A word no other test's error has."""
    return "".join(secrets.choice("abcdefghij") for _ in range(12))


def raise_in(monitor: InsightsProcess, service: str, said: str, *, at: datetime, number: int = 1) -> None:
    """A service's run() raises: the exception as the server sends it, and the failed call it belongs to."""
    template = next(item for item in recorded("opentelemetry") if item["data"]["baseType"] == "ExceptionData")
    items: list[dict[str, Any]] = []
    for count in range(number):
        request_id = f"{service}-{at.timestamp():.0f}-{count}"
        stack = template["data"]["baseData"]["exceptions"][0]["stack"].replace(
            "Error: feature 7 is missing", f"Error: {said}"
        )
        exception = {**template["data"]["baseData"]["exceptions"][0], "stack": stack}
        properties = {"custom_dimensions": str({"Request Id": request_id})}
        data = {**template["data"]["baseData"], "exceptions": [exception], "properties": properties}
        items.append(
            {
                **template,
                "time": at.isoformat(),
                # An older server's role is its process's name: the service is that of the call.
                "tags": {**template["tags"], "ai.cloud.role": "azmlinfsrv"},
                "data": {"baseType": "ExceptionData", "baseData": data},
            }
        )
        items.append(scoring_call(at=at, service=service, code=500, request_id=request_id))
    assert monitor.track(items)["errors"] == []


def test_one_cause_is_one_group_over_values_and_services(
    failures: FailureGroups, monitor: InsightsProcess, house: House, word: str
) -> None:
    now = house.watch.now()
    raise_in(monitor, "wine-dev", f"{word} 'Ann'", at=now - timedelta(minutes=20), number=3)
    raise_in(monitor, "iris-dev", f"{word} 'Bob'", at=now - timedelta(minutes=10), number=2)

    found = failures.of(since=now - timedelta(hours=1), until=now)

    group = next(one for one in found if word in one.message)
    assert (group.count, group.type, group.place) == (5, "ValueError", "run (score.py:10)")
    assert group.services == ("wine-dev", "iris-dev")
    assert (group.first_seen, group.last_seen) == (now - timedelta(minutes=20), now - timedelta(minutes=10))
    assert group.sample_request.startswith("iris-dev-")
    assert sum(group.trend) == 5
    assert "Ann" not in repr(group)
    assert "Bob" not in repr(group)
    assert group in failures.of("iris-dev", since=now - timedelta(hours=1), until=now)
    assert group not in failures.of("another", since=now - timedelta(hours=1), until=now)


def test_a_group_remembers_its_deployment_and_its_owner_after_telemetry_has_forgotten(
    failures: FailureGroups, monitor: InsightsProcess, house: House, word: str
) -> None:
    failures.refresh()
    deployment = house.operation("service.deploy", "wine-dev", ended=True)
    house.operation("keys.regenerate", "wine-dev", ended=True)
    house.watch.time += timedelta(minutes=2)
    raise_in(monitor, "wine-dev", word, at=house.watch.now() - timedelta(seconds=30))
    house.watch.time += timedelta(minutes=1)
    failures.refresh()
    house.operation("service.deploy", "wine-dev", ended=True)
    failures.refresh()

    now = house.watch.now()
    group = next(one for one in failures.of(since=now - timedelta(hours=1), until=now) if one.message == word)
    assert group.first_operation == deployment.id
    failures.assign(OPERATOR, group, "Ann")
    failures.mute(OPERATOR, group, now + timedelta(days=1))

    house.watch.time += timedelta(days=3)
    known = failures.find(group.id, since=house.watch.now() - timedelta(hours=1))
    assert known is not None
    assert (known.count, known.assigned_to, known.first_operation) == (0, "Ann", deployment.id)
    assert not known.is_muted(house.watch.now())


def test_a_group_is_muted_for_a_month_at_most(failures: FailureGroups, monitor: InsightsProcess, house: House) -> None:
    now = house.watch.now()
    raise_in(monitor, "wine-dev", "muted for long", at=now - timedelta(minutes=1))
    group = failures.of(since=now - timedelta(hours=1), until=now)[0]

    with pytest.raises(Invalid, match="30 days"):
        failures.mute(OPERATOR, group, now + timedelta(days=31))


def test_what_happened_while_the_telemetry_was_silent_is_noted_later(
    failures: FailureGroups, monitor: InsightsProcess, house: House, word: str
) -> None:
    failures.refresh()
    raise_in(monitor, "wine-dev", word, at=house.watch.now() + timedelta(seconds=10))
    house.watch.time += timedelta(hours=2)
    nobody = LogAnalytics("http://127.0.0.1:9", lambda: "token", monitor.workspace_id, source="local")
    with pytest.raises(Unavailable):
        groups_over(nobody, house).refresh()
    now = house.watch.now()
    group = next(one for one in failures.of(since=now - timedelta(hours=3), until=now) if one.message == word)
    assert failures.find(group.id, since=now - timedelta(minutes=1), until=now) is None

    failures.refresh()

    known = failures.find(group.id, since=now - timedelta(minutes=1), until=now)
    assert known is not None
    assert known.first_seen == group.first_seen
