"""The program: one per folder, the same after a restart, nothing left behind by any end."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests

from tests.local_workspace.conftest import aci
from tests.running_workspace import ROOT, RunningWorkspace, connect, wait_for

if TYPE_CHECKING:
    from azureml.core import Environment


@pytest.fixture
def own_workspace(tmp_path: Path) -> Iterator[RunningWorkspace]:
    """A workspace of this test's own, which it may stop and kill."""
    workspace = RunningWorkspace(tmp_path / "data")
    workspace.start()
    yield workspace
    if workspace.process is not None and workspace.process.poll() is None:
        workspace.stop()


def processes_of(workspace: RunningWorkspace) -> set[int]:
    """Every process that has the workspace's folder, or a replica of it, in its command line or environment."""
    mark = os.fsencode(str(workspace.data))
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            text = (folder / "cmdline").read_bytes() + (folder / "environ").read_bytes()
            state = (folder / "stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
        if mark in text and state != "Z":
            found.add(int(folder.name))
    return found


def started(data: Path, *more: str) -> subprocess.CompletedProcess[str]:
    """A start that is refused, and what it said."""
    command = [*RunningWorkspace(data).command()[:5], *more]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


def test_a_second_start_on_one_folder_says_so_and_ends(own_workspace: RunningWorkspace) -> None:
    second = subprocess.run(own_workspace.command(), cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)

    assert second.returncode == 1
    assert second.stderr.strip().splitlines()[-1].startswith("A local workspace runs on")
    assert "Traceback" not in second.stderr
    assert own_workspace.mms("GET", "/models").status_code == 200


def test_a_taken_port_is_said_in_one_sentence(tmp_path: Path, local_workspace: RunningWorkspace) -> None:
    port = local_workspace.connection["url"].rpartition(":")[2]
    other = RunningWorkspace(tmp_path / "data")

    tried = subprocess.run(
        [*other.command()[:5], "--port", port], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )

    assert tried.returncode == 1
    assert tried.stderr.strip().splitlines()[-1].startswith(f"Port {port} of this workspace is taken")
    assert wait_for(lambda: not processes_of(other), "everything to end", 10)


def test_a_port_that_could_not_be_had_is_not_kept(
    own_workspace: RunningWorkspace, local_workspace: RunningWorkspace
) -> None:
    before = own_workspace.connection["url"]
    own_workspace.stop()
    taken = local_workspace.connection["url"].rpartition(":")[2]

    refused = [started(own_workspace.data, "--port", port) for port in (taken, "65536", "-1")]
    own_workspace.start()

    assert [tried.returncode for tried in refused] == [1, 2, 2]
    assert "is no port" in refused[1].stderr
    assert own_workspace.connection["url"] == before


@pytest.mark.parametrize("time", ["0", "-1", "nan", "inf"])
def test_a_deployment_waits_for_a_time_that_ends(tmp_path: Path, time: str) -> None:
    tried = started(tmp_path / "data", "--deploy-timeout", time)

    assert (tried.returncode, "is no time to wait" in tried.stderr) == (2, True)


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("identity.json", b"{"),
        ("identity.json", b"[]"),
        ("identity.json", b'{"port": 1}'),
        ("state.sqlite3", b"not a database" * 100),
        ("seal.key", b"no key"),
    ],
)
def test_a_damaged_file_is_said_in_one_sentence(tmp_path: Path, file: str, content: bytes) -> None:
    workspace = RunningWorkspace(tmp_path / "data")
    workspace.data.mkdir()
    (workspace.data / file).write_bytes(content)

    tried = started(workspace.data)

    assert tried.returncode == 1
    assert "Traceback" not in tried.stderr
    assert tried.stderr.strip().splitlines()[-1].startswith(f"{workspace.data / file} cannot be read")
    assert (workspace.data / file).read_bytes() == content
    assert wait_for(lambda: not processes_of(workspace), "everything to end", 10)


def test_a_folder_that_cannot_be_one_is_said_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("here")

    for folder in (tmp_path / "file", tmp_path / "file" / "below", Path("/proc/nobody/there")):
        tried = started(folder)
        assert (tried.returncode, "Traceback" in tried.stderr) == (1, False)
        assert tried.stderr.strip().splitlines()[-1].startswith(f"Nothing can be kept in {folder}")


@pytest.mark.parametrize("which", ["insights_port", "front_end_port", "blob_port"])
def test_a_port_taken_since_the_last_run_is_said_too(own_workspace: RunningWorkspace, which: str) -> None:
    port = json.loads((own_workspace.data / "identity.json").read_text())[which]
    own_workspace.stop()

    with socket.create_server(("127.0.0.1", port)):
        tried = subprocess.run(
            own_workspace.command(), cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
        )

    assert tried.returncode == 1
    assert tried.stderr.strip().splitlines()[-1].startswith(f"Port {port} of this workspace is taken")
    assert not processes_of(own_workspace)


def test_a_restart_brings_back_everything(own_workspace: RunningWorkspace) -> None:
    before = own_workspace.connection
    base = own_workspace.resource_id
    assert (
        own_workspace.call("PUT", f"{base}/computes/kept", json={"properties": {"computeType": "AKS"}}).status_code
        == 201
    )
    own_workspace.call("PUT", f"/environment/v1.0{base}/environments/kept", json={"Name": "kept"}).raise_for_status()
    asset = own_workspace.mms("POST", "/assets", json={"name": "a", "artifacts": [{"id": "LocalUpload/c/f"}]}).json()
    model = {"name": "kept", "url": f"aml://asset/{asset['id']}"}
    own_workspace.mms("POST", "/models", json=model).raise_for_status()
    created = own_workspace.mms("POST", "/services", json=aci("kept"))
    operation = own_workspace.wait_for_operation(created.headers["Operation-Location"].rpartition("/")[2])
    keys = own_workspace.mms("POST", "/services/kept/listkeys").json()
    ledger = own_workspace.ledger()
    began = own_workspace.admin(
        "POST", "/admin/faults", {"kind": "control-plane-slow", "path": "nothing", "seconds": 600}
    )

    assert own_workspace.stop() == 0
    assert not own_workspace.connection_file.exists()
    assert not processes_of(own_workspace)
    own_workspace.start()

    assert own_workspace.connection == before
    assert own_workspace.mms("GET", "/models/kept:1").json()["url"] == model["url"]
    assert own_workspace.mms("POST", "/models", json=model).json()["version"] == 2
    assert own_workspace.call("GET", f"{base}/computes/kept").status_code == 200
    assert own_workspace.call("GET", f"/environment/v1.0{base}/environments/kept").json()["version"] == "1"
    assert own_workspace.mms("GET", f"/operations/{operation['id']}").json() == operation
    assert own_workspace.mms("GET", "/services/kept").json()["state"] == "Failed"
    assert own_workspace.mms("POST", "/services/kept/listkeys").json() == keys
    assert own_workspace.ledger()[: len(ledger)] == ledger
    assert own_workspace.admin("GET", "/admin/faults")["value"] == [began]


def test_an_interrupt_stops_it_as_well(own_workspace: RunningWorkspace) -> None:
    assert own_workspace.stop(signal.SIGINT) == 0
    assert not processes_of(own_workspace)


def test_telemetry_is_started_again_when_it_dies(own_workspace: RunningWorkspace) -> None:
    known = own_workspace.connection
    assert own_workspace.process is not None
    mark = os.fsencode(f"--config={own_workspace.data}/insights.json")
    child = next(pid for pid in processes_of(own_workspace) if mark in Path(f"/proc/{pid}/cmdline").read_bytes())

    os.kill(child, signal.SIGKILL)

    def answers() -> bool:
        try:
            return requests.get(f"{known['logs_url']}/health", timeout=5).status_code == 200
        except requests.ConnectionError:
            return False

    wait_for(lambda: not Path(f"/proc/{child}").exists(), "telemetry to end", 10)
    wait_for(answers, "telemetry to answer again", 30)


@pytest.mark.slow
def test_services_run_again_after_a_restart_and_nothing_is_left_by_a_kill(
    own_workspace: RunningWorkspace,
    environment: Environment,
    echo: Path,
    below_root: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from azureml.core import Model
    from azureml.core.model import InferenceConfig
    from azureml.core.webservice import AksWebservice

    cluster = {"computeType": "AKS", "properties": {"clusterPurpose": "DevTest", "agentCount": 1}}
    own_workspace.call("PUT", f"{own_workspace.resource_id}/computes/kept", json={"properties": cluster})
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", own_workspace.connection["ca_bundle"])
    sdk = connect(own_workspace.connection)
    (tmp_path / "model.txt").write_text("weights")
    service = Model.deploy(
        sdk,
        "kept",
        [Model.register(sdk, str(tmp_path / "model.txt"), "kept")],
        InferenceConfig(entry_script="score.py", source_directory=str(echo), environment=environment),
        AksWebservice.deploy_configuration(autoscale_enabled=False, num_replicas=1, compute_target_name="kept"),
    )
    operation_id = service._operation_endpoint.rpartition("/")[2]
    # Stopped, then killed in the middle: the operation goes on after each restart, under the same id.
    own_workspace.stop()
    own_workspace.start()
    own_workspace.stop(signal.SIGKILL)
    wait_for(lambda: not processes_of(own_workspace), "everything to end with the workspace", 10)
    own_workspace.connection_file.unlink(missing_ok=True)
    own_workspace.start()
    assert own_workspace.wait_for_operation(operation_id)["state"] == "Succeeded"
    # It may have succeeded before the kill: then the service is only being started again.
    own_workspace.wait_for_state("kept", "Healthy")
    key = own_workspace.mms("POST", "/services/kept/listkeys").json()["primaryKey"]
    uri = own_workspace.mms("GET", "/services/kept").json()["scoringUri"]

    def score() -> Any:
        return requests.post(uri, json="hi", headers={"Authorization": f"Bearer {key}"}, timeout=30)

    assert score().json() == {"data": "hi", "models": ["model.txt"]}
    assert len(processes_of(own_workspace)) > 3

    # Killed while it serves: no replica outlives it, and the service runs again afterwards, with its key.
    own_workspace.stop(signal.SIGKILL)
    wait_for(lambda: not processes_of(own_workspace), "everything to end with the workspace", 10)
    own_workspace.connection_file.unlink(missing_ok=True)
    own_workspace.start()
    own_workspace.wait_for_state("kept", "Healthy")
    assert own_workspace.mms("GET", "/services/kept").json()["scoringUri"] == uri
    assert score().status_code == 200

    # An update fails: the version before goes on serving, also after the next restart.
    broken = {"op": "replace", "path": "/environmentImageRequest", "value": aci("x")["environmentImageRequest"]}
    patched = own_workspace.mms("PATCH", "/services/kept", json=[broken])
    failed = own_workspace.wait_for_operation(patched.headers["Operation-Location"].rpartition("/")[2])
    assert (patched.status_code, failed["state"], score().status_code) == (202, "Failed", 200)
    own_workspace.stop()
    own_workspace.start()
    wait_for(lambda: score().status_code == 200, "the version before to serve again", 60)
    assert own_workspace.mms("GET", "/services/kept").json()["state"] == "Failed"
    assert [row["kind"] for row in own_workspace.ledger(name="kept", resource="service")] == ["create", "update"]
