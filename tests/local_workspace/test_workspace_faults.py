"""Faults on purpose: begun by the admin API or the command, felt by the SDK, ended by hand, time and count."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
import requests

from tests.local_workspace.conftest import aci
from tests.running_workspace import ROOT, RunningWorkspace, wait_for

if TYPE_CHECKING:
    from azureml.core import Model

MINUTE = 60


@pytest.fixture
def fault(local_workspace: RunningWorkspace) -> Iterator[Callable[..., dict[str, Any]]]:
    """Begin a fault; the test's faults end with it."""

    def begin(kind: str, **settings: Any) -> dict[str, Any]:
        begun: dict[str, Any] = local_workspace.admin("POST", "/admin/faults", {"kind": kind, **settings})
        return begun

    yield begin
    for one in local_workspace.admin("GET", "/admin/faults")["value"]:
        local_workspace.admin("DELETE", f"/admin/faults/{one['id']}")


def test_the_admin_api_has_a_token_of_its_own(local_workspace: RunningWorkspace) -> None:
    url = json.loads((local_workspace.data / "admin.json").read_text())["url"]

    for headers in ({}, {"Authorization": f"Bearer {local_workspace.connection['token']}"}):
        assert requests.get(f"{url}/admin/ledger", headers=headers, timeout=10).status_code == 401
    assert local_workspace.mms("GET", "/admin/ledger").status_code == 404


def test_a_fault_of_requests_ends_after_its_count(
    local_workspace: RunningWorkspace, fault: Callable[..., dict[str, Any]]
) -> None:
    fault("control-plane-500", method="GET", path="/models$", count=2)

    codes = [local_workspace.mms("GET", "/models").status_code for _ in range(3)]

    assert codes == [500, 500, 200]
    assert local_workspace.admin("GET", "/admin/faults")["value"] == []


def test_a_fault_touches_the_requests_it_names_only(
    local_workspace: RunningWorkspace, fault: Callable[..., dict[str, Any]]
) -> None:
    begun = fault("control-plane-429", method="POST", path="/models$")

    assert local_workspace.mms("GET", "/models").status_code == 200
    limited = local_workspace.mms("POST", "/models", json={})
    assert (limited.status_code, limited.headers["Retry-After"]) == (429, "1")
    local_workspace.admin("DELETE", f"/admin/faults/{begun['id']}")
    assert local_workspace.mms("POST", "/models", json={}).status_code == 400


def test_a_fault_ends_by_itself(local_workspace: RunningWorkspace, fault: Callable[..., dict[str, Any]]) -> None:
    fault("control-plane-429", seconds=0.5)

    assert local_workspace.mms("GET", "/models").status_code == 429
    wait_for(lambda: local_workspace.mms("GET", "/models").status_code == 200, "the fault to end", 10)


def test_the_control_plane_can_be_slow(local_workspace: RunningWorkspace, fault: Callable[..., dict[str, Any]]) -> None:
    fault("control-plane-slow", milliseconds=400, count=1)

    began = time.monotonic()
    assert local_workspace.mms("GET", "/models").status_code == 200
    assert time.monotonic() - began >= 0.4


def test_the_control_plane_can_refuse_and_the_admin_api_ends_it(
    local_workspace: RunningWorkspace, fault: Callable[..., dict[str, Any]]
) -> None:
    begun = fault("control-plane-refused")

    with pytest.raises(requests.ConnectionError, match="refused"):
        local_workspace.mms("GET", "/models")
    local_workspace.admin("DELETE", f"/admin/faults/{begun['id']}")
    assert local_workspace.mms("GET", "/models").status_code == 200


def test_an_answer_is_lost_after_the_work_was_done(
    local_workspace: RunningWorkspace, fault: Callable[..., dict[str, Any]], unique: Callable[[str], str]
) -> None:
    name = unique("lost")
    fault("answer-lost", method="POST", path="/services$")

    with pytest.raises(requests.ConnectionError):
        local_workspace.mms("POST", "/services", json=aci(name))

    again = local_workspace.mms("POST", "/services", json=aci(name))
    assert again.status_code == 409
    assert len(local_workspace.ledger(name=name, kind="create")) == 1


def test_the_sdk_registers_one_version_too_many_when_an_answer_is_lost(
    local_workspace: RunningWorkspace,
    fault: Callable[..., dict[str, Any]],
    register: Callable[..., Model],
    unique: Callable[[str], str],
) -> None:
    name = unique("lost-model")
    fault("answer-lost", method="POST", path="/models$")

    register(name)

    # Why the desk registers by itself, after a look: the SDK repeats what was done already.
    assert [row["version"] for row in local_workspace.ledger(resource="model", name=name)] == ["1", "2"]


def test_a_lost_regeneration_happened_once(
    local_workspace: RunningWorkspace, fault: Callable[..., dict[str, Any]], broken_service: Callable[..., str]
) -> None:
    name = broken_service()
    before = local_workspace.mms("POST", f"/services/{name}/listkeys").json()
    fault("answer-lost", path="/regenerateKeys$")

    with pytest.raises(requests.ConnectionError):
        local_workspace.mms("POST", f"/services/{name}/regenerateKeys", json={"keyType": "Secondary"})

    after = local_workspace.mms("POST", f"/services/{name}/listkeys").json()
    assert after["primaryKey"] == before["primaryKey"]
    assert after["secondaryKey"] != before["secondaryKey"]
    assert len(local_workspace.ledger(name=name, kind="regenerate")) == 1


def test_a_fault_that_cannot_be_is_refused(local_workspace: RunningWorkspace) -> None:
    admin = json.loads((local_workspace.data / "admin.json").read_text())
    for body in (
        {"kind": "earthquake"},
        {"kind": "slow"},
        {"kind": "answer-lost", "path": "("},
        {"kind": "answer-lost", "count": 0},
        {"kind": "slow", "service": "x", "rate": 2},
        {"kind": "control-plane-500", "seconds": "long"},
        {"kind": "control-plane-500", "seconds": 0},
        {"kind": "control-plane-500", "method": 1},
        {"kind": "control-plane-500", "path": ["models"]},
        {"kind": "control-plane-slow", "milliseconds": "1e9"},
        {"kind": "slow", "service": {"name": "x"}},
        {"kind": "slow", "service": "../outside"},
        [],
    ):
        answer = requests.post(
            f"{admin['url']}/admin/faults", headers={"Authorization": f"Bearer {admin['token']}"}, json=body, timeout=10
        )
        assert answer.status_code == 400, body
        assert answer.json()["error"]["message"].endswith(".")


def test_the_command_begins_lists_and_ends(local_workspace: RunningWorkspace) -> None:
    def command(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "local_workspace", "fault", *arguments, "--data", str(local_workspace.data)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=MINUTE,
            check=False,
        )

    begun = command("control-plane-429", "--path", "/never$", "--seconds", "60")
    listed = command("list")
    fault_id = begun.stdout.split()[0]
    assert begun.returncode == listed.returncode == 0
    assert fault_id in listed.stdout
    assert "path=/never$" in listed.stdout
    assert command("end", fault_id).returncode == 0
    assert fault_id not in command("list").stdout
    again = command("end", fault_id)
    assert again.returncode == 1
    assert again.stderr.strip() == f"No fault {fault_id} holds now."
    assert command("slow").returncode == 1


def test_telemetry_is_lost_and_kept_again(
    local_workspace: RunningWorkspace, fault: Callable[..., dict[str, Any]], unique: Callable[[str], str]
) -> None:
    known = local_workspace.connection
    component = local_workspace.call("GET", local_workspace.resource_id).json()["properties"]["applicationInsights"]
    key = local_workspace.call("GET", component).json()["properties"]["InstrumentationKey"]
    message = unique("telemetry")

    def send(text: str) -> None:
        item = {
            "name": "Microsoft.ApplicationInsights.Message",
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "iKey": key,
            "data": {"baseType": "MessageData", "baseData": {"ver": 2, "message": text, "properties": {}}},
        }
        sent = requests.post(f"{known['logs_url']}/v2.1/track", json=[item], timeout=10)
        assert sent.json()["itemsAccepted"] == 1, sent.text

    def arrived() -> list[str]:
        answer = requests.post(
            f"{known['logs_url']}/v1/workspaces/{known['logs_workspace_id']}/query",
            headers={"Authorization": f"Bearer {known['read_token']}"},
            json={"query": f"AppTraces | where Message startswith '{message}' | project Message"},
            timeout=30,
        )
        return [row[0] for row in answer.json()["tables"][0]["rows"]]

    begun = fault("lost-telemetry")
    send(f"{message} lost")
    local_workspace.admin("DELETE", f"/admin/faults/{begun['id']}")
    send(f"{message} kept")

    wait_for(arrived, "telemetry to arrive", 10)
    assert arrived() == [f"{message} kept"]


@pytest.mark.slow
def test_a_service_misbehaves_and_is_well_again(
    local_workspace: RunningWorkspace,
    fault: Callable[..., dict[str, Any]],
    deploy: Callable[..., Any],
    register: Callable[..., Model],
) -> None:
    service = deploy("misbehaving", [register("misbehaving")])
    key = service.get_keys()[0]

    def score() -> requests.Response:
        headers = {"Authorization": f"Bearer {key}"}
        return requests.post(service.scoring_uri, json="hi", headers=headers, timeout=30)

    assert score().status_code == 200
    begun = fault("error500", service="misbehaving")
    assert (score().status_code, score().headers.get("x-ms-run-function-failed")) == (502, "True")
    local_workspace.admin("DELETE", f"/admin/faults/{begun['id']}")
    assert score().status_code == 200

    fault("error500", service="misbehaving")
    fault("slow", service="misbehaving", milliseconds=500, seconds=2)
    began = time.monotonic()
    assert score().status_code == 200
    assert time.monotonic() - began >= 0.5
    assert [one["kind"] for one in local_workspace.admin("GET", "/admin/faults")["value"]] == ["slow"]
    wait_for(lambda: local_workspace.admin("GET", "/admin/faults")["value"] == [], "the fault to end", 10)
    service.delete()
