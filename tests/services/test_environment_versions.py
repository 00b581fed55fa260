"""Environments as the desk lists them: the newest of each from Azure ML's list, those before one by one."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from services import bootstrap
from services.azureml import payloads
from services.azureml.types import EnvironmentVersion
from services.bootstrap import Desk
from services.inventory import Inventory, older_versions
from services.settings import Settings
from tests.running_workspace import RunningWorkspace


@pytest.fixture
def desk(settings: Settings, local_workspace: RunningWorkspace) -> Iterator[Desk]:
    """A desk, connected to the workspace."""
    opened = bootstrap.desk(settings.model_copy(update={"workspace_connection": local_workspace.connection_file}))
    yield opened
    opened.close()


def register(workspace: RunningWorkspace, name: str, version: str) -> None:
    """A version of an environment as others may have registered it."""
    path = f"/environment/v1.0{workspace.resource_id}/environments/{name}/versions/{version}"
    document = {"Name": name, "EnvironmentVariables": {"VERSION": version}}
    workspace.call("PUT", path, json=document).raise_for_status()


def test_older_versions_of_an_environment_are_offered_too_the_newest_first(
    desk: Desk, local_workspace: RunningWorkspace
) -> None:
    # 2 was never registered, as where somebody numbered by hand.
    for version in ("1", "3", "9", "10"):
        register(local_workspace, "many-versions", version)
    register(local_workspace, "named-version", "summer")
    inventory = Inventory(
        desk.databases[1],
        desk.gateway.mms,
        environments=desk.gateway.mms.environments,
        model_bytes=lambda _: None,
        workspace=desk.workspace,
        clock=desk.clock,
    )

    for _ in range(2):
        inventory.refresh_environments()

        listed = [
            (found.name, found.version, found.document["environmentVariables"])
            for found in desk.webservices.environments()
            if found.name in ("many-versions", "named-version")
        ]
        assert listed == [
            *[("many-versions", version, {"VERSION": version}) for version in ("10", "9", "3", "1")],
            ("named-version", "summer", {"VERSION": "summer"}),
        ]


def test_a_list_of_environments_goes_on_over_its_pages(desk: Desk, local_workspace: RunningWorkspace) -> None:
    names = {f"paged-{number}" for number in range(101)}
    for name in names:
        register(local_workspace, name, "1")

    assert names <= {found.name for found in desk.gateway.mms.environments()}


def test_only_versions_that_azure_counted_are_asked_for_and_none_of_its_own_environments() -> None:
    newest = [
        EnvironmentVersion(name="ours", version="12"),
        EnvironmentVersion(name="first", version="1"),
        EnvironmentVersion(name="by-hand", version="2026.11"),
        EnvironmentVersion(name="AzureML-sklearn-1.5", version="30"),
    ]

    assert list(older_versions(newest)) == [("ours", str(number)) for number in range(11, 2, -1)]


def test_a_row_that_cannot_be_read_is_left_out_and_said_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    rows = [{"name": "good", "version": "2", "python": None}, {"version": "7"}, None, {"name": "later", "version": "1"}]

    with caplog.at_level(logging.WARNING):
        found = payloads.readable(rows, payloads.environment)

    assert [(row.name, row.version) for row in found] == [("good", "2"), ("later", "1")]
    assert len(caplog.records) == 2
    caplog.clear()
    models = payloads.readable([{"name": "a", "version": 1}, {"name": "b", "version": "one"}], payloads.model_version)
    assert [model.id for model in models] == ["a:1"]
    assert "b is left out of the list" in caplog.text
