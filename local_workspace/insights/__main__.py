"""Run the local Azure Monitor: `python -m local_workspace.insights --data DIR --port N --config FILE`.

FILE is JSON, readable by its owner alone: `tokens`, `admin_token`, `workspace_id`, `instrumentation_keys`, and if
wanted `retention_days`, `largest_bytes`, `largest_rows`.
"""

from __future__ import annotations

import argparse
import logging
import resource
import signal
import socket
import sys
from pathlib import Path
from types import FrameType

import duckdb
import uvicorn

from .app import Insights
from .config import Guard
from .store import Store

LARGEST_MEMORY = 4 * 1024**3


def main() -> int:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser(prog="python -m local_workspace.insights", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of telemetry.duckdb")
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1; 0 picks a free one")
    parser.add_argument("--config", type=Path, required=True, help="the JSON file with tokens and keys")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")

    _limit_memory()
    guard = Guard(arguments.config)
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", arguments.port))
    except OSError as error:
        print(f"Port {arguments.port} is taken: {error.strerror}.", file=sys.stderr)
        return 2
    try:
        store = Store(arguments.data / "telemetry.duckdb")
    except duckdb.IOException as error:
        print(f"The telemetry in {arguments.data} cannot be opened: {str(error).splitlines()[0]}", file=sys.stderr)
        return 2

    # uvicorn ends gracefully and then raises the signal again: with this, that is an ordinary exit.
    signal.signal(signal.SIGTERM, _leave)
    print(f"Telemetry is ready on http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    config = uvicorn.Config(
        Insights(store, guard).app(),
        log_level="warning",
        access_log=False,
        lifespan="on",
        timeout_graceful_shutdown=10,
    )
    uvicorn.Server(config).run(sockets=[listener])
    return 0


def _limit_memory() -> None:
    """Let a query that wants too much fail by itself: DuckDB's own limit does not count every list it builds."""
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    most = LARGEST_MEMORY if hard == resource.RLIM_INFINITY else min(LARGEST_MEMORY, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (most, hard))


def _leave(_number: int, _frame: FrameType | None) -> None:
    raise SystemExit(0)


if __name__ == "__main__":
    sys.exit(main())
