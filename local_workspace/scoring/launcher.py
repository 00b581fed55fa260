"""Starting processes so that they end with the workspace, and with an environment that holds nothing of ours.

The kernel's "signal me when my parent ends" follows the thread that forked, not the process: every replica is therefore
started by one thread that lives as long as the workspace. Where there is no such signal, the replica watches a pipe.
"""

from __future__ import annotations

import os
import queue
import subprocess
import threading
from collections.abc import Mapping
from concurrent.futures import Future
from pathlib import Path

# What a replica inherits: how text is written and where the machine's certificates are. No secret, nothing of ours.
INHERITED = (
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "TZ",
    "LD_LIBRARY_PATH",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
)
SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin"


class Launcher:
    """The thread that starts replicas."""

    def __init__(self) -> None:
        """Start the thread."""
        # Read end for replicas; the write end is never written, it closes with this process.
        self.parent_pipe, self._lifeline = os.pipe()
        self._orders: queue.SimpleQueue[tuple[Future[subprocess.Popen[bytes]], list[str], dict[str, str], Path, Path]]
        self._orders = queue.SimpleQueue()
        threading.Thread(target=self._work, name="replica-launcher", daemon=True).start()

    def launch(
        self, command: list[str], *, environment: Mapping[str, str], cwd: Path, log: Path
    ) -> subprocess.Popen[bytes]:
        """Start a process in a session of its own, its output appended to the log."""
        started: Future[subprocess.Popen[bytes]] = Future()
        self._orders.put((started, command, dict(environment), cwd, log))
        return started.result()

    def _work(self) -> None:
        while True:
            started, command, environment, cwd, log = self._orders.get()
            try:
                with log.open("ab") as output:
                    process = subprocess.Popen(
                        command,
                        stdin=subprocess.DEVNULL,
                        stdout=output,
                        stderr=subprocess.STDOUT,
                        env=environment,
                        cwd=cwd,
                        pass_fds=[self.parent_pipe],
                        start_new_session=True,
                    )
            except OSError as error:
                started.set_exception(error)
            else:
                started.set_result(process)


def plain_environment(*, home: Path, temporary: Path, first_on_path: Path | None = None) -> dict[str, str]:
    """The allow-listed part of our environment, with a private home and no proxy."""
    environment = {name: os.environ[name] for name in INHERITED if name in os.environ}
    environment.setdefault("LANG", "C.UTF-8")
    environment["PATH"] = f"{first_on_path}:{SYSTEM_PATH}" if first_on_path else SYSTEM_PATH
    environment["HOME"] = str(home)
    environment["TMPDIR"] = str(temporary)
    environment["NO_PROXY"] = environment["no_proxy"] = "127.0.0.1,localhost"
    return environment
