"""The desk's way to Azure ML against a real local workspace, through the real SDK: nothing is done twice."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from services.azureml.computes import create_aks
from services.azureml.credentials import for_desk, for_worker
from services.azureml.gateway import Gateway, open_gateway
from services.azureml.sdk import Code, Deployment
from services.azureml.translate import AnswerLost, Busy, Throttled
from services.azureml.types import EnvironmentVersion, Operation, Replicas
from services.errors import Conflict, Forbidden, Invalid, NotFound, Unavailable
from services.settings import Settings
from tests.running_workspace import RunningWorkspace, wait_for

UNBUILDABLE = "dependencies:\n- no-such-package-in-any-channel\n- pip:\n  - azureml-defaults\n"


@pytest.fixture(scope="module")
def worker(local_workspace: RunningWorkspace, _sdk_home: Path) -> Iterator[Gateway]:
    with pytest.MonkeyPatch.context() as patch:
        # The worker sets this for its whole process; here it has to end with the module.
        patch.setenv("REQUESTS_CA_BUNDLE", local_workspace.connection["ca_bundle"])
        gateway = open_gateway(for_worker(_settings(local_workspace)))
        yield gateway
        gateway.close()


@pytest.fixture(scope="module")
def desk(local_workspace: RunningWorkspace) -> Iterator[Gateway]:
    gateway = open_gateway(for_desk(_settings(local_workspace)))
    yield gateway
    gateway.close()


@pytest.fixture(scope="module")
def unbuildable(worker: Gateway) -> EnvironmentVersion:
    """An environment whose build fails at once, for tests of what is sent rather than of what runs."""
    return worker.registry.register_environment("unbuildable", conda=UNBUILDABLE)


@pytest.fixture(scope="module")
def model_id(worker: Gateway, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("model") / "weights.bin"
    path.write_bytes(b"weights")
    return worker.registry.register_model("gateway-weights", {"weights.bin": path}, mark="gateway-weights").id


@pytest.fixture
def code(tmp_path: Path) -> Code:
    folder = tmp_path / "source"
    folder.mkdir()
    (folder / "score.py").write_text('def init():\n    pass\n\n\ndef run(data):\n    return {"got": data}\n')
    return Code(folder=folder, entry_script="score.py")


@pytest.fixture
def fault(local_workspace: RunningWorkspace) -> Callable[..., None]:
    """Begin a fault; what is left of it ends with the test."""
    return lambda **asked: local_workspace.admin("POST", "/admin/faults", {"seconds": 30, **asked})


@pytest.fixture(autouse=True)
def _no_fault_left(local_workspace: RunningWorkspace) -> Iterator[None]:
    yield
    for left in local_workspace.admin("GET", "/admin/faults")["value"]:
        local_workspace.admin("DELETE", f"/admin/faults/{left['id']}")


def test_a_cluster_says_whether_container_insights_is_on_and_one_that_may_not_be_read_does_not(
    desk: Gateway, local_workspace: RunningWorkspace, fault: Callable[..., None]
) -> None:
    computes = f"{local_workspace.resource_id}/computes"
    for name in ("insights-on", "insights-off"):
        body = {"properties": {"computeType": "AKS"}}
        local_workspace.call("PUT", f"{computes}/{name}", json=body).raise_for_status()
    local_workspace.admin("PUT", "/admin/computes/insights-on/container-insights", {"on": True})

    def switches() -> dict[str, bool | None]:
        return {row.name: row.container_insights for row in desk.mms.computes() if row.name.startswith("insights-")}

    assert switches() == {"insights-on": True, "insights-off": False}
    fault(kind="control-plane-500", path="managedClusters/insights-on$")
    assert switches() == {"insights-on": None, "insights-off": False}
    for name in ("insights-on", "insights-off"):
        local_workspace.call("DELETE", f"{computes}/{name}").raise_for_status()


def test_the_read_only_credential_lists_everything_and_changes_nothing(desk: Gateway, model_id: str) -> None:
    assert desk.access.name == "local token (read only)"
    desk.mms.services()
    desk.mms.computes()
    assert model_id in [version.id for page in desk.mms.model_pages(page_size=20) for version in page]
    with pytest.raises(Forbidden):
        desk.mms.delete_model(model_id)
    with pytest.raises(Forbidden):
        desk.mms.patch_model(model_id, [{"op": "replace", "path": "/description", "value": "x"}])
    assert desk.mms.model(model_id).description is None


def test_a_folder_comes_back_as_it_was_uploaded(worker: Gateway, tmp_path: Path) -> None:
    files = {}
    for name in ("forest/model.pkl", "forest/parts/a.bin"):
        path = tmp_path / name.replace("/", "-")
        path.write_bytes(name.encode() * 100)
        files[name] = path
    version = worker.registry.register_model(
        "forest", files, mark="forest", framework="ScikitLearn", framework_version="1.7", tags={"application": "wood"}
    )
    assert version.bytes == sum(path.stat().st_size for path in files.values())
    assert (version.framework, version.tags) == ("ScikitLearn", {"application": "wood"})
    found = worker.registry.download_model(version.id, into=tmp_path / "back")
    assert {str(path.relative_to(tmp_path / "back")): path.read_bytes() for path in found} == {
        name: path.read_bytes() for name, path in files.items()
    }


def test_a_model_is_edited_to_nothing_and_deleted_twice(worker: Gateway, tmp_path: Path) -> None:
    path = tmp_path / "m.bin"
    path.write_bytes(b"1")
    version = worker.registry.register_model("edited", {"m.bin": path}, mark="e", tags={"a": "b"}, description="old")
    edited = worker.registry.edit_model(version.id, tags={}, description="", properties={"seen": "yes"})
    assert (edited.tags, edited.description or "") == ({}, "")
    assert edited.properties["seen"] == "yes"
    assert edited.operation == "e"
    worker.registry.delete_model(version.id)
    worker.registry.delete_model(version.id)
    with pytest.raises(NotFound):
        worker.mms.model(version.id)


def test_a_registration_whose_answer_is_lost_makes_one_version(
    worker: Gateway, local_workspace: RunningWorkspace, fault: Callable[..., None], tmp_path: Path
) -> None:
    path = tmp_path / "m.bin"
    path.write_bytes(b"1")
    fault(kind="answer-lost", method="POST", path="/models$", count=1)
    with pytest.raises(AnswerLost):
        worker.registry.register_model("lost", {"m.bin": path}, mark="lost-1")
    again = worker.registry.register_model("lost", {"m.bin": path}, mark="lost-1")
    assert again.version == 1
    assert len(local_workspace.ledger(name="lost", kind="register")) == 1


@pytest.mark.parametrize("overwrite", [False, True], ids=["new", "overwrite"])
def test_a_deployment_whose_answer_is_lost_is_created_once(
    overwrite: bool,
    worker: Gateway,
    local_workspace: RunningWorkspace,
    fault: Callable[..., None],
    code: Code,
    unbuildable: EnvironmentVersion,
    model_id: str,
) -> None:
    name = f"lost-{'over' if overwrite else 'new'}"
    deployment = Deployment(
        name=name,
        compute_type="ACI",
        model_ids=[model_id],
        configuration={"auth_enabled": True},
        code=code,
        environment=unbuildable.document,
        overwrite=overwrite,
    )
    fault(kind="answer-lost", method="POST", path="/services$", count=1)
    with pytest.raises(AnswerLost):
        worker.sdk.submit_deployment(deployment, mark=f"{name}-1")
    again = worker.sdk.submit_deployment(deployment, mark=f"{name}-1")
    assert again.repeated
    assert again.operation_id is not None
    assert len(local_workspace.ledger(name=name, kind="create")) == 1
    ended = _ended(worker, again.operation_id)
    assert ended.state == "Failed"
    assert ended.error is not None
    assert "no-such-package-in-any-channel" in ended.error.text + worker.mms.operation_log(again.operation_id)
    assert worker.mms.service(name).properties == {}, "the commit of the desk's own checkout is not the model's"
    worker.mms.delete_service(name)


def test_a_service_is_changed_and_its_key_regenerated_once_though_the_answers_are_lost(
    worker: Gateway,
    desk: Gateway,
    local_workspace: RunningWorkspace,
    fault: Callable[..., None],
    code: Code,
    unbuildable: EnvironmentVersion,
    model_id: str,
) -> None:
    deployment = Deployment(
        name="changed",
        compute_type="ACI",
        model_ids=[model_id],
        configuration={"auth_enabled": True},
        code=code,
        environment=unbuildable.document,
        tags={"stage": "dev"},
        description="before",
    )
    submitted = worker.sdk.submit_deployment(deployment, mark="changed-1")
    assert submitted.operation_id is not None
    _ended(worker, submitted.operation_id)
    with pytest.raises(Conflict, match="already a service") as refused:
        worker.sdk.submit_deployment(deployment, mark="changed-2")
    assert not isinstance(refused.value, Busy)

    fault(kind="answer-lost", method="PATCH", path="/services/changed$", count=1)
    with pytest.raises(AnswerLost):
        worker.sdk.update_service("changed", mark="changed-3", tags={"stage": "prod"})
    assert worker.sdk.update_service("changed", mark="changed-3", tags={"stage": "prod"}).repeated
    assert len(local_workspace.ledger(name="changed", kind="update")) == 1
    assert desk.mms.service("changed").tags == {"stage": "prod", "desk-operation": "changed-3"}

    worker.sdk.update_service("changed", mark="changed-4", description="")
    after = desk.mms.service("changed")
    assert (after.description or "", after.tags["stage"]) == ("", "prod")

    before = desk.mms.keys("changed")
    fault(kind="answer-lost", method="POST", path="/regenerateKeys$", count=1)
    with pytest.raises(AnswerLost):
        worker.mms.regenerate_key("changed", "secondary")
    now = desk.mms.keys("changed")
    assert now.primary == before.primary
    assert now.secondary != before.secondary
    assert len(local_workspace.ledger(name="changed", kind="regenerate")) == 1
    worker.mms.regenerate_key("changed", "primary", value="my-own-key-of-32-characters-1234")
    assert desk.mms.keys("changed").primary == "my-own-key-of-32-characters-1234"

    with pytest.raises(Invalid, match="cpu_cores"):
        worker.sdk.update_service("changed", mark="changed-5", configuration={"cpu_cores": 2})
    with pytest.raises(Conflict):
        worker.registry.delete_model(model_id)
    worker.mms.delete_service("changed")
    wait_for(lambda: desk.mms.find_service("changed") is None, "the service to be gone", 30)
    assert worker.mms.delete_service("changed") is None


def test_a_wrong_setting_is_refused_before_anything_is_sent(
    worker: Gateway, local_workspace: RunningWorkspace, code: Code, unbuildable: EnvironmentVersion, model_id: str
) -> None:
    def deploy(**configuration: object) -> None:
        worker.sdk.submit_deployment(
            Deployment(
                name="refused",
                compute_type="AKS",
                compute="cluster",
                model_ids=[model_id],
                configuration=configuration,
                code=code,
                environment=unbuildable.document,
            ),
            mark="refused-1",
        )

    with pytest.raises(Invalid, match="num_replica "):
        deploy(num_replica=2)
    with pytest.raises(Invalid, match="autoscale enabled and num_replicas"):
        deploy(num_replicas=2, autoscale_enabled=True)
    assert local_workspace.ledger(name="refused") == []


def test_a_deployment_that_is_given_up_sends_nothing_afterwards(
    worker: Gateway,
    local_workspace: RunningWorkspace,
    fault: Callable[..., None],
    code: Code,
    unbuildable: EnvironmentVersion,
    model_id: str,
) -> None:
    deployment = Deployment(
        name="given-up", compute_type="ACI", model_ids=[model_id], code=code, environment=unbuildable.document
    )
    fault(kind="control-plane-slow", method="GET", path="/models/", milliseconds=1500)
    with pytest.raises(AnswerLost):
        worker.sdk.submit_deployment(deployment, mark="given-up-1", timeout=0.5)
    wait_for(lambda: "azureml: deploy given-up" not in _threads(), "the call to come back", 30)
    assert local_workspace.ledger(name="given-up") == []


def test_a_workspace_in_trouble_is_told_in_time(worker: Gateway, fault: Callable[..., None]) -> None:
    worker.mms.services()
    fault(kind="control-plane-429", method="GET", path="/services$", count=1)
    with pytest.raises(Throttled) as throttled:
        worker.mms.services()
    assert throttled.value.retry_after is None or throttled.value.retry_after >= 0
    fault(kind="control-plane-500", method="GET", path="/services$", count=1)
    with pytest.raises(Unavailable, match="failed with 500"):
        worker.mms.services()
    fault(kind="control-plane-slow", method="GET", path="/services$", milliseconds=2000, count=1)
    with pytest.raises(Unavailable, match="did not answer in time"):
        worker.mms.services(timeout=0.3)
    worker.mms.services()


def test_environments_and_clusters_are_registered_once_and_listed(worker: Gateway, desk: Gateway) -> None:
    first = worker.registry.register_environment("twice", pip="numpy==2.3.2\n", variables={"WORKER_COUNT": "2"})
    second = worker.registry.register_environment("twice", pip="numpy==2.3.2\n", variables={"WORKER_COUNT": "2"})
    assert first.version == second.version
    assert first.document["environmentVariables"] == {"WORKER_COUNT": "2"}
    third = worker.registry.register_environment("twice", pip="numpy==2.3.3\n")
    assert third.version != first.version
    assert "twice" in [found.name for found in desk.mms.environments()]
    assert worker.registry.environment("twice", version=first.version) == first
    with pytest.raises(NotFound):
        worker.registry.environment("never-registered")
    create_aks(worker.access, "gateway-aks", nodes=1, vm_size="Standard_D3_v2", purpose="DevTest")
    found = wait_for(
        lambda: next((c for c in desk.mms.computes() if c.name == "gateway-aks"), None), "the cluster to be listed", 30
    )
    assert (found.type.upper(), found.nodes, found.purpose) == ("AKS", 1, "DevTest")


def test_a_workspace_that_was_started_again_is_found_again(tmp_path: Path) -> None:
    workspace = RunningWorkspace(tmp_path / "data")
    workspace.start()
    with _open(workspace) as gateway:
        try:
            assert gateway.mms.services() == []
            workspace.stop()
            with pytest.raises(Unavailable):
                gateway.mms.services()
        finally:
            workspace.connection_file.unlink(missing_ok=True)
            workspace.start()
        assert gateway.mms.services() == []
    workspace.stop()


@pytest.mark.slow
def test_a_service_runs_changes_its_model_and_is_redeployed_with_its_keys(
    worker: Gateway, desk: Gateway, code: Code, model_id: str, tmp_path: Path
) -> None:
    path = tmp_path / "weights.bin"
    path.write_bytes(b"newer")
    newer = worker.registry.register_model("gateway-weights", {"weights.bin": path}, mark="newer").id
    environment = worker.registry.register_environment("gateway-serving", pip="azureml-defaults\n")
    deployment = Deployment(
        name="runs",
        compute_type="ACI",
        model_ids=[model_id],
        configuration={"auth_enabled": True, "enable_app_insights": True},
        code=code,
        environment=environment.document,
    )
    submitted = worker.sdk.submit_deployment(deployment, mark="runs-1")
    with pytest.raises(Busy):
        worker.sdk.update_service("runs", mark="runs-2", configuration={"enable_app_insights": False})
    assert _succeeded(worker, submitted.operation_id).phase == "DeployService"
    service = desk.mms.service("runs")
    assert (service.state, service.auth, service.model_ids) == ("Healthy", "key", (model_id,))
    assert service.entry_script == "source/score.py"

    _succeeded(worker, worker.sdk.update_service("runs", mark="runs-3", model_ids=[newer]).operation_id)
    changed = desk.mms.service("runs")
    assert (changed.model_ids, changed.code) == ((newer,), service.code)
    assert "azmlinfsrv" in desk.mms.logs("runs", tail=200)

    keys = desk.mms.keys("runs")
    again = Deployment(
        name="runs",
        compute_type="ACI",
        model_ids=[model_id],
        configuration={"auth_enabled": True},
        request=worker.mms.service_document("runs")["environmentImageRequest"],
        overwrite=True,
    )
    sent = {"primary_key": keys.primary, "secondary_key": keys.secondary}
    _succeeded(worker, worker.sdk.submit_deployment(again, mark="runs-4", secrets=sent).operation_id)
    assert desk.mms.keys("runs") == keys
    assert desk.mms.service("runs").model_ids == (model_id,)
    worker.mms.delete_service("runs")


@pytest.mark.slow
def test_an_aks_service_gives_tokens_and_takes_values_that_the_sdk_leaves_out(
    worker: Gateway, desk: Gateway, code: Code, model_id: str
) -> None:
    environment = worker.registry.register_environment("gateway-serving", pip="azureml-defaults\n")
    create_aks(worker.access, "gateway-tokens", nodes=1, vm_size="Standard_D3_v2", purpose="DevTest")
    wait_for(
        lambda: any(c.name == "gateway-tokens" and c.state == "Succeeded" for c in desk.mms.computes()), "a cluster", 60
    )
    deployment = Deployment(
        name="tokens",
        compute_type="AKS",
        compute="gateway-tokens",
        model_ids=[model_id],
        configuration={
            "auth_enabled": False,
            "token_auth_enabled": True,
            "num_replicas": 1,
            "autoscale_enabled": False,
        },
        code=code,
        environment=environment.document,
    )
    _succeeded(worker, worker.sdk.submit_deployment(deployment, mark="tokens-1").operation_id)
    service = desk.mms.service("tokens")
    assert (service.auth, service.compute) == ("token", "gateway-tokens")
    assert service.deployment_status == Replicas(desired=1, updated=1, available=1)
    token = desk.mms.token("tokens")
    assert token.refresh_after < token.expires_at
    assert token.token not in repr(token)

    changes = {"gpu_cores": 0, "num_replicas": 2, "autoscale_enabled": False}
    changed = worker.sdk.update_service("tokens", mark="tokens-2", configuration=changes, description="")
    _succeeded(worker, changed.operation_id)
    assert {name: desk.mms.service("tokens").configuration[name] for name in changes} == changes
    worker.mms.delete_service("tokens")


def _settings(workspace: RunningWorkspace) -> Settings:
    return Settings(_env_file=None, workspace_connection=workspace.connection_file)  # type: ignore[call-arg]


@contextmanager
def _open(workspace: RunningWorkspace) -> Iterator[Gateway]:
    gateway = open_gateway(for_worker(_settings(workspace)))
    yield gateway
    gateway.close()


def _threads() -> set[str]:
    return {thread.name for thread in threading.enumerate()}


def _ended(gateway: Gateway, operation_id: str | None) -> Operation:
    assert operation_id is not None
    return wait_for(
        lambda: found if (found := gateway.mms.operation(operation_id)).is_final else None, "the operation to end", 120
    )


def _succeeded(gateway: Gateway, operation_id: str | None) -> Operation:
    ended = _ended(gateway, operation_id)
    assert ended.state == "Succeeded", ended.error
    return ended
