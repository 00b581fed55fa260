"""A hundred kills at random moments while all kinds of operations run: nothing lost, nothing twice."""

from __future__ import annotations

import os
import random
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest

from services.operations.records import Operation
from tests.kills.desk_stack import OPERATOR, DeskStack
from tests.running_workspace import wait_for

pytestmark = [pytest.mark.soak, pytest.mark.slow]

KILLS = int(os.environ.get("SOAK_KILLS", "100"))
SERVICES = 4
AT_ONCE = 8
LONGEST_LIFE_SECONDS = 4.0


@dataclass
class Expected:
    """What the workspace's ledger must say in the end, by name and kind of change."""

    changes: Counter[tuple[str, str]] = field(default_factory=Counter)
    operations: dict[str, str] = field(default_factory=dict)
    """Every operation that was asked for, and its kind."""


class Asker:
    """Asks for work of all kinds, so that always some of it runs."""

    def __init__(self, stack: DeskStack, model_id: str, chance: random.Random) -> None:
        self._stack = stack
        self._model_id = model_id
        self._chance = chance
        self._number = 0
        self.services = [f"soak-{number}" for number in range(SERVICES)]
        self.expected = Expected()

    def deploy_all(self) -> None:
        """The services everything else is about."""
        for name in self.services:
            self._note(self._stack.launch(self._stack.wanted(name, self._model_id)), name, "create")
        for operation in list(self.expected.operations):
            self._stack.wait(operation)

    def ask(self) -> None:
        """Ask for something, on a service nothing runs on."""
        desk, running = self._stack.desk, self._stack.desk.operations.running()
        busy = {operation.subject for operation in running}
        idle = [name for name in self.services if name not in busy]
        kinds: list[Callable[[str], None]] = [self._update, self._redeploy, self._regenerate, self._rotate, self._pass]
        if idle and len(running) < AT_ONCE:
            self._chance.choice(kinds)(self._chance.choice(idle))
        if len(desk.operations.page(state="open")) < AT_ONCE:
            self._number += 1
            name = f"soak-model-{self._number}"
            self._note(self._stack.register(name, content=os.urandom(2000)), name, "register")

    def _pass(self, name: str) -> None:
        """Deploy, and delete when it is there: a service of its own that comes and goes."""
        passing = f"{name}-passing"
        found = self._stack.desk.webservices.find(passing)
        if any(operation.subject == passing for operation in self._stack.desk.operations.running()):
            return
        if found is None:
            self._note(self._stack.launch(self._stack.wanted(passing, self._model_id)), passing, "create")
        else:
            operation = self._stack.desk.webservices.delete(OPERATOR, passing, typed_name=passing)
            self._note(operation, passing, "delete")

    def _update(self, name: str) -> None:
        self._number += 1
        now = self._stack.desk.deployments.wanted_now(name)
        self._note(self._stack.launch(replace(now, description=f"Change {self._number}.")), name, "update")

    def _redeploy(self, name: str) -> None:
        self._number += 1
        wanted = self._stack.wanted(name, self._model_id, description=f"Redeployment {self._number}.")
        self._note(self._stack.launch(wanted, redeploy=True), name, "create")

    def _regenerate(self, name: str) -> None:
        if self._stack.desk.keys.open_rotation(name) is None:
            operation = self._stack.desk.keys.regenerate(OPERATOR, name, self._chance.choice(("primary", "secondary")))
            self._note(operation, name, "regenerate")

    def _rotate(self, name: str) -> None:
        rotation = self._stack.desk.keys.open_rotation(name)
        if rotation is None:
            self._note(self._stack.desk.keys.rotate(OPERATOR, name), name, "regenerate")
        elif rotation.state == "waiting":
            self._note(self._stack.desk.keys.clients_have_moved(OPERATOR, rotation.id), name, "regenerate")

    def _note(self, operation: str, name: str, kind: str) -> None:
        self.expected.operations[operation] = self._stack.desk.operations.get(operation).kind
        self.expected.changes[name, kind] += 1


@pytest.mark.timeout(5400)
def test_nothing_is_lost_and_nothing_happens_twice(stack: DeskStack, capsys: pytest.CaptureFixture[str]) -> None:
    seed = int(os.environ.get("SOAK_SEED", "20261121"))
    chance = random.Random(seed)
    asker = Asker(stack, stack.registered("soak"), chance)
    asker.deploy_all()
    breath = threading.Event()
    running_at_kill: Counter[str] = Counter()
    for _ in range(KILLS):
        for _ in range(3):
            asker.ask()
        breath.wait(chance.uniform(0.0, LONGEST_LIFE_SECONDS))
        for operation in stack.desk.operations.running():
            if operation.current is not None:
                running_at_kill[f"{operation.kind} · {operation.current.name}"] += 1
        stack.kill_worker()
        stack.start_worker()
    ended = [wait_for_end(stack, operation) for operation in asker.expected.operations]

    failed = [stack.story(operation.id) for operation in ended if operation.state != "succeeded"]
    happened = Counter(
        (entry["name"], entry["kind"]) for entry in stack.workspace.ledger() if entry["name"].startswith("soak-")
    )
    lost, twice = asker.expected.changes - happened, happened - asker.expected.changes
    kinds = Counter(asker.expected.operations.values())
    with capsys.disabled():
        print(f"\n{KILLS} kills, seed {seed}, {len(ended)} operations, {sum(happened.values())} changes at Azure")
        print(f"{'kind':24}{'asked':>8}")
        for kind, number in sorted(kinds.items()):
            print(f"{kind:24}{number:>8}")
        print(f"{'killed while in':36}{'times':>8}")
        for step, number in sorted(running_at_kill.items()):
            print(f"{step:36}{number:>8}")
        print(f"lost: {sum(lost.values())}   twice: {sum(twice.values())}   failed: {len(failed)}")
    assert not failed, "\n\n".join(failed[:5])
    assert lost == Counter()
    assert twice == Counter()
    assert stack.desk.audit.verify().is_whole


def wait_for_end(stack: DeskStack, operation: str) -> Operation:
    """Wait until an operation has ended, in whatever state."""
    wait_for(lambda: not stack.desk.operations.get(operation).is_open, f"{operation} to end", 300)
    return stack.desk.operations.get(operation)
