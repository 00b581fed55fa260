"""The front end's side of a replica: its connections, each one a slot for one request at a time."""

from __future__ import annotations

import asyncio
import json
import struct
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from .services import Call, Service

REQUEST = struct.Struct("!II")
ANSWER = struct.Struct("!HII")
GREETING = 0
FIRST_RECONNECT_SECONDS = 0.05
LONGEST_RECONNECT_SECONDS = 1.0
_PROBE_META = json.dumps({"REQUEST_METHOD": "GET", "PATH_INFO": "/"}).encode()
PROBE = REQUEST.pack(len(_PROBE_META), 0) + _PROBE_META


@dataclass(frozen=True, kw_only=True)
class Liveness:
    """When a worker that answered before counts as hanging, in seconds and counts."""

    period: float
    timeout: float
    failures: int

    @property
    def seconds_of_probes(self) -> float:
        """From the first probe that is not answered until the last one that may fail has failed."""
        return (self.failures - 1) * self.period + self.timeout

    @property
    def patience(self) -> float:
        """How long a call may run past its time."""
        return self.failures * self.period


class Replica:
    """One gunicorn: as many connections as it has workers, and those who wait at its door."""

    def __init__(
        self, service: Service, name: str, *, socket: str, connections: int, liveness: Liveness | None
    ) -> None:
        """Start connecting at once; nothing is served before `serving` is set and a slot is ready."""
        self.service = service
        self.name = name
        self.socket = socket
        self.serving = False
        self.draining = False
        self.in_flight = 0
        self.backlog: deque[Call] = deque()
        self.slots = [Slot(self) for _ in range(connections)]
        self.told_ready = -1
        self.liveness = liveness
        self._next_probe: asyncio.TimerHandle | None = None

    def connect(self) -> None:
        """Open every connection."""
        for slot in self.slots:
            slot.connect()
        self._probe_idle()

    @property
    def ready(self) -> int:
        """How many slots have answered `GET /` and not failed since."""
        return sum(slot.ready for slot in self.slots)

    def close(self) -> None:
        """Close every connection; what is in flight ends as a lost replica."""
        if self._next_probe is not None:
            self._next_probe.cancel()
        for slot in self.slots:
            slot.abandon()

    def _probe_idle(self) -> None:
        """Ask the workers that have nothing to do whether they live: those that work are seen to by their calls."""
        if self.liveness is None:
            return
        self._next_probe = asyncio.get_running_loop().call_later(self.liveness.period, self._probe_idle)
        for slot in self.slots:
            if slot.ready and slot.call is None and not slot.probing:
                self.service.probe(slot, seconds=self.liveness.seconds_of_probes)


class Slot(asyncio.Protocol):
    """One connection to one worker."""

    def __init__(self, replica: Replica) -> None:
        """Not connected yet."""
        self.replica = replica
        self.ready = False
        self.probing = False
        """Whether it is asked for a sign of life: until then it is not free, though no call runs on it."""
        self.call: Call | None = None
        self.busy_since = 0.0
        self.pid = 0
        self._transport: asyncio.Transport | None = None
        self._received = bytearray()
        self._pause = FIRST_RECONNECT_SECONDS
        self._abandoned = False
        self._connecting: asyncio.Task[Any] | None = None
        self._probe_timer: asyncio.TimerHandle | None = None

    def connect(self) -> None:
        """Try to connect until it works or the replica is gone."""
        if self._abandoned:
            return
        loop = asyncio.get_running_loop()
        self._connecting = loop.create_task(self._connect(loop))

    async def _connect(self, loop: asyncio.AbstractEventLoop) -> None:
        try:
            await loop.create_unix_connection(lambda: self, self.replica.socket)
        except OSError:
            # The worker is not there yet, or again: gunicorn makes its socket before it loads the script.
            loop.call_later(self._pause, self.connect)
            self._pause = min(self._pause * 2, LONGEST_RECONNECT_SECONDS)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for a sign of life: a gunicorn master accepts long before its worker can answer."""
        # uvloop's transports have the methods of asyncio's, not its classes.
        self._transport = cast(asyncio.Transport, transport)
        if self._abandoned:
            self._transport.abort()
            return
        self._received.clear()
        self._transport.write(PROBE)

    def send(self, call: Call, frame_head: bytes, body: bytes) -> None:
        """Hand one request to the worker."""
        self.call = call
        transport = self._transport
        if transport is None or transport.is_closing():
            # connection_lost is on its way and answers 502.
            return
        if len(body) > 65_536:
            transport.writelines([frame_head, body])
        else:
            transport.write(frame_head + body)

    def probe(self, *, seconds: float, silent: Callable[[], None]) -> None:
        """Ask for a sign of life; `silent` is called when none came in time."""
        if self._transport is None:
            return
        self.probing = True
        self._probe_timer = asyncio.get_running_loop().call_later(seconds, silent)
        self._transport.write(PROBE)

    def _end_probe(self) -> None:
        self.probing = False
        if self._probe_timer is not None:
            self._probe_timer.cancel()
            self._probe_timer = None

    def data_received(self, data: bytes) -> None:
        """Collect one answer; there is never more than one under way."""
        received = self._received
        received += data
        while len(received) >= ANSWER.size:
            status, headers_length, body_length = ANSWER.unpack_from(received)
            start = ANSWER.size + headers_length
            whole = start + body_length
            if len(received) < whole:
                return
            headers = bytes(received[ANSWER.size : start])
            body = bytes(received[start:whole])
            del received[:whole]
            if status == GREETING:
                self.pid = int(body)
            elif self.probing and status == 200:
                self._end_probe()
                self.replica.service.lives(self)
            elif self.ready and not self.probing:
                self.replica.service.answered(self, status, headers, body)
            elif status == 200:
                self.ready = True
                self._pause = FIRST_RECONNECT_SECONDS
                self.replica.service.slot_ready(self)
            else:
                self._drop()

    def connection_lost(self, _error: Exception | None) -> None:
        """The worker ended: whoever waits for it gets 502, and the next one is looked for."""
        was_ready, self.ready = self.ready, False
        self._end_probe()
        self._transport = None
        self._received.clear()
        self.replica.service.slot_lost(self, was_ready=was_ready)
        if not self._abandoned:
            asyncio.get_running_loop().call_later(self._pause, self.connect)
            self._pause = min(self._pause * 2, LONGEST_RECONNECT_SECONDS)

    def abandon(self) -> None:
        """Close for good."""
        self._abandoned = True
        self._drop()

    def _drop(self) -> None:
        if self._transport is not None:
            self._transport.abort()
