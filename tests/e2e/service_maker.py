"""Services for browser tests, made in the whole stack through the public services, as a person would."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from services import bootstrap
from services.access import LOCAL_IDENTITIES
from services.azureml.fields import form_defaults
from services.files import CODE_LIMIT, MODEL_LIMIT
from services.planning.environments import from_requirements
from services.planning.wanted import CodeRef, EnvironmentRef, Wanted
from services.settings import Settings
from tests.e2e.stack import Stack, until

OPERATOR = LOCAL_IDENTITIES["operator"]
STARTING_SECONDS = 240
SCORE = """
import json

def init():
    print("the model is loaded")

def run(data):
    asked = json.loads(data)
    print("asked for", asked)
    return {"sum": sum(asked["data"])}
"""


@contextmanager
def open_desk(stack: Stack) -> Iterator[bootstrap.Desk]:
    """The services of a running stack, beside its screens."""
    places = {name.lower(): stack.environment[name] for name in ("DESK_DATA", "DESK_KEYS", "DESK_ANCHOR")}
    desk = bootstrap.desk(Settings(_env_file=None, **places))  # type: ignore[arg-type,call-arg]
    try:
        yield desk
    finally:
        desk.close()


def make_service(desk: bootstrap.Desk, name: str, **changes: Any) -> None:
    """Register a model, deploy it as a service on ACI, and come back when the service is healthy and listed."""
    model = desk.files.keep(io.BytesIO(b"weights"), name="weights.bin", purpose="model", by=OPERATOR, limit=MODEL_LIMIT)
    registered = _finish(desk, desk.registry.register(OPERATOR, name=name, upload=model))
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("score.py", SCORE)
    packed.seek(0)
    code = desk.files.keep(packed, name="score.zip", purpose="code", by=OPERATOR, limit=CODE_LIMIT)
    asked: dict[str, Any] = {
        "service": name,
        "target": "ACI",
        "model_ids": (str(registered["model_id"]),),
        "code": CodeRef(source="upload", entry_script="score.py", sha256=code.sha256, name=code.name),
        "environment": EnvironmentRef(name="sums", document=from_requirements("azureml-defaults\n", name="sums")),
        "configuration": {**form_defaults("ACI"), "cpu_cores": 0.5, "memory_gb": 1.0},
        "tags": {"application": name, "stage": "dev"},
    }
    wanted = Wanted(**(asked | changes))
    based_on = desk.deployments.plan(wanted).based_on
    _finish(desk, desk.deployments.launch(OPERATOR, wanted, based_on=based_on))
    until(
        lambda: any(listed.service.name == name and listed.state == "Healthy" for listed in desk.webservices.all()),
        what=f"{name} is healthy",
    )


def _finish(desk: bootstrap.Desk, operation_id: str) -> dict[str, Any]:
    until(lambda: not desk.operations.get(operation_id).is_open, what=f"{operation_id} ends", seconds=STARTING_SECONDS)
    ended = desk.operations.get(operation_id)
    assert ended.state == "succeeded", f"{ended.title}: {ended.error}"
    return ended.receipt or {}
