"""Scoring environments: one venv for each different list of packages, built with uv and kept for the next time.

A venv lies under the hash of what it was built from. Several workspaces may share the folder: a file lock lets one of
them build while the others wait, and keeps whatever a running service uses from being cleared away. When the folder
grows past its limit, the environments that were used longest ago go first.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from uv import find_uv_bin

from .requirements import Requirements, Unbuildable

SHARED_FOLDER_VARIABLE = "LOCAL_WORKSPACE_ENVIRONMENTS"
BUILD_TIMEOUT_SECONDS = 1800.0
LOCK_POLL_SECONDS = 0.2
FORMAT = 1
"""Raised when environments are built in another way, so that old ones are not taken."""
# What a build may see of our environment: where packages come from, and nothing else.
BUILD_VARIABLES = re.compile(
    r"^(PATH|HOME|LANG|LC_\w+|TMPDIR|LD_LIBRARY_PATH|XDG_(CACHE|CONFIG|DATA)_HOME|UV_(?!PUBLISH)\w+|PIP_INDEX_URL"
    r"|SSL_CERT_(FILE|DIR)|REQUESTS_CA_BUNDLE|CURL_CA_BUNDLE|https?_proxy|HTTPS?_PROXY|no_proxy|NO_PROXY)$"
)
_CULPRITS = (
    re.compile(r"Failed to (?:build|download|fetch|prepare)[^`]*`([^`=<>@ ]+)"),
    re.compile(r"[Bb]ecause (\S+) was not found"),
    re.compile(r"[Bb]ecause there (?:is|are) no versions? of (\S+)"),
    re.compile(r"Because (?:only )?([A-Za-z0-9][\w.-]*?)(?:==|<|>|~|\[| )\S* "),
    re.compile(r"you require ([A-Za-z0-9][\w.-]*)"),
    re.compile(r"Couldn't parse requirement.*?\n\s*([A-Za-z0-9][\w.-]*)"),
)


@dataclass(frozen=True, kw_only=True)
class Environment:
    """A venv that is ready, held against clearing until it is let go."""

    folder: Path
    key: str
    descriptor: int

    @property
    def python(self) -> Path:
        """The interpreter that runs replicas."""
        return self.folder / "bin" / "python"

    def let_go(self) -> None:
        """Allow the folder to be cleared away."""
        os.close(self.descriptor)


class Environments:
    """The folder of environments."""

    def __init__(self, folder: Path, *, limit_bytes: int, build_timeout_seconds: float = BUILD_TIMEOUT_SECONDS) -> None:
        """The folder is made when it is missing; the shared one of the variable wins."""
        shared = os.environ.get(SHARED_FOLDER_VARIABLE)
        self._folder = Path(shared).expanduser().resolve() if shared else folder.resolve()
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._limit_bytes = limit_bytes
        self._build_timeout = build_timeout_seconds

    def obtain(
        self, requirements: Requirements, *, line: Callable[[str], None], cancelled: threading.Event
    ) -> Environment:
        """The environment for these requirements, built now if need be; raises Unbuildable."""
        key = _key(requirements)
        folder = self._folder / key
        for note in requirements.notes:
            line(note)
        deadline = time.monotonic() + self._build_timeout
        descriptor = os.open(self._folder / f"{key}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            built = False
            while True:
                # From exclusive to shared is not one step: another process may clear the folder between the two.
                self._lock(descriptor, fcntl.LOCK_SH, line=line, deadline=deadline, cancelled=cancelled)
                if _is_ready(folder):
                    break
                fcntl.flock(descriptor, fcntl.LOCK_UN)
                if not self._lock(
                    descriptor, fcntl.LOCK_EX, line=line, deadline=deadline, cancelled=cancelled, unless=folder
                ):
                    # Somebody else built it and uses it by now: it will not be given up for a second build.
                    continue
                if not _is_ready(folder):
                    self._build(
                        folder, requirements, lock=descriptor, line=line, deadline=deadline, cancelled=cancelled
                    )
                    built = True
            if not built:
                line(f"Environment {key} was built before and is used again.")
            os.utime(_ready_file(folder))
        except BaseException:
            os.close(descriptor)
            raise
        self._clear_oldest(line=line)
        return Environment(folder=folder, key=key, descriptor=descriptor)

    def _lock(
        self,
        descriptor: int,
        kind: int,
        *,
        line: Callable[[str], None],
        deadline: float,
        cancelled: threading.Event,
        unless: Path | None = None,
    ) -> bool:
        """Wait for the lock; False when the environment of `unless` got ready meanwhile, and the lock is not held."""
        said = False
        while True:
            try:
                fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
            except BlockingIOError:
                if not said:
                    line("The same environment is being built already: waiting for it.")
                    said = True
                if cancelled.wait(LOCK_POLL_SECONDS):
                    raise Unbuildable("The deployment was replaced while its environment was built.") from None
                if unless is not None and _is_ready(unless):
                    return False
                if time.monotonic() > deadline:
                    raise Unbuildable("The environment was not built in time. Deploy again.") from None
            else:
                return True

    def _build(
        self,
        folder: Path,
        requirements: Requirements,
        *,
        lock: int,
        line: Callable[[str], None],
        deadline: float,
        cancelled: threading.Event,
    ) -> None:
        started = time.monotonic()
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(mode=0o700)
        line(f"Building environment {folder.name} with Python {platform.python_version()}:")
        for requirement in requirements.lines:
            line(f"    {requirement}")
        wanted, constraints = folder / "requirements.txt", folder / "constraints.txt"
        uv = find_uv_bin()
        base = getattr(sys, "_base_executable", sys.executable)
        try:
            self._uv(
                [uv, "venv", "--no-project", "--no-config", "--allow-existing", "--python", base, str(folder)],
                lock=lock,
                line=line,
                deadline=deadline,
                cancelled=cancelled,
            )
            wanted.write_text("\n".join(requirements.lines) + "\n")
            constraints.write_text("\n".join(requirements.constraints) + "\n")
            self._uv(
                [
                    *(uv, "pip", "install", "--python", str(folder / "bin" / "python")),
                    *("-r", str(wanted), "-c", str(constraints)),
                ],
                lock=lock,
                line=line,
                deadline=deadline,
                cancelled=cancelled,
            )
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        finally:
            # An index address may carry a password: it is not kept.
            wanted.unlink(missing_ok=True)
            constraints.unlink(missing_ok=True)
        size = _size(folder)
        seconds = time.monotonic() - started
        _ready_file(folder).write_text(json.dumps({"bytes": size, "seconds": round(seconds, 1)}))
        line(f"Environment {folder.name} is ready: {size / 1e6:,.0f} MB, built in {seconds:.1f} s.")

    def _uv(
        self,
        command: list[str],
        *,
        lock: int,
        line: Callable[[str], None],
        deadline: float,
        cancelled: threading.Event,
    ) -> None:
        """Run one uv command, its words going to the build log; it never outlives its time or its deployment."""
        environment = {name: value for name, value in os.environ.items() if BUILD_VARIABLES.match(name)}
        environment.setdefault("UV_HTTP_TIMEOUT", "60")
        environment["NO_COLOR"] = "1"
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env=environment,
            cwd=self._folder,
            # The lock is held until uv has ended, even if this process is killed before it.
            pass_fds=[lock],
            start_new_session=True,
        )
        finished = threading.Event()
        why: list[str] = []

        def watch() -> None:
            while not finished.wait(LOCK_POLL_SECONDS):
                if cancelled.is_set():
                    why.append("The deployment was replaced while its environment was built.")
                elif time.monotonic() > deadline:
                    why.append(f"The build took longer than {self._build_timeout:.0f} s and was stopped.")
                if why:
                    os.killpg(process.pid, signal.SIGKILL)
                    return

        watcher = threading.Thread(target=watch, name="build-watch", daemon=True)
        watcher.start()
        said: list[str] = []
        assert process.stdout is not None  # noqa: S101 - a pipe was asked for
        with process.stdout:
            for text in process.stdout:
                said.append(text.rstrip("\n"))
                line(said[-1])
        code = process.wait()
        finished.set()
        watcher.join()
        if why:
            raise Unbuildable(why[0])
        if code == -signal.SIGKILL:
            # Nobody here killed it: as a rule it was the kernel, for want of memory.
            words = " ".join([Path(command[0]).name, *command[1:3]])
            raise Unbuildable(
                f"The environment could not be built: Command '{words}' died with <Signals.SIGKILL: 9>. "
                "The machine has too little memory for these packages: ask for fewer, or make room."
            )
        if code:
            package = _culprit("\n".join(said))
            about = f" because of the package '{package}'" if package else ""
            raise Unbuildable(
                f"The environment could not be built{about}: {_reason(said)} Correct the package list and deploy again.",
                package=package,
            )

    def _clear_oldest(self, *, line: Callable[[str], None]) -> None:
        """Remove the environments used longest ago until the rest fits; what a service runs on stays."""
        kept = []
        for ready in self._folder.glob("*/ready.json"):
            try:
                kept.append((ready.stat().st_mtime, json.loads(ready.read_text())["bytes"], ready.parent))
            except FileNotFoundError:
                # Another workspace cleared it this moment.
                continue
        total = sum(size for _, size, _ in kept)
        for _, size, folder in sorted(kept):
            if total <= self._limit_bytes:
                return
            descriptor = os.open(folder.with_name(f"{folder.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            else:
                shutil.rmtree(folder, ignore_errors=True)
                total -= size
                line(f"Environment {folder.name} was cleared away: it was used longest ago.")
            finally:
                os.close(descriptor)


def _key(requirements: Requirements) -> str:
    """What the venv is called: everything that decides what is in it."""
    content = [FORMAT, sys.version_info[:3], platform.machine(), requirements.lines, requirements.constraints]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]


def _ready_file(folder: Path) -> Path:
    return folder / "ready.json"


def _is_ready(folder: Path) -> bool:
    return _ready_file(folder).is_file() and (folder / "bin" / "python").exists()


def _size(folder: Path) -> int:
    return sum(os.lstat(os.path.join(parent, name)).st_size for parent, _, names in os.walk(folder) for name in names)


def _culprit(text: str) -> str:
    """The package uv's words blame."""
    flat = re.sub(r"\s+", " ", text)
    for pattern in _CULPRITS:
        match = pattern.search(flat)
        if match:
            return match.group(1).strip("`'.,")
    return ""


def _reason(said: list[str]) -> str:
    """uv's own explanation, in one line."""
    start = next((index for index, text in enumerate(said) if re.match(r"\s*(×|error:)", text)), max(len(said) - 5, 0))
    words = re.sub(r"[×╰─▶│├╴\s]+", " ", " ".join(said[start : start + 12])).strip()
    return words if words.endswith(".") else f"{words}."
