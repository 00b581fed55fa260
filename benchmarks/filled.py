"""An inventory of any size, written through the services' own writers: what the screens' reads are measured on.

No worker runs beside it: it would make the mirror like the workspace, which is empty. Its heartbeat is beaten here.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from services import bootstrap
from services.access import LOCAL_IDENTITIES
from services.azureml.types import Compute, EnvironmentVersion, ModelVersion, Problem, Replicas, Service
from services.clock import SystemClock
from services.health import BEAT_SECONDS, Health
from services.inventory import Inventory
from services.operations.records import VERSION
from services.settings import Settings
from services.storage import ledger, mirror

VERSIONS_A_NAME = 50
STAGES = ("dev", "test", "prod")
STATES = ("Unhealthy", "Failed", "Unschedulable", "Transitioning")
EVERY_NTH_IS_WORSE = 15
BATCH = 255
FRAMEWORKS = ("ScikitLearn", "Onnx", "TensorFlow", "PyTorch", "Custom")
KINDS = ("service.update", "service.deploy", "keys.rotate_idle", "model.edit", "service.update")


@dataclass(frozen=True, kw_only=True)
class Size:
    """How much there is."""

    versions: int
    services: int
    operations: int

    @property
    def words(self) -> str:
        """As it stands in a figure's name."""
        return f"{self.versions:,} versions, {self.services:,} services, {self.operations:,} operations"


FULL = Size(versions=10_000, services=300, operations=10_000)
TENTH = Size(versions=1_000, services=30, operations=1_000)


@dataclass(frozen=True)
class Generated:
    """Stands where the inventory reads Azure from."""

    size: Size
    now: datetime

    def services(self, *, timeout: float = 0.0) -> list[Service]:
        """Applications in three stages each, one in fifteen not well."""
        return [_service(number, self.now) for number in range(self.size.services)]

    def model_pages(self) -> Iterator[list[ModelVersion]]:
        """Newest first, in pages as Azure's."""
        for start in range(0, self.size.versions, BATCH):
            yield [model_version(number, self.now) for number in range(start, min(start + BATCH, self.size.versions))]

    def find_model(self, model_id: str) -> ModelVersion | None:
        """Not asked here."""
        return None

    def computes(self) -> list[Compute]:
        """Three clusters."""
        return [Compute(name=f"cluster-{number}", type="AKS", state="Succeeded", nodes=3) for number in range(3)]


def fill(settings: Settings, size: Size) -> None:
    """Write the mirror and the ledger."""
    desk = bootstrap.desk(settings)
    now, clock = datetime.now(UTC), SystemClock()
    environments = [
        EnvironmentVersion(name=f"environment-{number}", version="1", document=_environment(number))
        for number in range(20)
    ]
    inventory = Inventory(
        desk.databases[1],
        Generated(size, now),
        environments=lambda: environments,
        model_bytes=lambda _: None,
        workspace=desk.workspace,
        clock=clock,
    )
    inventory.refresh_services()
    inventory.sweep_models()
    inventory.refresh_environments()
    inventory.refresh_computes()
    _write_summaries(desk, size, now)
    inventory.note("summaries", None, 0.1)
    _write_operations(desk, size, now)
    desk.close()


@contextmanager
def beating(settings: Settings) -> Iterator[None]:
    """Say that the worker is alive and the inventory fresh, as often as the worker does."""
    desk = bootstrap.desk(settings)
    health = Health(desk.databases[1], workspace=desk.workspace, clock=SystemClock())
    inventory = Inventory(
        desk.databases[1],
        Generated(Size(versions=0, services=0, operations=0), datetime.now(UTC)),
        environments=list,
        model_bytes=lambda _: None,
        workspace=desk.workspace,
        clock=SystemClock(),
    )
    over = threading.Event()

    def beat() -> None:
        while True:
            health.beat(settings.worker_id)
            for what in ("services", "models", "summaries"):
                inventory.note(what, None, 0.1)
            if over.wait(BEAT_SECONDS):
                return

    thread = threading.Thread(target=beat)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        desk.close()


def settings_of(folder: Path) -> Settings:
    """The settings of a desk whose everything lies below a folder."""
    return Settings(
        _env_file=None,  # type: ignore[call-arg]
        desk_data=folder / "data",
        desk_keys=folder / "keys",
        desk_anchor=folder / "anchor" / "anchor",
        desk_samples=False,
    )


def service_name(number: int) -> str:
    """The name of the n-th service."""
    return f"application-{number // len(STAGES):03}-{STAGES[number % len(STAGES)]}"


def model_name(number: int) -> str:
    """The name the n-th newest version has."""
    return f"model-{number // VERSIONS_A_NAME:04}"


def model_version(number: int, now: datetime) -> ModelVersion:
    """The n-th newest version."""
    name, version = model_name(number), VERSIONS_A_NAME - number % VERSIONS_A_NAME
    return ModelVersion(
        id=f"{name}:{version}",
        name=name,
        version=version,
        framework=FRAMEWORKS[number % len(FRAMEWORKS)],
        framework_version="1.5",
        description=f"Trained on the data of week {number % 53}, for the application {number % 100}",
        created_at=now - timedelta(minutes=number),
        modified_at=now - timedelta(minutes=number),
        created_by=f"person {number % 12}",
        tags={"stage": STAGES[number % len(STAGES)], "application": f"application-{number % 100:03}"},
        properties={"auc": f"0.{number % 1000:03}", "desk-bytes": str(1000 + number)},
        run_id=f"run-{number}",
        url=f"aml://asset/{number:032x}",
    )


def _service(number: int, now: datetime) -> Service:
    name = service_name(number)
    is_worse = number % EVERY_NTH_IS_WORSE == 0
    state = STATES[number // EVERY_NTH_IS_WORSE % len(STATES)] if is_worse else "Healthy"
    is_aks = number % 2 == 1
    wrong = Problem(code="KubernetesDeploymentFailed", message="Couldn't schedule: the container crashed 6 times.")
    return Service(
        name=name,
        compute_type="AKS" if is_aks else "ACI",
        compute=f"cluster-{number % 3}" if is_aks else None,
        state=state,
        error=wrong if state in ("Failed", "Unhealthy") else None,
        scoring_uri=f"http://127.0.0.1:9/api/v1/service/{name}/score",
        created_at=now - timedelta(days=90, minutes=number),
        updated_at=now - timedelta(hours=number),
        created_by=f"person {number % 12}",
        description=f"Answers for application {number // len(STAGES)}",
        tags={"application": f"application-{number // len(STAGES):03}", "stage": STAGES[number % len(STAGES)]},
        model_ids=(f"{model_name(number)}:{VERSIONS_A_NAME - number % VERSIONS_A_NAME}",),
        configuration={
            "auth_enabled": number % 40 != 7,
            "enable_app_insights": True,
            "cpu_cores": 0.5,
            "memory_gb": 1.0,
            "scoring_timeout_ms": 60_000,
            "max_concurrent_requests_per_container": 1,
            "autoscale_enabled": is_aks,
        },
        entry_script="source/score.py",
        environment_name=f"environment-{number % 20}",
        environment_version="1",
        environment=_environment(number),
        code=({"id": f"{number:08x}", "url": f"aml://artifact/LocalUpload/{number}/code.tar.gz", "unpack": True},),
        deployment_status=Replicas(desired=2, updated=2, available=2) if is_aks else None,
    )


def _environment(number: int) -> dict[str, object]:
    packages = [f"package-{number % 7}-{each}=={each}.{number % 9}.0" for each in range(25)]
    return {
        "name": f"environment-{number % 20}",
        "version": "1",
        "python": {"condaDependencies": {"dependencies": ["python=3.11", {"pip": ["azureml-defaults", *packages]}]}},
        "environmentVariables": {"OMP_NUM_THREADS": "1"},
    }


def _write_summaries(desk: bootstrap.Desk, size: Size, now: datetime) -> None:
    rows = [
        {
            "workspace": desk.workspace,
            "service": service_name(number),
            "read_at": now,
            "content": {
                "requests": 1000 + number,
                "errors": 100 if number % 25 == 3 else 0,
                "soft_failures": 0,
                "p50_ms": 12.0,
                "p95_ms": 40.0 + number % 50,
                "p99_ms": 90.0,
                "last_row_at": now.isoformat(),
                "first_error_at": now.isoformat() if number % 25 == 3 else None,
            },
        }
        for number in range(size.services)
    ]
    with desk.databases[1].writing() as work:
        work.execute(sa.insert(mirror.summaries), rows)


def _write_operations(desk: bootstrap.Desk, size: Size, now: datetime) -> None:
    """Each with its plan, receipt, steps and the entry in the chained audit log; three run now, two wait for a person."""
    person = LOCAL_IDENTITIES["operator"]
    operations: list[dict[str, Any]] = []
    steps: list[dict[str, Any]] = []
    for number in range(size.operations):
        kind = KINDS[number % len(KINDS)]
        at = now - timedelta(minutes=number)
        is_service = not kind.startswith("model")
        state = "running" if number < 3 else "stopped" if number < 5 else "failed" if number % 20 == 0 else "succeeded"
        subject = service_name(number % size.services) if is_service else f"{model_name(number % size.versions)}:1"
        operation_id = f"{number:032x}"
        operations.append(
            {
                "id": operation_id,
                "workspace": desk.workspace,
                "kind": kind,
                "subject_kind": "service" if is_service else "model",
                "subject": subject,
                "title": f"{kind} {subject}",
                "arguments": {"service": subject, "target": "AKS", "environment": _environment(number)},
                "plan": {
                    "changes": [{"field": f"field_{each}", "before": each, "after": each + 1} for each in range(8)]
                },
                "reason": "Planned change",
                "person_id": person.id,
                "person_name": person.name,
                "role": person.role.word,
                "requested_at": at,
                "started_at": at,
                "ended_at": None if state in ("running", "stopped") else at + timedelta(seconds=70),
                "state": state,
                "error": "The container crashed." if state == "failed" else None,
                "receipt": {"asked": _environment(number), "got": {"state": "Healthy"}},
                "version": VERSION,
                "leg": 1,
            }
        )
        steps += [
            {
                "operation": operation_id,
                "position": position,
                "name": name,
                "label": f"Step {name}",
                "state": "done" if state == "succeeded" else "running" if position == 0 else "waiting",
                "started_at": at,
                "attempts": 1,
            }
            for position, name in enumerate(("check", "submit", "follow", "read_back"))
        ]
    with desk.databases[0].writing() as work:
        work.execute(sa.insert(ledger.operations), operations)
        work.execute(sa.insert(ledger.operation_steps), steps)
        for row in reversed(operations):
            desk.audit.record(
                work,
                person,
                row["kind"],
                row["subject_kind"],
                row["subject"],
                result="asked",
                before={"cpu_cores": 0.5},
                after={"cpu_cores": 1.0},
                operation=row["id"],
                event=f"{row['id']}:asked",
            )
