"""The desk as `make run` starts it, on a local workspace and a filled inventory, without the worker."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks import filled
from benchmarks.other_servers import free_port
from services.sessions import Sessions
from services.settings import ROOT, Settings
from services.storage.upgrade import upgrade

READY_SECONDS = 120.0
STOP_SECONDS = 60.0


@dataclass(frozen=True, kw_only=True)
class Desk:
    """A desk that answers."""

    port: int
    pid: int
    cookie: str
    settings: Settings

    def cpu_seconds(self) -> float:
        """What its process, with all its threads, has used of the processors."""
        # Linux's clock of another process, to the nanosecond; what stands in /proc counts in hundredths of a second.
        return time.clock_gettime((~self.pid << 3) | 2)

    def resident_mb(self) -> float:
        """What it holds in memory."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


@contextmanager
def desk(folder: Path, size: filled.Size) -> Iterator[Desk]:
    """Start the workspace, fill the inventory, start the desk; the person is the operator."""
    settings = filled.settings_of(folder)
    environment = environment_of(folder)
    settings.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    upgrade(settings)
    with running_workspace(settings, environment):
        filled.fill(settings, size)
        cookie = _sign_in(settings)
        port = free_port()
        command = [sys.executable, "-m", "streamlit", "run", "streamlit_app.py", "--server.port", str(port)]
        with filled.beating(settings), _running(command, environment, folder / "desk.log") as process:
            _await(f"http://localhost:{port}/healthz", folder / "desk.log")
            yield Desk(port=port, pid=process.pid, cookie=cookie, settings=settings)


@contextmanager
def running_workspace(settings: Settings, environment: dict[str, str]) -> Iterator[None]:
    """A local workspace on the settings' data folder."""
    data = settings.data / "workspace"
    ports = [] if data.exists() else ["--port", str(free_port())]
    settings.connection.unlink(missing_ok=True)
    log = settings.data.parent / "workspace.log"
    command = [sys.executable, "-m", "local_workspace", "--data", str(data), *ports]
    with _running(command, environment, log) as process:
        deadline = time.monotonic() + READY_SECONDS
        while not settings.connection.exists():
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"The local workspace did not start:\n{log.read_text()[-2000:]}")
            time.sleep(0.05)
        yield


def environment_of(folder: Path) -> dict[str, str]:
    """The environment of everything that runs below a folder."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("DESK_", "WORKER_", "AZURE_"))}
    return kept | {
        "PYTHONPATH": str(ROOT),
        "DESK_DATA": str(folder / "data"),
        "DESK_KEYS": str(folder / "keys"),
        "DESK_ANCHOR": str(folder / "anchor" / "anchor"),
        "DESK_SAMPLES": "false",
        "NO_PROXY": "127.0.0.1,localhost",
    }


def _sign_in(settings: Settings) -> str:
    from services import bootstrap

    desk = bootstrap.desk(settings)
    try:
        return Sessions(desk.databases[0], desk.audit, desk.clock).start_local("operator")
    finally:
        desk.close()


@contextmanager
def _running(command: list[str], environment: dict[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("ab") as file:
        process = subprocess.Popen(command, env=environment, cwd=ROOT, stdout=file, stderr=file, start_new_session=True)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _await(url: str, log: Path) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.HTTPError, OSError):
            if time.monotonic() > deadline:
                raise RuntimeError(f"The desk did not start:\n{log.read_text()[-2000:]}") from None
            time.sleep(0.1)
