"""The front end's end of the control socket: JSON lines from the workspace, events and replies back.

    {"do": "service", "name", "access", "max_concurrent"}      make or change a service
    {"do": "replica", "service", "name", "socket", "connections", "liveness"}
    {"do": "serve", "service", "names"}                        route to these, drain the others
    {"do": "remove_replica" | "remove_service", "service", "name"}
    {"do": "counters" | "access_log", "ask": n, "service", "after"}   answered with {"ask": n, "reply": …}
    {"do": "log", "but"}                                       keep every service's access lines but those of these
    {"do": "take_log", "ask": n, "most", "arrived"}            answered with what `Outbox.take` returns
Events: {"event": "listening" | "ready" | "drained" | "stuck", …}. When the workspace's end closes, the front end ends.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any, cast

from .access_log import Outbox
from .replicas import Liveness
from .services import Service


class Control(asyncio.Protocol):
    """The workspace's wishes, applied in the order they come."""

    def __init__(self, services: dict[str, Service], ended: asyncio.Event) -> None:
        """`ended` is set when the workspace is gone."""
        self._services = services
        self._ended = ended
        self._transport: asyncio.WriteTransport | None = None
        self._received = b""
        self._outbox = Outbox()
        self._unlogged: frozenset[str] = frozenset()

    def tell(self, message: dict[str, Any]) -> None:
        """Send an event or a reply."""
        if self._transport is not None:
            self._transport.write(json.dumps(message).encode() + b"\n")

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is open from the start."""
        self._transport = cast(asyncio.WriteTransport, transport)

    def connection_lost(self, _error: Exception | None) -> None:
        """Without a workspace there is nothing to serve."""
        self._transport = None
        self._ended.set()

    def data_received(self, data: bytes) -> None:
        """Apply each whole line."""
        *lines, self._received = (self._received + data).split(b"\n")
        for line in lines:
            self._apply(json.loads(line))

    def _apply(self, wish: dict[str, Any]) -> None:
        do = wish["do"]
        if do == "service":
            name = wish["name"]
            service = self._services.get(name) or Service(name, self.tell, outbox=self._outbox)
            service.configure(wish["access"], max_concurrent=wish["max_concurrent"])
            # A new one's first lines count too: whoever takes them knows whether its log is wanted.
            service.logged = name not in self._unlogged
            self._services[name] = service
            return
        if do == "log":
            self._unlogged = frozenset(wish["but"])
            for name, service in self._services.items():
                service.logged = name not in self._unlogged
            return
        if do == "take_log":
            taken = self._outbox.take(most=int(wish["most"]), arrived=wish["arrived"])
            self.tell({"ask": wish["ask"], "reply": taken})
            return
        named = self._services.get(wish["service"])
        if "ask" in wish:
            self.tell({"ask": wish["ask"], "reply": _answer(named, wish)})
        elif named is None:
            # The service was removed while this was on its way.
            return
        elif do == "replica":
            probe = wish["liveness"]
            named.add_replica(
                wish["name"],
                socket=wish["socket"],
                connections=wish["connections"],
                liveness=Liveness(**probe) if probe else None,
            )
        elif do == "serve":
            named.serve(wish["names"])
        elif do == "remove_replica":
            named.remove_replica(wish["name"])
        elif do == "remove_service":
            del self._services[wish["service"]]
            named.close()
        else:
            raise ValueError(f"The front end does not know how to {do!r}.")


def _answer(service: Service | None, wish: dict[str, Any]) -> Any:
    if service is None:
        return None
    if wish["do"] == "counters":
        return service.counters()
    after = int(wish.get("after", 0))
    return [line._asdict() for line in service.access_log if line.number > after][: int(wish.get("most", 1000))]
