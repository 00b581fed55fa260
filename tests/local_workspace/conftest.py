"""The SDK as a person would use it, and its swagger client as a second judge of every answer."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.running_workspace import RunningWorkspace

if TYPE_CHECKING:
    from azureml.core import Environment, Model, Workspace

ECHO = """
import json
import os

def init():
    print("init of the echo service")

def run(data):
    if "fail" in data:
        raise ValueError("the echo refuses")
    return {"data": json.loads(data), "models": sorted(
        os.path.relpath(os.path.join(folder, name), os.environ["AZUREML_MODEL_DIR"])
        for folder, _, names in os.walk(os.environ["AZUREML_MODEL_DIR"]) for name in names)}
"""

_numbers = itertools.count(1)


@pytest.fixture
def unique() -> Callable[[str], str]:
    """A name nobody else in this run uses."""
    return lambda stem: f"{stem}-{next(_numbers)}"


@pytest.fixture(scope="session")
def swagger(sdk_workspace: Workspace) -> Callable[..., Any]:
    """The SDK's swagger-generated client: `swagger("services", "query_by_id", "name")` parses the answer or raises."""
    client = sdk_workspace.service_context._get_modelmanagement_restclient()
    place = (sdk_workspace.subscription_id, sdk_workspace.resource_group, sdk_workspace.name)

    def ask(group: str, operation: str, /, *arguments: Any, **named: Any) -> Any:
        return getattr(getattr(client, group), operation)(*place, *arguments, **named)

    return ask


@pytest.fixture
def below_root(monkeypatch: pytest.MonkeyPatch) -> None:
    """Work at `/`, where every path is below the working directory: the SDK registers no others."""
    monkeypatch.chdir("/")


@pytest.fixture
def register(sdk_workspace: Workspace, tmp_path: Path, below_root: None) -> Callable[..., Model]:
    """Register a model of one small file."""
    from azureml.core import Model

    def register_(name: str, text: str = "weights", **arguments: Any) -> Model:
        file = tmp_path / f"{name}.txt"
        file.write_text(text)
        return Model.register(sdk_workspace, str(file), name, **arguments)

    return register_


@pytest.fixture(scope="session")
def environment(sdk_workspace: Workspace) -> Environment:
    """The environment of the services in these tests: built once, kept between runs."""
    from azureml.core import Environment

    made = Environment("echo")
    made.python.conda_dependencies.add_pip_package("azureml-defaults")
    return made


@pytest.fixture(scope="session")
def echo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A source folder whose `score.py` returns what it is sent, and the files of its models."""
    folder = tmp_path_factory.mktemp("echo") / "echo"
    folder.mkdir()
    (folder / "score.py").write_text(ECHO)
    return folder


@pytest.fixture
def broken_service(local_workspace: RunningWorkspace, unique: Callable[[str], str]) -> Iterator[Callable[..., str]]:
    """Create a service whose code was never uploaded: it fails at once, without an environment; gone with the test."""
    made = []

    def create(stem: str = "broken", **settings: Any) -> str:
        name = unique(stem)
        made.append(name)
        created = local_workspace.mms("POST", "/services", json=aci(name, **settings))
        assert created.status_code == 202, created.text
        operation = local_workspace.wait_for_operation(created.headers["Operation-Location"].rpartition("/")[2])
        assert operation["state"] == "Failed"
        return name

    yield create
    for name in made:
        local_workspace.mms("DELETE", f"/services/{name}").raise_for_status()


def aci(name: str, **settings: Any) -> dict[str, Any]:
    """A create request for ACI as the SDK sends it, with code that is nowhere."""
    request: dict[str, Any] = {
        "name": name,
        "computeType": "ACI",
        "environmentImageRequest": {
            "driverProgram": "driver",
            "assets": [{"id": "driver", "url": "aml://artifact/LocalUpload/nowhere/driver.py", "mimeType": "x"}],
            "modelIds": [],
            "environment": {"environmentVariables": {"AZUREML_ENTRY_SCRIPT": "score.py"}},
        },
    }
    return request | settings


@pytest.fixture
def deploy(
    sdk_workspace: Workspace,
    local_workspace: RunningWorkspace,
    environment: Environment,
    echo: Path,
) -> Callable[..., Any]:
    """Deploy by the SDK, and wait by polling the operation: the SDK itself looks every five seconds only."""
    from azureml.core import Model
    from azureml.core.model import InferenceConfig
    from azureml.core.webservice import AciWebservice

    def deploy_(
        name: str,
        models: list[Any],
        configuration: Any = None,
        *,
        target: Any = None,
        source: Path = echo,
        ends: str = "Succeeded",
        **arguments: Any,
    ) -> Any:
        service = Model.deploy(
            sdk_workspace,
            name,
            models,
            InferenceConfig(entry_script="score.py", source_directory=str(source), environment=environment),
            configuration or AciWebservice.deploy_configuration(cpu_cores=0.5, memory_gb=1, auth_enabled=True),
            deployment_target=target,
            **arguments,
        )
        operation = local_workspace.wait_for_operation(service._operation_endpoint.rpartition("/")[2])
        assert operation["state"] == ends, operation
        service.update_deployment_state()
        return service

    return deploy_
