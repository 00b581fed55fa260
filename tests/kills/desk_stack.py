"""The desk without its screens: a real local workspace and a real worker as processes, the services in this process."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import signal
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from services import bootstrap
from services.access import LOCAL_IDENTITIES
from services.azureml.fields import form_defaults
from services.files import CODE_LIMIT, MODEL_LIMIT
from services.operations.records import Operation
from services.planning.environments import from_requirements
from services.planning.wanted import CodeRef, EnvironmentRef, Wanted
from services.settings import Settings
from services.storage.upgrade import upgrade
from tests.running_workspace import ENVIRONMENTS, ROOT, RunningWorkspace, wait_for

OPERATOR = LOCAL_IDENTITIES["operator"]
ADMIN = LOCAL_IDENTITIES["admin"]
VIEWER = LOCAL_IDENTITIES["viewer"]

SCORE = """
import json
import os

def init():
    pass

def run(data):
    return {"environment": dict(os.environ)} if "environment" in data else json.loads(data)
"""
PRINCIPAL_SECRET = 'pr1nc1pal~s/ec+ret="of&our%own'
"""Lies in the `.env` that worker and desk read."""
WORKER_READY_SECONDS = 90.0
OPERATION_SECONDS = 120.0


class DeskStack:
    """Workspace, worker and desk on folders of their own."""

    def __init__(self, folder: Path, *, deploy_timeout: float = 30, **settings: Any) -> None:
        self.folder = folder
        self.workspace = RunningWorkspace(folder / "workspace", deploy_timeout=deploy_timeout)
        places = {
            "desk_data": folder / "data",
            "desk_keys": folder / "keys",
            "desk_anchor": folder / "anchor" / "anchor",
            "workspace_connection": self.workspace.connection_file,
        }
        self._settings = {name: str(value) for name, value in (places | settings).items()}
        (folder / ".env").write_text(f"AZURE_CLIENT_SECRET='{PRINCIPAL_SECRET}'\n")
        self.settings = Settings(_env_file=folder / ".env", **self._settings)  # type: ignore[arg-type,call-arg]
        self.worker_log = folder / "worker.log"
        self.worker = 0
        """Process id of the worker, 0 before the first."""
        self._nursery: subprocess.Popen[str] | None = None
        self._desk: bootstrap.Desk | None = None

    # Parts

    def start(self) -> None:
        """Workspace, databases, worker, desk; ready when it returns."""
        self.workspace.start()
        upgrade(self.settings)
        self.start_worker()

    def stop(self) -> None:
        """End everything that was started here."""
        if self._desk is not None:
            self._desk.close()
        if is_running(self.worker):
            self.signal_worker(signal.SIGCONT)
            self.end_worker()
        if self._nursery is not None:
            self._nursery.kill()
            self._nursery.communicate(timeout=30)
        if self.workspace.process is not None and self.workspace.process.poll() is None:
            self.workspace.process.send_signal(signal.SIGCONT)
            self.workspace.stop()

    @property
    def desk(self) -> bootstrap.Desk:
        """The services as the screens use them."""
        if self._desk is None:
            self._desk = bootstrap.desk(self.settings)
        return self._desk

    def environment(self) -> dict[str, str]:
        """What the worker's process gets to see."""
        ours = ("DESK_", "WORKER_", "AZURE_", "WORKSPACE_")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        own = {name.upper(): value for name, value in self._settings.items()}
        home = self.folder / "home"
        home.mkdir(exist_ok=True)
        # What is rehearsed finds the environments that were built for tests before.
        kept.setdefault("LOCAL_WORKSPACE_ENVIRONMENTS", str(ENVIRONMENTS))
        return kept | own | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", "HOME": str(home)}

    def launch_worker(self, **environment: str) -> subprocess.Popen[bytes]:
        """Start a worker of one's own as `make run` does, and come back at once."""
        with self.worker_log.open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "services.worker"],
                cwd=self.folder,
                env=self.environment() | environment,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def start_worker(self, moments: Mapping[str, str] | None = None) -> None:
        """Start the worker; with `moments` it will kill itself (see the nursery), else return when it is ready."""
        nursery = self._open_nursery()
        assert nursery.stdin is not None
        assert nursery.stdout is not None
        before = self.worker_output().count("is ready.")
        nursery.stdin.write(json.dumps({"moments": dict(moments or {})}) + "\n")
        nursery.stdin.flush()
        self.worker = int(nursery.stdout.readline().split()[1])
        if moments:
            return

        def is_ready() -> bool:
            return not is_running(self.worker) or self.worker_output().count("is ready.") > before

        wait_for(is_ready, "the worker to be ready", WORKER_READY_SECONDS)
        assert is_running(self.worker), self.worker_output()[-3000:]

    def signal_worker(self, number: int) -> None:
        """Send the worker a signal."""
        os.kill(self.worker, number)

    def kill_worker(self) -> None:
        """`kill -9`."""
        self.signal_worker(signal.SIGKILL)
        self.wait_for_worker_to_end()

    def end_worker(self) -> None:
        """SIGTERM."""
        self.signal_worker(signal.SIGTERM)
        self.wait_for_worker_to_end()

    def wait_for_worker_to_end(self, *, seconds: float = 60) -> None:
        """Wait until the worker's process is gone with all its threads, and with them its lock."""
        gone = Path(f"/proc/{self.worker}")
        try:
            wait_for(lambda: not gone.exists(), "the worker to end", seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.worker_output()[-3000:]}") from None

    def worker_output(self) -> str:
        """Everything the workers of this stack printed."""
        return self.worker_log.read_text() if self.worker_log.exists() else ""

    def _open_nursery(self) -> subprocess.Popen[str]:
        if self._nursery is None:
            with self.worker_log.open("ab") as log:
                self._nursery = subprocess.Popen(
                    [sys.executable, "-m", "tests.kills.nursery"],
                    cwd=self.folder,
                    env=self.environment(),
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    text=True,
                )
            assert self._nursery.stdout is not None
            assert self._nursery.stdout.readline() == "pid 0\n", self.worker_output()
        return self._nursery

    # Asking

    def wait(self, operation_id: str, *, state: str = "succeeded", seconds: float = OPERATION_SECONDS) -> Operation:
        """Wait until an operation has ended, in this state."""

        def ended() -> Operation | None:
            found = self.desk.operations.get(operation_id)
            return None if found.is_open else found

        try:
            found: Operation = wait_for(ended, f"operation {operation_id} to end", seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.story(operation_id)}") from None
        assert found.state == state, self.story(operation_id)
        return found

    def wait_for_end(self, operation_id: str, *, seconds: float = OPERATION_SECONDS) -> Operation:
        """Wait until an operation has ended, well or not."""
        wait_for(lambda: not self.desk.operations.get(operation_id).is_open, f"{operation_id} to end", seconds)
        return self.desk.operations.get(operation_id)

    def wait_for_step(self, operation_id: str, step: str, state: str = "running", *, seconds: float = 60) -> None:
        """Wait until a step of an operation is in this state."""

        def reached() -> bool:
            return any(
                found.name == step and found.state == state for found in self.desk.operations.get(operation_id).steps
            )

        wait_for(reached, f"step {step} of {operation_id} to be {state}", seconds)

    def story(self, operation_id: str) -> str:
        """An operation in lines, for a failure's message."""
        found = self.desk.operations.get(operation_id)
        steps = [f"  {step.name}: {step.state} ({step.attempts}) {step.detail or ''}" for step in found.steps]
        lines = [f"  {line.source}: {line.text}" for line in self.desk.operations.lines(operation_id)[-15:]]
        head = f"“{found.title}” is {found.state}: {found.error or ''}"
        return "\n".join([head, *steps, *lines, self.worker_output()[-1500:]])

    def register(self, name: str, content: bytes = b"weights", **facts: Any) -> str:
        """Ask for a registration; the operation's id."""
        kept = self.desk.files.keep(
            io.BytesIO(content), name=f"{name}.bin", purpose="model", by=OPERATOR, limit=MODEL_LIMIT
        )
        return self.desk.registry.register(OPERATOR, name=name, upload=kept, **facts)

    def registered(self, name: str) -> str:
        """A registered and listed version: `name:version`."""
        receipt = self.wait(self.register(name)).receipt or {}
        return str(receipt["model_id"])

    def wanted(self, service: str, model_id: str, *, score: str = SCORE, **changes: Any) -> Wanted:
        """A small service on ACI."""
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr(zipfile.ZipInfo("score.py", (2026, 1, 1, 0, 0, 0)), score)
        packed.seek(0)
        code = self.desk.files.keep(packed, name="echo.zip", purpose="code", by=OPERATOR, limit=CODE_LIMIT)
        configuration = {**form_defaults("ACI"), "cpu_cores": 0.5, "memory_gb": 1.0}
        configuration |= changes.pop("configuration", {})
        asked: dict[str, Any] = {
            "service": service,
            "target": "ACI",
            "model_ids": (model_id,),
            "code": CodeRef(source="upload", entry_script="score.py", sha256=code.sha256, name=code.name),
            "environment": EnvironmentRef(name="echo", document=from_requirements("azureml-defaults\n", name="echo")),
            "configuration": configuration,
            "tags": {"application": service, "stage": "dev"},
            "description": "A small service.",
        }
        return Wanted(**(asked | changes))

    def launch(self, wanted: Wanted, *, redeploy: bool = False, **arguments: Any) -> str:
        """Plan and launch; the operation's id."""
        based_on = self.desk.deployments.plan(wanted, redeploy=redeploy).based_on
        return self.desk.deployments.launch(OPERATOR, wanted, based_on=based_on, redeploy=redeploy, **arguments)

    def deployed(self, service: str, model_id: str, **changes: Any) -> str:
        """A healthy service by this name."""
        self.wait(self.launch(self.wanted(service, model_id, **changes)))
        return service

    def cluster(self, name: str) -> str:
        """An AKS cluster."""
        arguments = {"name": name, "nodes": 3, "vm_size": "Standard_D3_v2", "purpose": "FastProd"}
        self.wait(self.desk.operations.start(ADMIN, "compute.create", name, arguments, title=f"Create {name}"))
        return name

    # What really happened

    def fault(self, kind: str, **settings: Any) -> str:
        """Begin a fault on purpose; its id."""
        return str(self.workspace.admin("POST", "/admin/faults", {"kind": kind, **settings})["id"])

    def faults(self) -> list[Mapping[str, Any]]:
        """The faults that hold now."""
        found: list[Mapping[str, Any]] = self.workspace.admin("GET", "/admin/faults")["value"]
        return found

    def changes(self, name: str) -> list[str]:
        """The workspace's own ledger of what it accepted under this name, in order."""
        return [entry["kind"] for entry in self.workspace.ledger(name=name)]

    def steps_of(self, kind: str) -> list[str]:
        """The steps of a kind of operation."""
        from services.operations.kinds import KINDS

        return [step.name for step in KINDS[kind].steps]


def is_running(pid: int) -> bool:
    """Whether there is such a process, zombies left out."""
    try:
        return pid > 0 and Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def id_of(*names: str) -> str:
    """An operation's id made of names."""
    return hashlib.sha256("\n".join(names).encode()).hexdigest()[:32]


def plain(name: str) -> str:
    """A name a service may have."""
    return re.sub(r"[^a-z0-9-]", "-", name.lower())[:30]
