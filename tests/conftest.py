"""What tests share: one real local workspace per run, and the SDK's own way to it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from tests.running_workspace import RunningWorkspace, connect
from tests.side_by_side import SideBySide, turn

if TYPE_CHECKING:
    from azureml.core import Workspace
    from xdist.remote import Producer


SDK_WARNINGS = (
    # The SDK's own YAML reader, at each environment.
    r"ignore:\s*\w+ will be removed:PendingDeprecationWarning",
    # Said at each deployment, to everyone who still uses this SDK.
    "ignore:azureml.core.model:FutureWarning",
)


def pytest_configure(config: pytest.Config) -> None:
    """Let pass what the SDK warns about itself, every other warning stays an error; judge no example by its time."""
    settings.register_profile("busy machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("busy machine")
    for warning in SDK_WARNINGS:
        config.addinivalue_line("filterwarnings", warning)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest."""
    items.sort(key=lambda item: turn(item.path.parent.name))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> SideBySide:
    """With `-n`, share the tests by stack and file."""
    return SideBySide(config, log)


@pytest.fixture(scope="session")
def _sdk_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home of its own for what the SDK caches, and settings it reads at import."""
    home = tmp_path_factory.mktemp("home")
    variables = {
        "HOME": str(home),
        "AZURE_CONFIG_DIR": str(home / "azure"),
        "AZUREML_LOG_DEPRECATION_WARNING_ENABLED": "False",
        "AZUREML_DEFAULT_BACKOFF": "1",
        "AZUREML_DEFAULT_RETRIES": "0",
        "NO_PROXY": "127.0.0.1,localhost",
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        yield home


@pytest.fixture(scope="session")
def local_workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningWorkspace]:
    """One real local workspace for the whole run."""
    workspace = RunningWorkspace(tmp_path_factory.mktemp("workspace") / "data")
    workspace.start()
    yield workspace
    workspace.stop()


@pytest.fixture(scope="session")
def sdk_workspace(local_workspace: RunningWorkspace, _sdk_home: Path) -> Iterator[Workspace]:
    """The unmodified SDK's `Workspace` of the local workspace."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REQUESTS_CA_BUNDLE", local_workspace.connection["ca_bundle"])
        yield connect(local_workspace.connection)
