"""Who this workspace is: names, ids, tokens and ports, made at the first start and kept for ever after."""

from __future__ import annotations

import json
import secrets
import socket
import time
import uuid
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from local_workspace import tokens
from local_workspace.files import Damaged, write_private_json

HOST = "127.0.0.1"
PATIENCE_SECONDS = 2.0
BACKLOG = 1024
LASTING_PORTS = (20_000, 32_000)


class PortTaken(Exception):
    """A port that this workspace has to listen on is used by another program."""


@dataclass(frozen=True, kw_only=True)
class Identity:
    """Everything that stays the same over restarts."""

    subscription_id: str
    resource_group: str
    workspace_name: str
    tenant_id: str
    workspace_id: str
    logs_workspace_id: str
    instrumentation_key: str
    location: str
    created: str
    token: str
    read_token: str
    admin_token: str
    insights_admin_token: str
    signing_key: str
    """Signs the addresses of blobs and operation logs, which are read without a token."""
    port: int
    blob_port: int
    admin_port: int
    insights_port: int
    front_end_port: int

    @property
    def url(self) -> str:
        """Where the control plane answers."""
        return f"http://{HOST}:{self.port}"

    @property
    def logs_url(self) -> str:
        """Where telemetry is sent to and queried."""
        return f"http://{HOST}:{self.insights_port}"

    @property
    def admin_url(self) -> str:
        """Where the admin API answers."""
        return f"http://{HOST}:{self.admin_port}"

    @property
    def resource_id(self) -> str:
        """The workspace's ARM id, which every address of the control plane contains."""
        group = f"/subscriptions/{self.subscription_id}/resourceGroups/{self.resource_group}"
        return f"{group}/providers/Microsoft.MachineLearningServices/workspaces/{self.workspace_name}"


def load(path: Path, *, port: int | None, created: str) -> Identity:
    """The identity kept in this file, made first if there is none; `port` moves the control plane."""
    if path.exists():
        try:
            identity = Identity(**json.loads(path.read_text(encoding="utf-8")))
        except (ValueError, TypeError) as error:
            raise Damaged(path, error) from error
        if not port or port == identity.port:
            return identity
        identity = replace(identity, port=port)
    else:
        identity = _new(port=port, created=created)
    # A port that cannot be had is not kept: the next start would fail over it again.
    check_free(identity.port)
    write_private_json(path, asdict(identity))
    return identity


def listen(port: int) -> socket.socket:
    """A socket that listens on this port of the loopback interface."""
    # What was killed a moment ago may still be letting go of its port.
    patience = time.monotonic() + PATIENCE_SECONDS
    while True:
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, port))
            listener.listen(BACKLOG)
        except OSError as error:
            listener.close()
            if time.monotonic() > patience:
                raise PortTaken(
                    f"Port {port} of this workspace is taken by another program: end that program, then start again."
                ) from error
            time.sleep(0.05)
        else:
            return listener


def check_free(*ports: int) -> None:
    """Refuse to start when a program we start would not get its port."""
    for port in ports:
        listen(port).close()


def _new(*, port: int | None, created: str) -> Identity:
    tenant = str(uuid.uuid4())
    free = _free_ports(5)
    return Identity(
        subscription_id=str(uuid.uuid4()),
        resource_group="local",
        workspace_name="local-workspace",
        tenant_id=tenant,
        workspace_id=str(uuid.uuid4()),
        logs_workspace_id=str(uuid.uuid4()),
        instrumentation_key=str(uuid.uuid4()),
        location="local",
        created=created,
        token=tokens.mint(name="Local workspace", object_id=str(uuid.uuid4()), tenant_id=tenant),
        read_token=tokens.mint(name="Local workspace (read only)", object_id=str(uuid.uuid4()), tenant_id=tenant),
        admin_token=secrets.token_urlsafe(32),
        insights_admin_token=secrets.token_urlsafe(32),
        signing_key=secrets.token_hex(32),
        port=port or free[0],
        blob_port=free[1],
        admin_port=free[2],
        insights_port=free[3],
        front_end_port=free[4],
    )


def _free_ports(count: int) -> list[int]:
    """Ports nobody listens on now, below those that systems give to outgoing connections: they must be free later too."""
    chosen: list[int] = []
    candidates = list(range(*LASTING_PORTS))
    secrets.SystemRandom().shuffle(candidates)
    for port in candidates:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
        chosen.append(port)
        if len(chosen) == count:
            return chosen
    raise PortTaken(f"No {count} free ports are left between {LASTING_PORTS[0]} and {LASTING_PORTS[1]}.")
