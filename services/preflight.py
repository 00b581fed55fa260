"""What `make run` does first: refuse a taken port, make the folders, bring the databases to their schema.

Writes nothing but folders and databases, so it may run before every start.
"""

from __future__ import annotations

import argparse
import os
import socket
import sys
import tempfile
from typing import NoReturn

from services import disk
from services.errors import DeskError, Invalid
from services.settings import ROOT, Settings, read_settings
from services.storage.database import private_umask
from services.storage.upgrade import upgrade

HIGHEST_PORT = 65_535


def main() -> int:
    """Check and prepare; 0 = go on."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", required=True, help="port of the desk")
    parser.add_argument("--run", action="store_true", help="then become the supervisor of all parts")
    arguments = parser.parse_args()
    try:
        port = as_port(arguments.port)
        if not is_free(port):
            print(
                f"Port {port} is taken by another program. Choose another one:\n\n    make run PORT={next_free(port)}\n"
            )
            return 1
        settings = prepare()
    except DeskError as error:
        print(error.sentence)
        return 1
    if os.geteuid() == 0:
        print("You are root: scoring code that is deployed to the local workspace runs as root, too.")
    if arguments.run:
        supervise(settings, port)
    return 0


def as_port(text: str) -> int:
    """The port that was asked for."""
    if not text.isdigit() or not 0 < int(text) <= HIGHEST_PORT:
        raise Invalid(f"{text} is no port: choose a number from 1024 to {HIGHEST_PORT}, as in `make run PORT=8502`.")
    return int(text)


def prepare() -> Settings:
    """Make folders and databases, and look that the keys can be kept."""
    private_umask()
    settings = read_settings()
    with disk.explained(places=True):
        for folder in (settings.data, settings.data / "logs", settings.files, settings.keys, settings.anchor.parent):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        # A folder that is there may still be one that nobody may write into.
        for folder in (settings.data, settings.keys, settings.anchor.parent):
            with tempfile.TemporaryFile(dir=folder) as probe:
                probe.write(b"1")
    upgrade(settings)
    return settings


def supervise(settings: Settings, port: int) -> NoReturn:
    """Become supervisord, which starts the parts and brings each back."""
    command = [sys.executable, "-m", "supervisor.supervisord", "-n", "-c", str(ROOT / "supervisord.conf")]
    if os.geteuid() == 0:
        # Said to it, or it warns at length of what was said above in a sentence.
        command += ["-u", "root"]
    os.chdir(ROOT)
    os.execve(sys.executable, command, supervisor_environment(settings, port))  # noqa: S606


def supervisor_environment(settings: Settings, port: int) -> dict[str, str]:
    """What `supervisord.conf` refers to, beside the environment as it is."""
    return {**os.environ, "PORT": str(port), "DESK_LOGS": str(settings.data / "logs")}


def is_free(port: int) -> bool:
    """Whether the desk could listen there."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def next_free(port: int) -> int:
    """The next port that is free."""
    return next(candidate for candidate in range(port + 1, HIGHEST_PORT) if is_free(candidate))


if __name__ == "__main__":
    sys.exit(main())
