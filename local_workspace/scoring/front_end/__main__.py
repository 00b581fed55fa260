"""`python -m local_workspace.scoring.front_end --port N --control-fd F`: the front end as a process of its own."""

from __future__ import annotations

import argparse
import asyncio
import gc
import signal
import socket
import time

import uvloop

from .clients import Client
from .control import Control
from .services import Service

SWEEP_SECONDS = 1.0
BACKLOG = 2048


async def serve(*, port: int, control_socket: socket.socket, slow_seconds: float) -> None:
    """Listen on 127.0.0.1 until the workspace's end of the control socket closes."""
    loop = asyncio.get_running_loop()
    services: dict[str, Service] = {}
    clients: set[Client] = set()
    ended = asyncio.Event()
    control = Control(services, ended)
    await loop.create_unix_connection(lambda: control, sock=control_socket)
    server = await loop.create_server(lambda: Client(services, clients), "127.0.0.1", port, backlog=BACKLOG)
    control.tell({"event": "listening", "port": server.sockets[0].getsockname()[1]})

    def sweep() -> None:
        now = time.monotonic()
        for client in list(clients):
            client.check_patience(now, slow_seconds=slow_seconds)
        loop.call_later(SWEEP_SECONDS, sweep)

    sweep()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    # What is alive now stays: the collector need not walk it during a request.
    gc.freeze()
    await ended.wait()
    server.close()
    for service in list(services.values()):
        service.close()


def main() -> None:
    """Parse the command line and serve."""
    parser = argparse.ArgumentParser(prog="python -m local_workspace.scoring.front_end", description=__doc__)
    parser.add_argument("--port", type=int, required=True, help="port on 127.0.0.1; 0 takes a free one")
    parser.add_argument("--control-fd", type=int, required=True, help="descriptor of the control socket")
    parser.add_argument("--slow-seconds", type=float, default=30.0, help="a request that pauses longer is answered 408")
    arguments = parser.parse_args()
    control_socket = socket.socket(fileno=arguments.control_fd)
    uvloop.run(serve(port=arguments.port, control_socket=control_socket, slow_seconds=arguments.slow_seconds))


if __name__ == "__main__":
    main()
