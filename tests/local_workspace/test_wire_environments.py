"""Environments through the SDK: registered, found by version and label, listed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from tests.running_workspace import RunningWorkspace

if TYPE_CHECKING:
    from azureml.core import Workspace


def test_an_environment_is_registered_and_comes_back(sdk_workspace: Workspace) -> None:
    from azureml.core import Environment

    made = Environment("scoring")
    made.python.conda_dependencies.add_pip_package("azureml-defaults")
    made.environment_variables = {"WORKER_COUNT": "2"}
    registered = made.register(sdk_workspace)

    read = Environment.get(sdk_workspace, "scoring")
    assert registered.version == read.version == "1"
    assert read.environment_variables["WORKER_COUNT"] == "2"
    assert "azureml-defaults" in list(read.python.conda_dependencies.pip_packages)


def test_other_contents_are_the_next_version_and_old_ones_stay(sdk_workspace: Workspace) -> None:
    from azureml.core import Environment

    for package in ("numpy", "scipy"):
        made = Environment("growing")
        made.python.conda_dependencies.add_pip_package(package)
        made.register(sdk_workspace)

    first = Environment.get(sdk_workspace, "growing", version="1")
    newest = Environment.get(sdk_workspace, "growing")
    assert newest.version == "2"
    assert "numpy" in list(first.python.conda_dependencies.pip_packages)
    assert "scipy" in list(newest.python.conda_dependencies.pip_packages)


def test_a_label_finds_one_version(sdk_workspace: Workspace, local_workspace: RunningWorkspace) -> None:
    from azureml.core import Environment

    for package in ("numpy", "scipy"):
        made = Environment("labelled")
        made.python.conda_dependencies.add_pip_package(package)
        made.register(sdk_workspace)
    base = f"/environment/v1.0{local_workspace.resource_id}/environments/labelled"
    for version in ("1", "2", "1"):
        path = f"{base}/versions/{version}/metadata"
        assert local_workspace.call("PUT", path, json={"Labels": ["blessed"]}).status_code == 200

    assert Environment.get(sdk_workspace, "labelled", label="blessed").version == "1"
    assert local_workspace.call("GET", f"{base}/labels/latest").json()["version"] == "2"
    assert local_workspace.call("GET", f"{base}/labels/unknown").status_code == 404


def test_a_name_with_a_slash_is_a_name(sdk_workspace: Workspace) -> None:
    from azureml.core import Environment

    Environment("team/scoring").register(sdk_workspace)

    assert Environment.get(sdk_workspace, "team/scoring").name == "team/scoring"


def test_all_are_listed_over_pages(
    sdk_workspace: Workspace, local_workspace: RunningWorkspace, unique: Callable[[str], str]
) -> None:
    from azureml.core import Environment

    base = f"/environment/v1.0{local_workspace.resource_id}/environments"
    names = {unique("many") for _ in range(101)}
    for name in names:
        assert local_workspace.call("PUT", f"{base}/{name}", json={"Name": name, "python": {}}).status_code == 200

    assert names <= set(Environment.list(sdk_workspace))
    first = local_workspace.call("GET", f"{base}/").json()
    assert len(first["value"]) == 100
    early = f"0{unique('early')}"
    assert local_workspace.call("PUT", f"{base}/{early}", json={"Name": early, "python": {}}).status_code == 200
    listed = [one["name"] for one in first["value"]]
    after = {"continuation": first["continuationToken"]}
    rest = [one["name"] for one in local_workspace.call("GET", f"{base}/", params=after).json()["value"]]
    assert not set(listed) & set(rest)
    assert names <= set(listed + rest)


def test_one_that_is_not_there_is_said_so(sdk_workspace: Workspace, local_workspace: RunningWorkspace) -> None:
    from azureml.core import Environment

    with pytest.raises(Exception, match="Code: 404"):
        Environment.get(sdk_workspace, "nowhere")


def test_a_version_never_changes_its_contents(local_workspace: RunningWorkspace) -> None:
    path = f"/environment/v1.0{local_workspace.resource_id}/environments/frozen/versions/7"
    document = {"Name": "frozen", "EnvironmentVariables": {"A": "1"}}

    assert local_workspace.call("PUT", path, json=document).status_code == 200
    assert local_workspace.call("PUT", path, json=document).status_code == 200
    changed = local_workspace.call("PUT", path, json=document | {"EnvironmentVariables": {"A": "2"}})
    assert changed.status_code == 409
    assert len(local_workspace.ledger(resource="environment", name="frozen")) == 1


def test_an_environment_without_a_python_part_does_not_break_the_list(
    local_workspace: RunningWorkspace, sdk_workspace: Workspace
) -> None:
    path = f"/environment/v1.0{local_workspace.resource_id}/environments/bare/versions/1"
    assert local_workspace.call("PUT", path, json={"Name": "bare"}).status_code == 200

    from azureml.core.environment import Environment

    assert "bare" in Environment.list(sdk_workspace)
