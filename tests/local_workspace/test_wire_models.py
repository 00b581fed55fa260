"""Models through the unmodified SDK: registered, found, changed, downloaded, deleted; the swagger client agrees."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.local_workspace.conftest import aci
from tests.running_workspace import RunningWorkspace

if TYPE_CHECKING:
    from azureml.core import Model, Workspace

Register = Callable[..., "Model"]


def test_a_file_is_registered_with_everything_said_about_it(
    sdk_workspace: Workspace, register: Register, swagger: Callable[..., Any]
) -> None:
    from azureml.core import Model

    made = register(
        "wine",
        tags={"stage": "dev"},
        properties={"seed": "7"},
        description="Reds and whites",
        model_framework=Model.Framework.SCIKITLEARN,
        model_framework_version="1.5",
    )
    read = Model(sdk_workspace, "wine")
    parsed = swagger("ml_models", "query_by_id", made.id)

    assert (made.id, made.version) == ("wine:1", 1)
    assert (read.tags, read.properties["seed"], read.description) == ({"stage": "dev"}, "7", "Reds and whites")
    assert (read.model_framework, read.model_framework_version) == ("ScikitLearn", "1.5")
    assert read.created_by["userName"] == "Local workspace"
    assert (parsed.id, parsed.version, parsed.kv_tags) == ("wine:1", 1, {"stage": "dev"})
    assert parsed.created_time is not None


def test_the_next_registration_under_a_name_is_the_next_version(sdk_workspace: Workspace, register: Register) -> None:
    from azureml.core import Model

    first, second = register("twice", "one"), register("twice", "two")

    assert (first.version, second.version) == (1, 2)
    assert Model(sdk_workspace, "twice").version == 2
    second.delete()
    assert register("twice", "three").version == 3


def test_a_folder_comes_back_as_it_was(sdk_workspace: Workspace, tmp_path: Path, below_root: None) -> None:
    from azureml.core import Model

    folder = tmp_path / "a folder"
    (folder / "deeper").mkdir(parents=True)
    (folder / "deeper" / "x ? #1 %20.bin").write_bytes(bytes(range(256)))
    (folder / "y.txt").write_text("y")

    made = Model.register(sdk_workspace, str(folder), "folder")
    made.download(str(tmp_path / "back"))

    back = tmp_path / "back" / "a folder"
    assert (back / "deeper" / "x ? #1 %20.bin").read_bytes() == bytes(range(256))
    assert (back / "y.txt").read_text() == "y"


def test_a_large_file_is_uploaded_in_blocks(sdk_workspace: Workspace, tmp_path: Path, below_root: None) -> None:
    from azureml.core import Model

    file = tmp_path / "large.bin"
    file.write_bytes(os.urandom(1024) * (70 * 1024))

    made = Model.register(sdk_workspace, str(file), "large")
    made.download(str(tmp_path / "back"))

    assert (tmp_path / "back" / "large.bin").read_bytes() == file.read_bytes()


def test_every_filter_narrows_the_list(sdk_workspace: Workspace, register: Register) -> None:
    from azureml.core import Model

    register("filter-a", tags={"colour": "red", "size": "1"}, properties={"origin": "here"})
    register("filter-a", tags={"colour": "blue"})
    register("filter-b", tags={"colour": "red"}, model_framework=Model.Framework.ONNX)

    def ids(**asked: Any) -> list[str]:
        return [model.id for model in Model.list(sdk_workspace, **asked) if model.name.startswith("filter-")]

    assert ids() == ["filter-b:1", "filter-a:2", "filter-a:1"]
    assert ids(name="filter-a") == ["filter-a:2", "filter-a:1"]
    assert ids(tags=["colour"]) == ["filter-b:1", "filter-a:2", "filter-a:1"]
    assert ids(tags=[["colour", "red"]]) == ["filter-b:1", "filter-a:1"]
    assert ids(tags=[["colour", "red"], "size"]) == ["filter-a:1"]
    assert ids(properties=[["origin", "here"]]) == ["filter-a:1"]
    assert ids(properties=[["origin", "there"]]) == []
    assert ids(latest=True) == ["filter-b:1", "filter-a:2"]
    assert Model(sdk_workspace, name="filter-b", model_framework=Model.Framework.ONNX).id == "filter-b:1"
    assert Model(sdk_workspace, name="filter-a", tags=[["colour", "red"]]).id == "filter-a:1"


def test_filters_of_the_wire_that_the_sdk_has_no_argument_for(
    local_workspace: RunningWorkspace, register: Register
) -> None:
    made = register("described", description="a very particular description")

    def ids(**query: str) -> list[str]:
        return [model["id"] for model in local_workspace.mms("GET", "/models", params=query).json()["value"]]

    assert ids(description="very particular") == [made.id]
    assert ids(runId="run-that-is-not") == []
    assert ids(datasetId="data-that-is-not") == []
    ascending = ids(orderBy="CreatedAtAsc")
    assert ascending == sorted(ascending, key=ascending.index)
    assert ids(orderBy="CreatedAtAsc", name="described") == ids(orderBy="CreatedAtDesc", name="described")
    assert local_workspace.mms("GET", "/models", params={"orderBy": "Size"}).status_code == 400


def test_a_run_id_and_experiment_are_kept_and_found(
    sdk_workspace: Workspace, local_workspace: RunningWorkspace, register: Register
) -> None:
    from azureml.core import Model

    url = local_workspace.mms("GET", f"/models/{register('trained').id}").json()["url"]
    body = {"name": "trained", "url": url, "runId": "run-1", "experimentName": "training", "mimeType": "x"}
    assert local_workspace.mms("POST", "/models", json=body).status_code == 200

    found = Model.list(sdk_workspace, run_id="run-1")

    assert [(model.id, model.run_id, model.experiment_name) for model in found] == [("trained:2", "run-1", "training")]


def test_the_list_is_paged_and_a_registration_meanwhile_shifts_nothing(
    sdk_workspace: Workspace, local_workspace: RunningWorkspace, register: Register
) -> None:
    from azureml.core import Model

    url = local_workspace.mms("GET", f"/models/{register('paged').id}").json()["url"]
    for _ in range(44):
        local_workspace.mms("POST", "/models", json={"name": "paged", "url": url})

    first = local_workspace.mms("GET", "/models", params={"name": "paged", "count": "20"}).json()
    register("paged")
    second = local_workspace.call("GET", first["nextLink"].removeprefix(local_workspace.connection["url"])).json()
    third = local_workspace.call("GET", second["nextLink"].removeprefix(local_workspace.connection["url"])).json()

    versions = [model["version"] for page in (first, second, third) for model in page["value"]]
    assert versions == list(range(45, 0, -1))
    assert third["nextLink"] is None
    assert len(Model.list(sdk_workspace, name="paged", page_count=20)) == 46


def test_the_swagger_client_parses_a_page(register: Register, swagger: Callable[..., Any]) -> None:
    for _ in range(3):
        register("swagger-page", tags={"page": "one"})

    page = swagger("ml_models", "list_query", name="swagger-page", tags="page=one", count=2, order_by="CreatedAtAsc")
    rest = swagger("ml_models", "list_query", name="swagger-page", count=2, skip_token=page.continuation_token)

    assert [model.id for model in page.value] == ["swagger-page:1", "swagger-page:2"]
    assert "skipToken" in page.next_link
    assert rest.value


def test_tags_properties_and_description_change(
    sdk_workspace: Workspace, register: Register, swagger: Callable[..., Any]
) -> None:
    from azureml.core import Model

    model = register("changing", tags={"a": "1"})
    model.add_tags({"b": "2"})
    model.remove_tags(["a"])
    model.add_properties({"p": "1"})
    model.update(description="now described", sample_input_dataset=None)

    parsed = swagger("ml_models", "query_by_id", model.id)
    assert (parsed.kv_tags, parsed.properties["p"], parsed.description) == ({"b": "2"}, "1", "now described")
    assert parsed.modified_time > parsed.created_time
    assert Model(sdk_workspace, id=model.id).tags == {"b": "2"}


def test_a_property_once_set_stays_as_it_is(local_workspace: RunningWorkspace, register: Register) -> None:
    model = register("fixed", properties={"p": "1"})
    patch = [{"op": "add", "path": "/properties", "value": {"p": "2"}}]

    answer = local_workspace.mms("PATCH", f"/models/{model.id}", json=patch)

    assert answer.status_code == 400
    assert "'p'" in answer.json()["details"][0]["message"]
    assert local_workspace.mms("PATCH", f"/models/{model.id}", json=[{"path": "/version"}]).status_code == 400


def test_a_model_is_deleted_once_and_then_is_not_there(
    sdk_workspace: Workspace, local_workspace: RunningWorkspace, register: Register, swagger: Callable[..., Any]
) -> None:
    from azureml.core import Model
    from azureml.exceptions import WebserviceException

    model = register("short-lived")
    model.delete()

    assert local_workspace.mms("DELETE", f"/models/{model.id}").status_code == 204
    with pytest.raises(WebserviceException, match="ModelNotFound"):
        Model(sdk_workspace, id=model.id)
    kinds = [row["kind"] for row in local_workspace.ledger(resource="model", name="short-lived")]
    assert kinds == ["register", "delete"]


def test_a_model_is_not_deleted_while_a_service_uses_it(
    local_workspace: RunningWorkspace, register: Register, broken_service: Callable[..., str]
) -> None:
    from azureml.exceptions import WebserviceException

    model = register("needed")
    request = aci("x")["environmentImageRequest"] | {"modelIds": [model.id]}
    service = broken_service("user", environmentImageRequest=request)

    refused = local_workspace.mms("DELETE", f"/models/{model.id}")
    with pytest.raises(WebserviceException, match="Response Code: 412"):
        model.delete()

    assert refused.status_code == 412
    assert refused.json()["code"] == "DeletionRequired"
    assert service in refused.json()["details"][0]["message"]
    local_workspace.mms("DELETE", f"/services/{service}")
    assert local_workspace.mms("DELETE", f"/models/{model.id}").status_code == 200


def test_a_model_needs_a_name_and_an_asset(local_workspace: RunningWorkspace) -> None:
    for body in ({}, {"name": "-x", "url": "aml://asset/1"}, {"name": "x", "url": "http://x"}):
        answer = local_workspace.mms("POST", "/models", json=body)
        assert answer.status_code == 400
        assert answer.json()["details"][0]["message"]
    assert local_workspace.mms("POST", "/models", json={"name": "x", "url": "aml://asset/none"}).status_code == 404
    assert local_workspace.mms("POST", "/models", data="{").status_code == 400


def test_an_asset_is_parsed_by_the_swagger_client(
    local_workspace: RunningWorkspace, register: Register, swagger: Callable[..., Any]
) -> None:
    model = register("of-an-asset")
    asset_id = local_workspace.mms("GET", f"/models/{model.id}").json()["url"].removeprefix("aml://asset/")

    asset = swagger("assets", "query_by_id", asset_id)

    assert asset.artifacts[0].prefix.startswith("LocalUpload/")
    assert local_workspace.mms("DELETE", f"/assets/{asset_id}").status_code == 412


def test_bytes_are_given_only_to_whom_has_the_signature(local_workspace: RunningWorkspace, register: Register) -> None:
    model = register("signed")
    asset_id = local_workspace.mms("GET", f"/models/{model.id}").json()["url"].removeprefix("aml://asset/")
    prefix = local_workspace.mms("GET", f"/assets/{asset_id}").json()["artifacts"][0]["prefix"]
    base = f"/artifact/v2.0{local_workspace.resource_id}/artifacts"
    content = local_workspace.call("GET", f"{base}/prefix/contentinfo/{prefix}").json()["value"][0]
    path = content["contentUri"].removeprefix(local_workspace.connection["url"])

    assert local_workspace.call("GET", path, token=None).text == "weights"
    assert local_workspace.call("HEAD", path, token=None).headers["Content-Length"] == "7"
    assert local_workspace.call("GET", path[:-1] + "x", token=None).status_code == 403
    assert local_workspace.call("GET", path.partition("?")[0], token=None).status_code == 403
    assert local_workspace.call("GET", f"{base}/contentinfo/LocalUpload/none/none").status_code == 404


def test_artifacts_cannot_be_declared_outside_their_container(local_workspace: RunningWorkspace) -> None:
    base = f"/artifact/v2.0{local_workspace.resource_id}/artifacts/batch/metadata/LocalUpload/c"
    for path in ("../x", "/etc/passwd", "a/../../b", ""):
        assert local_workspace.call("POST", base, json={"paths": [{"path": path}]}).status_code == 400
