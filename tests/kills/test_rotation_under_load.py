"""A client that follows a rotation never fails, though the worker is killed at each step of both legs."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest

from services.azureml.secrets import Slot
from services.operations.desk import new_id
from services.operations.kinds import KINDS
from services.probing import send
from tests.kills.desk_stack import OPERATOR, DeskStack

pytestmark = pytest.mark.slow

REQUESTS_PER_SECOND = 20
CLIENT_SECONDS = 30.0


class Client:
    """Sends on time whatever becomes of the requests before; keeps its key until it is told to move."""

    def __init__(self, stack: DeskStack, service: str, slot: Slot) -> None:
        self._stack = stack
        self._service = service
        self._address = stack.desk.gateway.mms.service(service).scoring_uri or ""
        self._key = stack.desk.gateway.mms.keys(service).of(slot)
        self._pool = ThreadPoolExecutor(16)
        self._http = httpx2.Client(timeout=CLIENT_SECONDS, trust_env=False)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._lock = threading.Lock()
        self._on_their_way: Counter[str] = Counter()
        self.answers: Counter[str] = Counter()

    def __enter__(self) -> Client:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()
        self._pool.shutdown()
        self._http.close()

    def move_to(self, slot: Slot) -> None:
        """Use the other key from now on, and come back when no request with the old one is on its way."""
        old, self._key = self._key, self._stack.desk.gateway.mms.keys(self._service).of(slot)
        while self._on_their_way[old]:
            self._stopping.wait(0.01)

    def _run(self) -> None:
        due = time.monotonic()
        while not self._stopping.wait(max(0.0, due - time.monotonic())):
            due += 1 / REQUESTS_PER_SECOND
            with self._lock:
                key = self._key
                self._on_their_way[key] += 1
            self._pool.submit(self._send, key)

    def _send(self, key: str) -> None:
        try:
            headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
            answer = self._http.post(self._address, content='{"n": 1}', headers=headers)
            outcome = str(answer.status_code)
        except httpx2.HTTPError as error:
            outcome = type(error).__name__
        with self._lock:
            self.answers[outcome] += 1
            self._on_their_way[key] -= 1


def killed_at_each_step(stack: DeskStack, operation: str) -> int:
    """Run an operation that waits, killing the worker at the begin of each step and before it is recorded."""
    steps = [step.name for step in KINDS[stack.desk.operations.get(operation).kind].steps]
    moments = [f"{step}:{moment}" for step in steps for moment in ("begun", "acted")]
    for moment in moments:
        stack.start_worker({operation: moment})
        stack.wait_for_worker_to_end()
    stack.start_worker()
    return len(moments)


@pytest.mark.timeout(600)
def test_no_request_fails_while_both_keys_are_rotated_and_the_worker_is_killed_at_each_step(
    stack: DeskStack, model_id: str, unique: Callable[[str], str]
) -> None:
    name, desk, rotation = stack.deployed(unique("rotated"), model_id), stack.desk, new_id()
    old = desk.gateway.mms.keys(name)
    with Client(stack, name, "primary") as client:
        stack.end_worker()
        desk.keys.rotate(OPERATOR, name, operation_id=rotation)
        kills = killed_at_each_step(stack, rotation)
        first = stack.wait(rotation)
        assert desk.keys.rotation(rotation).state == "waiting"

        client.move_to("secondary")
        stack.end_worker()
        second = desk.keys.clients_have_moved(OPERATOR, rotation)
        kills += killed_at_each_step(stack, second)
        stack.wait(second)
    new = desk.gateway.mms.keys(name)

    assert kills == 16
    assert set(client.answers) == {"200"}, client.answers
    assert client.answers["200"] > 100
    assert desk.keys.rotation(rotation).state == "done"
    assert first.receipt is not None
    assert first.receipt["proof"]["secondary"]["status"] in (200, 502)
    assert stack.changes(name) == ["create", "regenerate", "regenerate"]
    address = desk.gateway.mms.service(name).scoring_uri or ""
    statuses = {
        what: send(address, '{"n": 1}', credential=key, purpose="test", deadline=CLIENT_SECONDS).status
        for what, key in {
            "old primary": old.primary,
            "old secondary": old.secondary,
            "new primary": new.primary,
            "new secondary": new.secondary,
        }.items()
    }
    assert statuses == {"old primary": 401, "old secondary": 401, "new primary": 200, "new secondary": 200}


def test_an_undisturbed_second_leg_sees_the_old_key_refused(
    stack: DeskStack, model_id: str, unique: Callable[[str], str]
) -> None:
    name, desk = stack.deployed(unique("proved"), model_id), stack.desk
    rotation = desk.keys.rotate(OPERATOR, name)
    stack.wait(rotation)

    ended = stack.wait(desk.keys.clients_have_moved(OPERATOR, rotation))
    assert (ended.receipt or {})["old_key"]["status"] == 401
    assert desk.keys.rotation(rotation).checks["old_key"]["status"] == 401
