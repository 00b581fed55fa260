"""The running program: one per folder, started in order, ended in the reverse order, leaving nothing behind."""

from __future__ import annotations

import fcntl
import logging
import os
import signal
import threading
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import FrameType
from typing import Any

from local_workspace import app, identity, tls
from local_workspace.autoscaler import Autoscaler
from local_workspace.blobs import Blobs
from local_workspace.container_insights import ContainerInsights
from local_workspace.faults import Faults
from local_workspace.files import write_private_json
from local_workspace.identity import Identity
from local_workspace.insights_process import InsightsProcess
from local_workspace.listener import Listener
from local_workspace.resources import capacity
from local_workspace.rollouts import Rollouts
from local_workspace.scoring.interface import Scoring
from local_workspace.scoring.runtime import Runtime
from local_workspace.sealing import Seal
from local_workspace.state import State, now
from local_workspace.tokens import Doorman
from local_workspace.workspace import Workspace

log = logging.getLogger(__name__)

TICK_SECONDS = 0.25
CONNECTION = "connection.json"
ADMIN = "admin.json"


class Unusable(Exception):
    """Nothing can be kept in the folder that was named."""


class AlreadyRunning(Exception):
    """Another workspace runs on the same folder."""


class Effects:
    """Lets faults take hold of what runs."""

    def __init__(self, *, scoring: Scoring, insights: InsightsProcess, control: Listener) -> None:
        self._scoring = scoring
        self._insights = insights
        self._control = control

    def service_fault(self, service: str, fault: Mapping[str, Any] | None) -> None:
        """Make a service misbehave, or well again."""
        self._scoring.set_fault(service, fault)

    def lose_telemetry(self, service: str | None, until: str) -> None:
        """Accept telemetry and drop it."""
        self._insights.administer("POST", "/admin/lose", {"service": service, "until": until})

    def keep_telemetry(self) -> None:
        """Stop dropping telemetry."""
        self._insights.administer("DELETE", "/admin/lose")

    def refuse_connections(self, refuse: bool) -> None:
        """Stop listening on the control plane's port, or listen again."""
        if refuse:
            self._control.stop()
        else:
            self._control.start()


def run(data: Path, *, port: int | None, deploy_timeout: float) -> None:
    """Serve a workspace from this folder until told to stop."""
    data = data.expanduser().resolve()
    try:
        data.mkdir(parents=True, exist_ok=True, mode=0o700)
        data.chmod(0o700)
    except OSError as error:
        raise Unusable(f"Nothing can be kept in {data}: {error.strerror}. Name a folder of yours.") from error
    # Whatever else this machine talks through a proxy to, it is not itself.
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1,localhost"
    stop = threading.Event()

    def ask_to_stop(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, ask_to_stop)
    with ExitStack() as ending:
        _lock(data, ending)
        # The file says that the workspace answers, so it is there only while it does.
        (data / CONNECTION).unlink(missing_ok=True)
        _serve(data, port=port, deploy_timeout=deploy_timeout, stop=stop, ending=ending)


def _lock(data: Path, ending: ExitStack) -> None:
    file = ending.enter_context((data / "lock").open("a+"))
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise AlreadyRunning(
            f"A local workspace runs on {data} already: use it, stop it, or start another one on another folder."
        ) from error


def _serve(data: Path, *, port: int | None, deploy_timeout: float, stop: threading.Event, ending: ExitStack) -> None:
    who = identity.load(data / "identity.json", port=port, created=now())
    identity.check_free(who.insights_port, who.front_end_port)
    certificate, bundle = tls.prepare(data / "tls")

    # This thread starts the child and outlives everything: the child's leash hangs on it.
    insights = InsightsProcess(data, who)
    insights.start()
    ending.callback(insights.stop)

    state = State(data / "state.sqlite3")
    ending.callback(state.close)
    scoring = Runtime(
        data,
        telemetry_url=lambda: who.logs_url,
        instrumentation_key=who.instrumentation_key,
        workspace_name=who.workspace_name,
        front_end_port=who.front_end_port,
        nodes=lambda cluster: capacity.nodes(state, cluster),
    )
    ending.callback(scoring.close)
    workspace = _assemble(data, who, state=state, scoring=scoring, deploy_timeout=deploy_timeout)
    ending.callback(workspace.rollouts.close)

    control = Listener(app.control_plane(workspace), port=who.port, name="control-plane")
    listeners = [
        control,
        Listener(app.blob_storage(workspace), port=who.blob_port, name="blob-storage", certificate=certificate),
        Listener(app.administration(workspace), port=who.admin_port, name="admin"),
    ]
    for listener in listeners:
        ending.callback(listener.stop)
        listener.start()
    insights.wait_until_ready()

    workspace.rollouts.restore_all()
    autoscaler = Autoscaler(state, scoring)
    ending.callback(autoscaler.close)
    autoscaler.start()
    container_insights = ContainerInsights(state, scoring, identity=who, write=insights.write_container_logs)
    ending.callback(container_insights.close)
    container_insights.start()
    workspace.faults.take_hold(Effects(scoring=scoring, insights=insights, control=control))
    write_private_json(data / ADMIN, {"url": who.admin_url, "token": who.admin_token})
    write_private_json(data / CONNECTION, _connection(who, bundle))
    ending.callback((data / CONNECTION).unlink, missing_ok=True)
    print(f"The local workspace is ready: {data / CONNECTION} says how to reach it.", flush=True)

    while not stop.wait(TICK_SECONDS):
        workspace.faults.tick()
        insights.watch()
    log.info("The local workspace stops")


def _assemble(data: Path, who: Identity, *, state: State, scoring: Scoring, deploy_timeout: float) -> Workspace:
    blobs = Blobs(data / "blobs", state, who)
    seal = Seal(data / "seal.key")
    rollouts = Rollouts(
        data / "services",
        state=state,
        blobs=blobs,
        seal=seal,
        scoring=scoring,
        deploy_timeout=deploy_timeout,
    )
    return Workspace(
        data=data,
        identity=who,
        doorman=Doorman(token=who.token, read_token=who.read_token),
        state=state,
        blobs=blobs,
        seal=seal,
        scoring=scoring,
        rollouts=rollouts,
        faults=Faults(state),
    )


def _connection(who: Identity, bundle: Path) -> dict[str, Any]:
    """Everything a client needs, and nothing else."""
    return {
        "url": who.url,
        "token": who.token,
        "read_token": who.read_token,
        "subscription_id": who.subscription_id,
        "resource_group": who.resource_group,
        "workspace_name": who.workspace_name,
        "tenant_id": who.tenant_id,
        "ca_bundle": str(bundle),
        "logs_url": who.logs_url,
        "logs_workspace_id": who.logs_workspace_id,
    }
