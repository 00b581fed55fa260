"""A PostgreSQL server of one's own for a test: a new cluster on a free port, ended by its own command."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from pathlib import Path

from tests.running_workspace import free_port


def programs() -> Path | None:
    """The folder with `initdb`, or None where PostgreSQL is not installed."""
    found = shutil.which("initdb")
    if found:
        return Path(found).resolve().parent
    known = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return known[-1].parent if known else None


class Postgres:
    """One cluster."""

    def __init__(self, folder: Path, programs: Path) -> None:
        self._data = folder / "cluster"
        self._programs = programs
        self._port = free_port()
        folder.mkdir(mode=0o755, exist_ok=True)
        # The server refuses to run as root.
        self._user = "postgres" if os.geteuid() == 0 else None
        if self._user:
            account = pwd.getpwnam(self._user)
            os.chown(folder, account.pw_uid, account.pw_gid)

    def start(self) -> None:
        """Make the cluster and start it."""
        self._run("initdb", "-D", str(self._data), "-U", "desk", "--auth=trust", "--no-sync")
        options = f"-p {self._port} -k {self._data} -c listen_addresses=127.0.0.1"
        self._run("pg_ctl", "-D", str(self._data), "-w", "-l", str(self._data / "log"), "-o", options, "start")

    def stop(self) -> None:
        """End it at once."""
        self._run("pg_ctl", "-D", str(self._data), "-m", "immediate", "stop")

    def database(self, name: str) -> str:
        """Make a database; its SQLAlchemy address."""
        self._run("createdb", "-h", "127.0.0.1", "-p", str(self._port), "-U", "desk", name)
        return f"postgresql+psycopg://desk@127.0.0.1:{self._port}/{name}"

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [str(self._programs / program), *arguments],
            user=self._user,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if program != "pg_ctl" else subprocess.DEVNULL,
            stderr=subprocess.STDOUT,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, (program, done.stdout)
