"""One service in the front end: permits, the queue in front of them, and what each caller gets.

A replica whose slots answered gives out `max_concurrent` permits. A call takes a permit, or waits at most
`max_queue_wait_ms` for one (503). From the permit on it has `scoring_timeout_ms` (504), also while it waits at a replica
that has fewer workers than permits. Permit and slot stay taken until the replica has really ended.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from . import access_log, answers
from .access_log import AccessLine, Outbox
from .authentication import Gate
from .replicas import REQUEST, Liveness, Replica, Slot

REPLICA_GRACE_MS = 100
"""The replica ends a call this much after the caller was answered 504, so that the slot frees itself."""
STUCK_SECONDS = 5.0
"""A worker without a liveness probe (ACI) that does not end a call this long after its own timeout is killed."""
ACCESS_LOG_LINES = 5_000
RAN_OUT = b'{"message": "Scoring timeout after '
"""How the inference server's answer begins when it ended run() by itself."""


class Call:
    """One request on its way through a service."""

    __slots__ = (
        "answer",
        "body",
        "client_request_id",
        "meta",
        "method",
        "path",
        "replica",
        "request_id",
        "slot",
        "started",
        "timer",
    )

    def __init__(
        self,
        *,
        meta: dict[str, Any],
        body: bytes,
        method: str,
        path: str,
        request_id: bytes,
        client_request_id: bytes,
        answer: Callable[[int, bytes, bytes], None],
    ) -> None:
        """`answer(status, header block, body)` is called once, unless the caller left."""
        self.meta = meta
        self.body = body
        self.method = method
        self.path = path
        self.request_id = request_id
        self.client_request_id = client_request_id
        self.answer: Callable[[int, bytes, bytes], None] | None = answer
        self.started = time.perf_counter()
        self.timer: asyncio.TimerHandle | None = None
        self.replica: Replica | None = None
        self.slot: Slot | None = None


class Service:
    """One service: who may call it, and which replicas serve it."""

    def __init__(self, name: str, tell: Callable[[dict[str, Any]], None], *, outbox: Outbox) -> None:
        """`tell` sends an event to the workspace; `outbox` takes the access lines while `logged` is set."""
        self.name = name
        self.logged = False
        self.replicas: dict[str, Replica] = {}
        self.gate: Gate
        self.busy_seconds = 0.0
        self.codes: dict[int, int] = {}
        self.access_log: deque[AccessLine] = deque(maxlen=ACCESS_LOG_LINES)
        self._tell = tell
        self._outbox = outbox
        self._loop = asyncio.get_running_loop()
        self._free: list[Slot] = []
        self._waiting: deque[Call] = deque()
        self._max_concurrent = 1
        self._queue_seconds = 0.5
        self._scoring_seconds = 60.0
        self._replica_timeout_ms = 60_100
        self._lines = 0

    def configure(self, access: dict[str, Any], *, max_concurrent: int) -> None:
        """Take over what may change without a restart."""
        self.gate = Gate(self.name, access)
        self._max_concurrent = max_concurrent
        self._queue_seconds = access["max_queue_wait_ms"] / 1000
        self._scoring_seconds = access["scoring_timeout_ms"] / 1000
        self._replica_timeout_ms = access["scoring_timeout_ms"] + REPLICA_GRACE_MS
        self._give_permits()

    # Calls

    def start(self, call: Call) -> None:
        """Serve this call now, or let it wait."""
        if not self._waiting and self._give_permit(call):
            return
        call.timer = self._loop.call_later(self._queue_seconds, self._queue_ended, call)
        self._waiting.append(call)

    def caller_left(self, call: Call) -> None:
        """Nobody waits for this call any more: drop it unless a worker already runs it."""
        call.answer = None
        self._log(call, access_log.CALLER_LEFT, reason=access_log.LEFT)
        if call.slot is not None:
            return
        if call.timer is not None:
            call.timer.cancel()
        if call.replica is not None:
            call.replica.backlog.remove(call)
            self._return_permit(call.replica)
        else:
            self._waiting.remove(call)

    def _give_permit(self, call: Call) -> bool:
        """Send the call to a free slot, warm ones first, or to the door of the least busy replica."""
        free = self._free
        for index in range(len(free) - 1, -1, -1):
            slot = free[index]
            if slot.replica.in_flight < self._max_concurrent:
                del free[index]
                slot.replica.in_flight += 1
                self._start_scoring(call, slot.replica)
                self._send(call, slot)
                return True
        open_replicas = [
            replica
            for replica in self.replicas.values()
            if replica.serving and replica.in_flight < self._max_concurrent and replica.ready
        ]
        if not open_replicas:
            return False
        replica = min(open_replicas, key=lambda each: each.in_flight)
        replica.in_flight += 1
        self._start_scoring(call, replica)
        replica.backlog.append(call)
        return True

    def _start_scoring(self, call: Call, replica: Replica) -> None:
        call.replica = replica
        if call.timer is not None:
            call.timer.cancel()
        call.timer = self._loop.call_later(self._scoring_seconds, self._scoring_ended, call)

    def _send(self, call: Call, slot: Slot) -> None:
        call.slot = slot
        slot.busy_since = time.perf_counter()
        call.meta["scoring_timeout_ms"] = self._replica_timeout_ms
        meta = json.dumps(call.meta).encode()
        body, call.body = call.body, b""
        slot.send(call, REQUEST.pack(len(meta), len(body)) + meta, body)

    def _queue_ended(self, call: Call) -> None:
        self._waiting.remove(call)
        reason = access_log.QUEUE_WAIT if self.is_alive() else access_log.NO_REPLICA
        self._finish(call, 503, *answers.own(503), reason=reason)

    def _scoring_ended(self, call: Call) -> None:
        """Answer 504; a call that runs keeps its slot until the replica has ended it."""
        if call.slot is None:
            assert call.replica is not None  # noqa: S101 - a call without permit has the queue's timer
            call.replica.backlog.remove(call)
            self._return_permit(call.replica)
        else:
            liveness = call.slot.replica.liveness
            patience = liveness.patience if liveness is not None else STUCK_SECONDS
            call.timer = self._loop.call_later(REPLICA_GRACE_MS / 1000 + patience, self._stuck, call.slot, call)
        self._finish(call, 504, *answers.own(504), reason=access_log.SCORING_TIMEOUT, keep_timer=True)

    def _stuck(self, slot: Slot, call: Call | None) -> None:
        if slot.call is call:
            self._tell({"event": "stuck", "service": self.name, "replica": slot.replica.name, "pid": slot.pid})

    def _finish(
        self, call: Call, status: int, headers: bytes, body: bytes, *, reason: str = "", keep_timer: bool = False
    ) -> None:
        if call.timer is not None and not keep_timer:
            call.timer.cancel()
        answer, call.answer = call.answer, None
        if answer is not None:
            self._log(call, status, headers, reason=reason)
            answer(status, headers, body)

    def _log(self, call: Call, status: int, headers: bytes = b"", *, reason: str) -> None:
        self._lines += 1
        self.codes[status] = self.codes.get(status, 0) + 1
        line = AccessLine(
            self._lines,
            time.time(),
            call.request_id.decode("latin-1"),
            call.client_request_id.decode("latin-1"),
            call.method,
            call.path,
            status,
            (time.perf_counter() - call.started) * 1000,
            _run_milliseconds(headers),
            call.replica.name if call.replica is not None else "",
            reason,
        )
        self.access_log.append(line)
        if self.logged:
            self._outbox.put(self.name, line)

    def refused(self, call: Call, status: int) -> None:
        """Note a call that never reached the queue (401, 413)."""
        reason = self.gate.reason if status == 401 else access_log.OF_REFUSALS.get(status, "")
        self._log(call, status, reason=reason)

    # Slots

    def slot_ready(self, slot: Slot) -> None:
        """A worker answered `GET /`: it may serve."""
        self._tell_ready(slot.replica)
        self._slot_free(slot)

    def probe(self, slot: Slot, *, seconds: float) -> None:
        """Ask an idle worker for a sign of life; calls wait at the door of its replica until it gave one."""
        if slot in self._free:
            self._free.remove(slot)
        slot.probe(seconds=seconds, silent=lambda: self._stuck(slot, None))

    def lives(self, slot: Slot) -> None:
        """A worker gave its sign of life."""
        self._slot_free(slot)

    def slot_lost(self, slot: Slot, *, was_ready: bool) -> None:
        """A worker ended: its call is lost, and never sent again."""
        if slot in self._free:
            self._free.remove(slot)
        call, slot.call = slot.call, None
        replica = slot.replica
        if call is not None:
            self.busy_seconds += time.perf_counter() - slot.busy_since
            self._finish(call, 502, *answers.own(502), reason=access_log.REPLICA_DIED)
            if call.timer is not None:
                call.timer.cancel()
            self._return_permit(replica)
        if was_ready:
            self._tell_ready(replica)

    def answered(self, slot: Slot, status: int, headers: bytes, body: bytes) -> None:
        """A worker has ended its call: start the next one first, then answer."""
        call, slot.call = slot.call, None
        if call is None:
            return
        self.busy_seconds += time.perf_counter() - slot.busy_since
        if call.timer is not None:
            call.timer.cancel()
        slot.replica.in_flight -= 1
        self._slot_free(slot)
        if call.answer is None:
            return
        # As azureml-fe: an error inside the container is a bad gateway to the caller; its headers stay.
        if status == 500:
            if body.startswith(RAN_OUT):
                # The container's own limit (SCORING_TIMEOUT_MS) is lower than the service's: to the caller it is the same.
                self._finish(call, 504, headers, body, reason=access_log.CONTAINER_TIMEOUT)
                return
            failed = b"x-ms-run-function-failed: True" in headers
            reason = access_log.RUN_FAILED if failed else access_log.CONTAINER_FAILED
            self._finish(call, 502, headers, body, reason=reason)
        else:
            self._finish(call, status, headers, body)

    def _slot_free(self, slot: Slot) -> None:
        replica = slot.replica
        if replica.backlog:
            self._send(replica.backlog.popleft(), slot)
            return
        if replica.serving:
            self._free.append(slot)
            if self._waiting:
                self._give_permits()
        elif replica.draining:
            self._tell_drained(replica)

    def _return_permit(self, replica: Replica) -> None:
        replica.in_flight -= 1
        if replica.draining:
            self._tell_drained(replica)
        elif self._waiting:
            self._give_permits()

    def _give_permits(self) -> None:
        while self._waiting and self._give_permit(self._waiting[0]):
            self._waiting.popleft()

    # Replicas

    def add_replica(self, name: str, *, socket: str, connections: int, liveness: Liveness | None) -> None:
        """Connect to a replica; it serves once `serve` names it."""
        if name in self.replicas:
            # Told twice after a restart of the front end: a second set of connections would wait for ever.
            return
        replica = Replica(self, name, socket=socket, connections=connections, liveness=liveness)
        self.replicas[name] = replica
        replica.connect()

    def serve(self, names: list[str]) -> None:
        """Route to these replicas and let the others finish what they run."""
        for replica in self.replicas.values():
            wanted = replica.name in names
            if wanted and not replica.serving:
                replica.serving, replica.draining = True, False
                idle = (slot for slot in replica.slots if slot.ready and slot.call is None and not slot.probing)
                self._free.extend(idle)
            elif not wanted and replica.serving:
                replica.serving, replica.draining = False, True
                self._free = [slot for slot in self._free if slot.replica is not replica]
                self._tell_drained(replica)
        self._give_permits()

    def remove_replica(self, name: str) -> None:
        """Forget a replica; what it still runs is answered 502."""
        replica = self.replicas.pop(name, None)
        if replica is None:
            return
        replica.serving = False
        self._free = [slot for slot in self._free if slot.replica is not replica]
        for call in list(replica.backlog):
            replica.backlog.remove(call)
            self._finish(call, 502, *answers.own(502), reason=access_log.REPLICA_DIED)
        replica.close()

    def close(self) -> None:
        """Answer those who wait, and let go of every replica."""
        while self._waiting:
            self._finish(self._waiting.popleft(), 404, *answers.own(404), reason=access_log.REMOVED)
        for name in list(self.replicas):
            self.remove_replica(name)

    def is_alive(self) -> bool:
        """Whether any serving replica can answer."""
        return any(replica.serving and replica.ready for replica in self.replicas.values())

    def counters(self) -> dict[str, Any]:
        """What the workspace reads for utilisation: busy seconds ever, slots now, codes ever."""
        now = time.perf_counter()
        slots = [slot for replica in self.replicas.values() if replica.serving for slot in replica.slots if slot.ready]
        running = sum(now - slot.busy_since for slot in slots if slot.call is not None)
        return {
            "busy_seconds": self.busy_seconds + running,
            "slots": len(slots),
            "in_flight": sum(replica.in_flight for replica in self.replicas.values()),
            "waiting": len(self._waiting),
            "codes": {str(code): count for code, count in self.codes.items()},
        }

    def _tell_ready(self, replica: Replica) -> None:
        ready = replica.ready
        if ready != replica.told_ready:
            replica.told_ready = ready
            self._tell(
                {
                    "event": "ready",
                    "service": self.name,
                    "replica": replica.name,
                    "ready": ready,
                    "of": len(replica.slots),
                }
            )

    def _tell_drained(self, replica: Replica) -> None:
        if replica.in_flight == 0:
            self._tell({"event": "drained", "service": self.name, "replica": replica.name})


def _run_milliseconds(headers: bytes) -> float | None:
    start = headers.find(b"x-ms-run-fn-exec-ms: ")
    if start < 0:
        return None
    return float(headers[start + 21 : headers.index(b"\r\n", start)])
