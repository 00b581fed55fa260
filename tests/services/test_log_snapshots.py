"""Previous logs: kept before a container is replaced, after it, and when a state changes; for 90 days, each text once."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from services.access import LOCAL_IDENTITIES
from services.audit import Audit
from services.azureml.types import Service
from services.container_logs import parse
from services.errors import NotFound, Unavailable
from services.files import Files
from services.inventory import Inventory
from services.log_snapshots import AFTER, BEFORE, CHANGE, KEPT_FOR, LogSnapshots
from services.operations.desk import Operations
from services.operations.kinds import KINDS
from services.operations.leases import Leases
from services.operations.records import Operation
from services.sealed import Sealed
from services.settings import Settings
from services.storage import ledger
from services.storage.database import Database
from services.storage.upgrade import open_current
from tests.services.conftest import settings_in
from tests.services.test_files import Watch

VIEWER = LOCAL_IDENTITIES["viewer"]
WORKSPACE = "w"


class Containers:
    """What Azure would give: services with their states, and the logs of those that have one."""

    def __init__(self) -> None:
        self.states: dict[str, str] = {}
        self.texts: dict[tuple[str, bool], str] = {}
        self.is_silent = False

    def services(self, *, timeout: float) -> list[Service]:
        """Every service."""
        return [Service(name=name, compute_type="ACI", state=state) for name, state in self.states.items()]

    def logs(self, name: str, *, tail: int = 5000, init: bool = False, timeout: float = 5.0) -> str:
        """The log of a container."""
        if self.is_silent:
            raise Unavailable("Azure does not answer.")
        if name not in self.states:
            raise NotFound(f"There is no service {name}.")
        return self.texts.get((name, init), "")


class House:
    """The worker's parts that keep logs."""

    def __init__(self, ledger_database: Database, mirror: Database, settings: Settings, watch: Watch) -> None:
        self.ledger, self.mirror, self.anchor = ledger_database, mirror, settings.anchor
        self.watch, self.azure = watch, Containers()
        audit = Audit(ledger_database, workspace=WORKSPACE, key=b"k" * 32, anchor=settings.anchor, clock=watch)
        self.operations = Operations(
            ledger_database,
            workspace=WORKSPACE,
            kinds=KINDS,
            audit=audit,
            sealed=Sealed(ledger_database, folder=settings.keys, clock=watch),
            leases=Leases(ledger_database, workspace=WORKSPACE, clock=watch),
            clock=watch,
        )
        self.files = Files(ledger_database, folder=settings.files, workspace=WORKSPACE, clock=watch)
        self.inventory = Inventory(
            mirror,
            self.azure,  # type: ignore[arg-type]
            environments=list,
            model_bytes=lambda model: None,
            workspace=WORKSPACE,
            clock=watch,
        )
        self.logs = LogSnapshots(
            ledger_database,
            mirror,
            self.files,
            self.operations,
            source=self.azure,
            note=self.inventory.note,
            workspace=WORKSPACE,
            clock=watch,
        )

    def is_now(self, name: str, state: str, text: str, *, init: str = "") -> None:
        """A service is in this state and has written that; the inventory sees it."""
        self.watch.time += timedelta(seconds=10)
        self.azure.states[name] = state
        self.azure.texts = {**self.azure.texts, (name, False): text, (name, True): init}
        self.inventory.refresh_services()

    def operation(self, kind: str, name: str, *, ended: bool) -> Operation:
        """An operation on a service, in the ledger."""
        self.watch.time += timedelta(seconds=1)
        id_ = f"{kind}-{name}-{self.watch.time.timestamp():.0f}"
        with self.ledger.writing() as work:
            work.execute(
                sa.insert(ledger.operations).values(
                    id=id_,
                    workspace=WORKSPACE,
                    kind=kind,
                    subject_kind="service",
                    subject=name,
                    title=f"{kind} {name}",
                    arguments={},
                    person_id=VIEWER.id,
                    person_name=VIEWER.name,
                    role="operator",
                    requested_at=self.watch.now(),
                    ended_at=self.watch.now() if ended else None,
                    state="succeeded" if ended else "running",
                    version="1",
                    leg=1,
                )
            )
        return self.operations.get(id_)

    def kept(self, name: str) -> list[tuple[str, str, str, bool]]:
        """Why, state, text and whether it is the init container's, oldest first."""
        return [
            (one.why, one.state, "\n".join(line.text for line in self.logs.read(VIEWER, one.id)), one.is_init)
            for one in reversed(self.logs.of(name))
        ]


@pytest.fixture
def house(upgraded: Path, tmp_path: Path) -> Iterator[House]:
    """Empty databases, one service that writes."""
    shutil.copytree(upgraded / "data", tmp_path / "data")
    settings = settings_in(tmp_path)
    ledger_database, mirror = open_current(settings)
    watch = Watch()
    watch.time = datetime.now(UTC)
    made = House(ledger_database, mirror, settings, watch)
    made.is_now("wine-dev", "Healthy", "the first container")
    made.logs.keep_up()
    yield made
    ledger_database.close()
    mirror.close()


def test_a_log_is_kept_when_a_service_is_first_seen_and_at_every_change_of_state(house: House) -> None:
    house.is_now("wine-dev", "Unhealthy", "it hangs")
    house.logs.keep_up()
    house.logs.keep_up()

    assert house.kept("wine-dev") == [
        (CHANGE, "Healthy", "the first container", False),
        (CHANGE, "Unhealthy", "it hangs", False),
    ]


def test_what_a_deployment_replaces_is_kept_before_it_and_what_it_brought_after_it(house: House) -> None:
    deployment = house.operation("service.deploy", "wine-dev", ended=False)
    house.logs.before(deployment)
    house.is_now("wine-dev", "Healthy", "the second container", init="downloading the model")
    ended = house.operation("service.deploy", "wine-dev", ended=True)
    house.logs.keep_up()

    kept = house.logs.of("wine-dev")
    assert house.kept("wine-dev")[1:] == [
        (BEFORE, "Healthy", "the first container", False),
        (AFTER, "Healthy", "downloading the model", True),
        (AFTER, "Healthy", "the second container", False),
    ]
    assert [one.operation for one in kept] == [ended.id, ended.id, deployment.id, None]


def test_the_log_of_a_deleted_service_stays(house: House) -> None:
    house.logs.before(house.operation("service.delete", "wine-dev", ended=False))
    del house.azure.states["wine-dev"]
    house.inventory.refresh_services()
    house.operation("service.delete", "wine-dev", ended=True)
    house.logs.keep_up()

    assert house.logs.services() == ["wine-dev"]
    assert [why for why, _, _, _ in house.kept("wine-dev")] == [CHANGE, BEFORE]


def test_an_operation_that_replaces_no_container_keeps_nothing(house: House) -> None:
    house.logs.before(house.operation("keys.regenerate", "wine-dev", ended=False))

    assert len(house.logs.of("wine-dev")) == 1


def test_a_worker_that_was_away_goes_on_where_it_was(house: House) -> None:
    house.is_now("wine-dev", "Unhealthy", "it hangs")
    house.watch.time += timedelta(hours=1)
    house.is_now("iris-dev", "Healthy", "iris")

    house.logs.keep_up()

    assert house.kept("wine-dev")[-1][1:3] == ("Unhealthy", "it hangs")
    assert house.kept("iris-dev") == [(CHANGE, "Healthy", "iris", False)]


def test_an_azure_that_does_not_answer_holds_nothing_up(house: House) -> None:
    house.azure.is_silent = True

    house.logs.before(house.operation("service.update", "wine-dev", ended=False))

    assert len(house.logs.of("wine-dev")) == 1


def test_keys_in_a_log_are_hidden_before_it_is_kept(house: House) -> None:
    secret = "Bearer " + "aB3" * 12

    kept = house.logs.keep(VIEWER, "wine-dev", parse(f"hello\nAuthorization: {secret}"), state="Healthy")

    assert "[hidden]" in house.logs.read(VIEWER, kept)[1].text
    assert secret not in b"".join(house.files.read(house.logs.of("wine-dev")[0].sha256)).decode()


def test_after_90_days_a_log_is_forgotten(house: House) -> None:
    id_ = house.logs.of("wine-dev")[0].id
    house.watch.time += KEPT_FOR + timedelta(days=1)

    house.logs.keep_up()
    house.files.clean_up()

    assert house.logs.of("wine-dev") == []
    with pytest.raises(NotFound, match="90 days"):
        house.logs.read(VIEWER, id_)
