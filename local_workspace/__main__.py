"""`python -m local_workspace --data DIR [--port N]`: run a local Azure ML workspace from this folder."""

from __future__ import annotations

import argparse
import logging
import os
import sqlite3
import sys
from pathlib import Path

from local_workspace import container_insights_command, fault_command

DEPLOY_TIMEOUT_SECONDS = 1200.0
LONGEST_DEPLOY_TIMEOUT_SECONDS = 24 * 3600.0


def main(arguments: list[str]) -> int:
    """Run the workspace, or the command named first."""
    if arguments[:1] == ["fault"]:
        return fault_command.main(arguments[1:])
    if arguments[:1] == ["container-insights"]:
        return container_insights_command.main(arguments[1:])
    parser = argparse.ArgumentParser(prog="python -m local_workspace", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="everything the workspace keeps lies in this folder")
    parser.add_argument("--port", type=_port, help="port on 127.0.0.1 (default: a free one, then always the same)")
    parser.add_argument(
        "--deploy-timeout",
        type=_seconds,
        default=DEPLOY_TIMEOUT_SECONDS,
        help=f"seconds until a deployment counts as timed out (default {DEPLOY_TIMEOUT_SECONDS:.0f})",
    )
    parser.add_argument("--log-level", default="INFO", choices=["DEBUG", "INFO", "WARNING", "ERROR"])
    asked = parser.parse_args(arguments)
    logging.basicConfig(level=asked.log_level, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    # Imported only now, so that commands and refusals stay quick.
    from local_workspace import program
    from local_workspace.files import Damaged
    from local_workspace.identity import PortTaken
    from local_workspace.insights_process import DidNotStart

    if os.geteuid() == 0:
        logging.getLogger(__name__).warning("Deployed code runs as the user who started this workspace, which is root.")
    try:
        program.run(asked.data, port=asked.port, deploy_timeout=asked.deploy_timeout)
    except (program.AlreadyRunning, program.Unusable, Damaged, PortTaken, DidNotStart) as error:
        print(error, file=sys.stderr)
        return 1
    except (OSError, sqlite3.OperationalError) as error:
        print(
            f"The local workspace cannot use {asked.data}: {error}. Make room or give it the rights.", file=sys.stderr
        )
        return 1
    return 0


def _port(text: str) -> int:
    port = int(text)
    if not 0 <= port <= 65_535:
        raise argparse.ArgumentTypeError(f"{port} is no port: choose one from 1024 to 65535")
    return port


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds <= LONGEST_DEPLOY_TIMEOUT_SECONDS:
        raise argparse.ArgumentTypeError(f"{text} is no time to wait: choose between 0 and a day, in seconds")
    return seconds


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
