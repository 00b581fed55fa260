"""Make the samples: `python -m samples`. Asks the desk for ordinary operations and waits for each.

Every operation has an id made of its name, so a second start finds what the first one did and goes on from there.
"""

from __future__ import annotations

import hashlib
import io
import logging
import sys
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from samples.training import HERE, REQUIREMENTS, Trained, train
from services import bootstrap
from services.access import Person, Role
from services.azureml.fields import form_defaults
from services.errors import DeskError
from services.files import CODE_LIMIT, MODEL_LIMIT, StoredFile
from services.operations.records import Operation
from services.planning.wanted import CodeRef, EnvironmentRef, Wanted
from services.settings import Settings

log = logging.getLogger("samples")

MAKER = Person(id="local/samples", name="the samples", role=Role.ADMIN, is_local=True)
CLUSTER = "samples-aks"
ENVIRONMENT = "samples-env"
POLL_SECONDS = 0.5
LONGEST_WAIT_SECONDS = 1800.0
REASON = "Sample of the first start"


@dataclass(frozen=True)
class Maker:
    """Asks for the operations."""

    desk: bootstrap.Desk

    def make(self) -> None:
        """All samples, the ones people see first first."""
        cluster = self._start(
            "compute.create", CLUSTER, {"name": CLUSTER, "nodes": 3, "vm_size": "Standard_D3_v2", "purpose": "FastProd"},
            title=f"Create the cluster {CLUSTER}",
        )  # fmt: skip
        environment = self._start(
            "environment.register", ENVIRONMENT, {"name": ENVIRONMENT, "pip": REQUIREMENTS.read_text()},
            title=f"Register the environment {ENVIRONMENT}",
        )  # fmt: skip
        trained = train(self.desk.settings.data / "samples")
        self._ended(environment)
        ridge = self._register("diabetes", trained.ridge, "a ridge regression", trained)
        regressor = self._code("regressor")
        self._deploy("diabetes-dev", "ACI", ridge, regressor, application="diabetes", stage="dev")
        boosting = self._register("diabetes", trained.boosting, "gradient boosting", trained)
        wine = self._register("wine", trained.wine, "a logistic regression on scaled measurements", trained)
        iris = self._register_onnx(trained)
        self._ended(cluster)
        self._deploy("diabetes-prod", "AKS", ridge, regressor, application="diabetes", stage="prod")
        self._deploy("wine-dev", "ACI", wine, self._code("classifier"), application="wine", stage="dev")
        self._deploy("iris-dev", "ACI", iris, None, application="iris", stage="dev")
        self._deploy(
            "diabetes-next", "ACI", boosting, self._code("unfinished"), application="diabetes-next", stage="dev"
        )

    def _register(self, name: str, path: Path, what: str, trained: Trained) -> str:
        score = trained.scores[path.stem]
        return self._registered(
            name,
            path,
            framework="ScikitLearn",
            framework_version=trained.sklearn_version,
            description=f"{what[0].upper()}{what[1:]}; score {score} on a quarter of the data held back.",
            tags={"algorithm": path.stem.rpartition("-")[2], "data": name, "score": str(score)},
        )

    def _register_onnx(self, trained: Trained) -> str:
        return self._registered(
            "iris-onnx",
            trained.iris_onnx,
            framework="Onnx",
            framework_version="",
            description="A logistic regression on iris flowers, as the onnxruntime package ships it.",
            tags={"algorithm": "logistic regression", "data": "iris"},
        )

    def _registered(self, name: str, path: Path, **facts: Any) -> str:
        operation = self._known("register", name, path.name)
        if operation is None:
            kept = self._kept(io.BytesIO(path.read_bytes()), path.name, "model")
            started = self.desk.registry.register(
                MAKER,
                name=name,
                upload=kept,
                operation_id=_id(self.desk.workspace, "register", name, path.name),
                **facts,
            )
            operation = self.desk.operations.get(started)
        return str((self._ended(operation.id).receipt or {})["model_id"])

    def _code(self, name: str) -> CodeRef:
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            # A fixed time: the same code is the same file at every start.
            archive.writestr(
                zipfile.ZipInfo("score.py", (2026, 1, 1, 0, 0, 0)), (HERE / "code" / name / "score.py").read_text()
            )
        packed.seek(0)
        kept = self._kept(packed, f"{name}.zip", "code")
        return CodeRef(source="upload", entry_script="score.py", sha256=kept.sha256, name=kept.name)

    def _kept(self, content: io.BytesIO, name: str, purpose: str) -> StoredFile:
        limit = MODEL_LIMIT if purpose == "model" else CODE_LIMIT
        return self.desk.files.keep(content, name=name, purpose=purpose, by=MAKER, limit=limit)

    def _deploy(
        self, service: str, target: str, model_id: str, code: CodeRef | None, *, application: str, stage: str
    ) -> None:
        if self._known("deploy", service) is None:
            self._wait_until_listed(model_id)
            wanted = Wanted(
                service=service,
                target="AKS" if target == "AKS" else "ACI",
                compute=CLUSTER if target == "AKS" else None,
                model_ids=(model_id,),
                code=code,
                environment=EnvironmentRef(name=ENVIRONMENT, version="1") if code else None,
                configuration=_configuration(target),
                tags={"application": application, "stage": stage},
                description=f"Sample: {application} in {stage}.",
            )
            self.desk.deployments.launch(
                MAKER,
                wanted,
                based_on=self.desk.deployments.plan(wanted).based_on,
                reason=REASON,
                operation_id=_id(self.desk.workspace, "deploy", service),
            )
        self._ended(_id(self.desk.workspace, "deploy", service))

    def _start(self, kind: str, subject: str, arguments: dict[str, Any], *, title: str) -> str:
        return self.desk.operations.start(
            MAKER,
            kind,
            subject,
            arguments,
            title=title,
            reason=REASON,
            operation_id=_id(self.desk.workspace, kind, subject),
        )

    def _known(self, *names: str) -> Operation | None:
        try:
            return self.desk.operations.get(_id(self.desk.workspace, *names))
        except DeskError:
            return None

    def _ended(self, operation_id: str) -> Operation:
        until = time.monotonic() + LONGEST_WAIT_SECONDS
        while (found := self.desk.operations.get(operation_id)).is_open:
            if time.monotonic() > until:
                raise DeskError(f"“{found.title}” did not end: see Operations.")
            time.sleep(POLL_SECONDS)
        log.info("%s: %s", found.title, found.state)
        return found

    def _wait_until_listed(self, model_id: str) -> None:
        until = time.monotonic() + LONGEST_WAIT_SECONDS
        while time.monotonic() < until:
            try:
                self.desk.registry.get(model_id)
            except DeskError:
                time.sleep(POLL_SECONDS)
            else:
                return
        raise DeskError(f"{model_id} is not listed: does the worker run?")


def _configuration(target: str) -> dict[str, Any]:
    known = form_defaults("AKS" if target == "AKS" else "ACI")
    sizes = {"cpu_cores": 0.5, "memory_gb": 1.0}
    if target == "AKS":
        sizes |= {"autoscale_enabled": True, "autoscale_min_replicas": 2, "autoscale_max_replicas": 4}
    return {**known, **sizes}


def _id(*names: str) -> str:
    return hashlib.sha256("\n".join(("samples", *names)).encode()).hexdigest()[:32]


def wait_for_desk(settings: Settings) -> bootstrap.Desk:
    """The desk, as soon as workspace and worker have started."""
    until = time.monotonic() + LONGEST_WAIT_SECONDS
    while not settings.connection.exists() and time.monotonic() < until:
        time.sleep(POLL_SECONDS)
    desk = bootstrap.desk(settings)
    while time.monotonic() < until:
        if any(part.name == "worker" and part.is_well for part in desk.health.heartbeats()):
            return desk
        time.sleep(POLL_SECONDS)
    raise DeskError("The worker did not start: the samples cannot be made.")


def main() -> int:
    """Make them, once."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s", stream=sys.stderr)
    settings = Settings()
    if not settings.is_local or not settings.desk_samples:
        log.info("No samples are wanted here.")
        return 0
    try:
        Maker(wait_for_desk(settings)).make()
    except DeskError as error:
        log.error(error.sentence)
        return 1
    log.info("The samples are there.")
    print("The samples are there.", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
