"""A real `python -m local_workspace` for tests: started, waited for, asked, ended by its process id."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
import warnings
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests

if TYPE_CHECKING:
    from azureml.core import Workspace

ROOT = Path(__file__).resolve().parent.parent
# Where downloads and built environments are kept between runs, whatever home a test gives the SDK.
HOME = Path.home()
ENVIRONMENTS = HOME / ".cache" / "local-workspace-test-environments"
READY_SECONDS = 60.0
STOP_SECONDS = 60.0
POLL_SECONDS = 0.05
PORTS = (10_000, 20_000)


class RunningWorkspace:
    """One workspace process on a folder of its own."""

    def __init__(self, data: Path, *, deploy_timeout: float = 15) -> None:
        self.data = data
        self.connection_file = data / "connection.json"
        self.log_file = data.parent / f"{data.name}.log"
        self._deploy_timeout = deploy_timeout
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def connection(self) -> dict[str, Any]:
        """What `connection.json` says now."""
        read: dict[str, Any] = json.loads(self.connection_file.read_text())
        return read

    @property
    def resource_id(self) -> str:
        """The workspace's ARM id."""
        known = self.connection
        group = f"/subscriptions/{known['subscription_id']}/resourceGroups/{known['resource_group']}"
        return f"{group}/providers/Microsoft.MachineLearningServices/workspaces/{known['workspace_name']}"

    def command(self) -> list[str]:
        """The command line that starts it."""
        port = [] if self.data.exists() else ["--port", str(free_port())]
        program = [sys.executable, "-m", "local_workspace", "--data", str(self.data), *port]
        return [*program, "--deploy-timeout", str(self._deploy_timeout)]

    def start(self) -> None:
        """Start it and return when it is ready."""
        environment = os.environ | {"PYTHONPATH": str(ROOT), "HOME": str(HOME)}
        environment.setdefault("LOCAL_WORKSPACE_ENVIRONMENTS", str(ENVIRONMENTS))
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(
                self.command(), cwd=self.data.parent, env=environment, stdout=log, stderr=subprocess.STDOUT
            )
        process = self.process
        wait_for(
            lambda: self.connection_file.exists() or process.poll() is not None,
            "the workspace to be ready",
            READY_SECONDS,
        )
        assert self.process.poll() is None, self.log_file.read_text()

    def stop(self, number: int = signal.SIGTERM) -> int:
        """End it by a signal to its process id; return its exit code."""
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(STOP_SECONDS)

    def call(
        self,
        method: str,
        path: str,
        *,
        token: str | None = "token",
        headers: dict[str, str] | None = None,
        **arguments: Any,
    ) -> requests.Response:
        """One raw request to the control plane, with the token of this name in `connection.json`."""
        known = self.connection
        authorization = {} if token is None else {"Authorization": f"Bearer {known.get(token, token)}"}
        return requests.request(
            method, known["url"] + path, headers=authorization | (headers or {}), timeout=60, **arguments
        )

    def mms(self, method: str, path: str, **arguments: Any) -> requests.Response:
        """One raw request to model management."""
        return self.call(method, f"/modelmanagement/v1.0{self.resource_id}{path}", **arguments)

    def admin(self, method: str, path: str, body: dict[str, Any] | None = None, **query: str) -> Any:
        """One request to the admin API: `admin("GET", "/admin/ledger", name="wine")`."""
        known = json.loads((self.data / "admin.json").read_text())
        answer = requests.request(
            method,
            known["url"] + path,
            headers={"Authorization": f"Bearer {known['token']}"},
            json=body,
            params=query,
            timeout=60,
        )
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def ledger(self, **query: str) -> list[dict[str, Any]]:
        """The accepted changes, oldest first."""
        entries: list[dict[str, Any]] = self.admin("GET", "/admin/ledger", **query)["value"]
        return entries

    def wait_for_operation(self, operation_id: str, *, seconds: float = 120) -> dict[str, Any]:
        """Poll an operation until it has ended."""
        return wait_for(lambda: self._ended(operation_id), f"operation {operation_id} to end", seconds)

    def wait_for_state(self, service: str, state: str, *, seconds: float = 120) -> dict[str, Any]:
        """Poll a service until it is in this state."""

        def in_state() -> dict[str, Any] | None:
            document: dict[str, Any] = self.mms("GET", f"/services/{service}").json()
            return document if document.get("state") == state else None

        return wait_for(in_state, f"service {service} to be {state}", seconds)

    def _ended(self, operation_id: str) -> dict[str, Any] | None:
        answer = self.mms("GET", f"/operations/{operation_id}")
        answer.raise_for_status()
        operation: dict[str, Any] = answer.json()
        return operation if operation["state"] not in ("NotStarted", "Running") else None


def wait_for(condition: Callable[[], Any], what: str, seconds: float) -> Any:
    """Ask until there is an answer that is true, or fail after so many seconds."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(POLL_SECONDS)
    raise AssertionError(f"Waited {seconds:.0f} s for {what}.")


def processes_on(folder: Path) -> list[Path]:
    """The processes, as folders of `/proc`, whose command line names this folder."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                if str(folder).encode() in (entry / "cmdline").read_bytes():
                    found.append(entry)
            except (FileNotFoundError, ProcessLookupError):
                continue
    return found


def free_port() -> int:
    """A port nobody listens on now, drawn at random below those of outgoing connections: several runs draw side by side."""
    while True:
        port = random.randrange(*PORTS)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def connect(connection: dict[str, Any]) -> Workspace:
    """The SDK's `Workspace` for a `connection.json`, through its documented base class for authentication."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the SDK's own dependencies, at import
        from azureml._vendor.azure_cli_core.cloud import Cloud, CloudEndpoints, CloudSuffixes
        from azureml.core import Workspace
        from azureml.core.authentication import AbstractAuthentication

    subscription = namedtuple("subscription", "subscription_name subscription_id")

    class LocalAuthentication(AbstractAuthentication):
        def __init__(self) -> None:
            super().__init__(cloud="AzureCloud")
            names = ("management", "resource_manager", "active_directory", "active_directory_resource_id")
            names += ("active_directory_graph_resource_id", "microsoft_graph_resource_id", "gallery", "portal")
            endpoints = CloudEndpoints(**dict.fromkeys(names, connection["url"]))
            suffixes = CloudSuffixes(
                storage_endpoint="local", keyvault_dns=".vault.local", acr_login_server_endpoint=".azurecr.local"
            )
            self._cloud_type = Cloud("AzureLocal", endpoints=endpoints, suffixes=suffixes)

        def _get_arm_token(self) -> str:
            return connection["token"]

        def _get_graph_token(self) -> str:
            return connection["token"]

        def _get_azureml_client_token(self) -> str:
            return connection["token"]

        def _get_all_subscription_ids(self) -> tuple[list[Any], str]:
            return [subscription("local", connection["subscription_id"])], connection["tenant_id"]

        def _get_workspace(self, subscription_id: str, resource_group: str, name: str) -> None:
            return None

    return Workspace(
        connection["subscription_id"],
        connection["resource_group"],
        connection["workspace_name"],
        auth=LocalAuthentication(),
    )
