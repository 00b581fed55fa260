"""The whole desk as `make run` starts it: supervisord with workspace, worker and desk, on a free port and folders of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from tests.running_workspace import ENVIRONMENTS, ROOT, free_port

PROGRAMS = {"workspace": "local_workspace", "worker": "services.worker", "desk": "streamlit"}
BELOW_WORKSPACE = {"insights": "local_workspace.insights", "front end": "local_workspace.scoring.front_end"}
CANARY = "canary-8Q~fV2kLw9.exported-client-secret"
STARTING_SECONDS = 240
STOPPING_SECONDS = 100

T = TypeVar("T")


def until(look: Callable[[], T | None], *, what: str, seconds: float = 60) -> T:
    """Look until there is something to see."""
    deadline = time.monotonic() + seconds
    while True:
        seen = look()
        if seen:
            return seen
        if time.monotonic() > deadline:
            raise AssertionError(f"After {seconds:.0f} s still not: {what}.")
        # Not a wait for the outcome, only a breath between two looks.
        time.sleep(0.1)


class Stack:
    """Start it, find its processes, hold one up, end it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"http://localhost:{self.port}"
        self._supervisor: subprocess.Popen[bytes] | None = None
        home = folder / "home"
        home.mkdir(parents=True)
        cache = os.environ.get("UV_CACHE_DIR") or str(Path.home() / ".cache" / "uv")
        self.environment = {
            **{
                name: value for name, value in os.environ.items() if not name.startswith(("DESK_", "WORKER_", "AZURE_"))
            },
            "HOME": str(home),
            "PORT": str(self.port),
            "DESK_LOGS": str(folder / "data" / "logs"),
            # Building an environment downloads 600 MB once for the machine, not once for each test run.
            "UV_CACHE_DIR": cache,
            "LOCAL_WORKSPACE_ENVIRONMENTS": os.environ.get("LOCAL_WORKSPACE_ENVIRONMENTS", str(ENVIRONMENTS)),
            "DESK_DATA": str(folder / "data"),
            "DESK_KEYS": str(folder / "keys"),
            "DESK_ANCHOR": str(folder / "anchor" / "anchor"),
            "PYTHONUNBUFFERED": "1",
            # Tests make the states they need themselves.
            "DESK_SAMPLES": "false",
            # What a shell may have exported: the local workspace and what it deploys must not see it.
            "AZURE_CLIENT_SECRET": CANARY,
            "WORKER_AZURE_CLIENT_SECRET": CANARY,
        }

    def start(self) -> None:
        """Start it as `make run` does, and come back when all parts are well."""
        self.launch()
        try:
            until(self.is_alive, what=f"the desk is alive\n{self.output()}", seconds=STARTING_SECONDS)
        except AssertionError:
            print(self.output())
            raise

    def launch(self) -> None:
        """Start it and come back at once."""
        subprocess.run(
            [sys.executable, "-m", "services.preflight", "--port", str(self.port)],
            cwd=ROOT,
            env=self.environment,
            check=True,
            timeout=60,
        )
        with (self.folder / "foreground.log").open("ab") as foreground:
            self._supervisor = subprocess.Popen(
                [sys.executable, "-m", "supervisor.supervisord", "-n", "-c", str(ROOT / "supervisord.conf")],
                cwd=self.folder,
                env=self.environment,
                stdout=foreground,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def stop(self) -> None:
        """Ctrl-C, then see that nothing is left."""
        if self._supervisor is None:
            return
        left = self.processes()
        for pid in left:
            _signal(pid, signal.SIGCONT)
        self._supervisor.send_signal(signal.SIGINT)
        try:
            self._supervisor.wait(STOPPING_SECONDS)
        finally:
            if self._supervisor.poll() is None:
                self._supervisor.kill()
            survivors = [pid for pid in left if _is_running(pid)]
            for pid in survivors:
                _signal(pid, signal.SIGKILL)
        assert not survivors, f"Ctrl-C left these running: {survivors}\n{self.output()}"

    def is_alive(self) -> bool:
        """Whether `/healthz` says so."""
        return self.healthz()[0] == 200

    def healthz(self) -> tuple[int, dict[str, object]]:
        """Status and answer; 0 when nobody answers."""
        try:
            with urllib.request.urlopen(f"{self.url}/healthz", timeout=5) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as refused:
            with refused:
                return refused.code, json.loads(refused.read() or b"{}")
        except (OSError, TimeoutError):
            return 0, {}

    def pid(self, program: str) -> int:
        """The process of workspace, worker or desk, or one below the workspace (`insights`)."""
        return until(lambda: self.find(program), what=f"{program} runs", seconds=60)

    def find(self, program: str) -> int | None:
        """The same, or None while there is none."""
        assert self._supervisor is not None
        if program in BELOW_WORKSPACE:
            word, among = BELOW_WORKSPACE[program], self.processes()
        else:
            word, among = PROGRAMS[program], children(self._supervisor.pid)
        return next((pid for pid in among if word in command_line(pid)), None)

    def processes(self) -> list[int]:
        """Every process below the supervisor, replicas included."""
        assert self._supervisor is not None
        return descendants(self._supervisor.pid)

    def hold(self, program: str) -> None:
        """Stop a program from doing anything, as a machine under pressure does."""
        os.kill(self.pid(program), signal.SIGSTOP)

    def let_go(self, program: str) -> None:
        """Let it go on."""
        os.kill(self.pid(program), signal.SIGCONT)

    def kill(self, program: str) -> int:
        """`kill -9`; its pid."""
        pid = self.pid(program)
        os.kill(pid, signal.SIGKILL)
        return pid

    def output(self) -> str:
        """What stood in the foreground, and the ends of the logs."""
        texts = []
        for path in [self.folder / "foreground.log", *sorted((self.folder / "data" / "logs").glob("*.log"))]:
            if path.exists():
                texts.append(f"--- {path.name}\n" + "\n".join(path.read_text(errors="replace").splitlines()[-40:]))
        return "\n".join(texts)


def answers(address: str) -> bool:
    """Whether somebody answers there, well."""
    try:
        with urllib.request.urlopen(address, timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def children(pid: int) -> list[int]:
    """The processes a process started itself."""
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except FileNotFoundError:
        return []
    return [int(child) for child in text.split()]


def descendants(pid: int) -> list[int]:
    """All below a process. Threads start processes too, so every task is asked."""
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            below = [int(child) for child in task.read_text().split()]
        except (FileNotFoundError, ProcessLookupError):
            continue
        for child in below:
            found += [child, *descendants(child)]
    return found


def command_line(pid: int) -> str:
    """How a process was started."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return ""


def _is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        # It ended by itself a moment ago, which is what is wanted.
        return
