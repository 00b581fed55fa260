"""Deployments through the unmodified SDK, on real replicas: created, scored, changed, listed, deleted."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests

from tests.running_workspace import RunningWorkspace, wait_for

if TYPE_CHECKING:
    from azureml.core import Environment, Model, Workspace

pytestmark = pytest.mark.slow

Deploy = Callable[..., Any]
Register = Callable[..., "Model"]


def score(service: Any, secret: str | None, text: str = "hi") -> requests.Response:
    """One raw scoring request."""
    headers = {"Authorization": f"Bearer {secret}"} if secret else {}
    return requests.post(service.scoring_uri, data=json.dumps(text), headers=headers, timeout=30)


@pytest.fixture(scope="module")
def cluster(sdk_workspace: Workspace) -> Any:
    """A development cluster of one node."""
    from azureml.core.compute import AksCompute, ComputeTarget

    configuration = AksCompute.provisioning_configuration(
        agent_count=1, cluster_purpose=AksCompute.ClusterPurpose.DEV_TEST
    )
    made = ComputeTarget.create(sdk_workspace, "deployments", configuration)
    made.wait_for_completion()
    return made


def test_a_service_on_aci_is_deployed_scored_rotated_and_deleted(
    sdk_workspace: Workspace,
    local_workspace: RunningWorkspace,
    environment: Environment,
    echo: Path,
    register: Register,
    swagger: Callable[..., Any],
) -> None:
    from azureml.core import Model, Webservice
    from azureml.core.model import InferenceConfig
    from azureml.core.webservice import AciWebservice

    model = register("on-aci")
    service = Model.deploy(
        sdk_workspace,
        "echo-aci",
        [model],
        InferenceConfig(entry_script="score.py", source_directory=str(echo), environment=environment),
        AciWebservice.deploy_configuration(
            cpu_cores=0.5,
            memory_gb=1,
            auth_enabled=True,
            tags={"stage": "dev"},
            properties={"p": "1"},
            description="Echo",
        ),
    )
    busy = local_workspace.mms("PATCH", "/services/echo-aci", json=[{"op": "replace", "path": "/kvTags", "value": {}}])
    service.wait_for_deployment(show_output=True)

    assert busy.status_code == 409
    assert service.state == "Healthy"
    parsed = swagger("services", "query_by_id", "echo-aci")
    assert (parsed.state.value, parsed.compute_type, parsed.auth_enabled) == ("Healthy", "ACI", True)
    assert (parsed.kv_tags, parsed.models_property[0].id) == ({"stage": "dev"}, "on-aci:1")
    assert service.run(json.dumps("hi")) == {"data": "hi", "models": ["on-aci.txt"]}
    assert "init of the echo service" in service.get_logs()
    assert len(service.get_logs(num_lines=2).splitlines()) <= 2

    primary, secondary = service.get_keys()
    local_workspace.mms("POST", "/services/echo-aci/regenerateKeys", json={"keyType": "Secondary"}).raise_for_status()
    assert service.get_keys()[0] == primary
    new_secondary = service.get_keys()[1]
    assert [score(service, key).status_code for key in (primary, secondary, new_secondary, None)] == [
        200,
        401,
        200,
        401,
    ]
    service.regen_key("Primary", set_key="a-key-of-my-own")
    assert score(service, "a-key-of-my-own").status_code == 200

    assert [found.name for found in Webservice.list(sdk_workspace, model_id=model.id)] == ["echo-aci"]
    service.delete()
    wait_for(lambda: score(service, primary).status_code == 404, "the front end to forget the service", 10)
    assert "echo-aci" not in [found.name for found in Webservice.list(sdk_workspace)]


def test_an_aci_service_is_updated_by_every_path_it_has(
    local_workspace: RunningWorkspace, deploy: Deploy, register: Register
) -> None:
    service = deploy("updated-aci", [register("updated")])

    service.update(tags={"a": "1"}, properties={"p": "1"}, description="new")
    service.update(auth_enabled=False)
    service.update_deployment_state()
    assert (service.tags, service.properties["p"], service.description) == ({"a": "1"}, "1", "new")
    assert score(service, None).status_code == 200

    service.update(enable_app_insights=True)
    local_workspace.wait_for_operation(service._operation_endpoint.rpartition("/")[2])
    again = local_workspace.wait_for_state("updated-aci", "Healthy")
    assert again["appInsightsEnabled"] is True
    local_workspace.mms("DELETE", "/services/updated-aci")


def test_several_models_lie_in_azures_layout_and_an_overwrite_changes_them(
    local_workspace: RunningWorkspace, deploy: Deploy, register: Register
) -> None:
    one, two = register("first-of-two"), register("second-of-two")
    service = deploy("several", [one, two])
    before = service.get_keys()
    files = ["first-of-two/1/first-of-two.txt", "second-of-two/1/second-of-two.txt"]
    assert service.run(json.dumps("hi"))["models"] == files

    service = deploy("several", [two], overwrite=True)

    assert service.run(json.dumps("hi"))["models"] == ["second-of-two.txt"]
    assert service.get_keys() == before
    assert len(local_workspace.ledger(resource="service", name="several", kind="create")) == 2
    folder = local_workspace.data / "services" / "several"
    wait_for(lambda: len(list(folder.iterdir())) == 1, "the files of the version before to be let go", 10)
    service.delete()


def test_a_service_on_aks_has_azures_defaults_and_is_updated_by_every_path(
    local_workspace: RunningWorkspace, deploy: Deploy, register: Register, cluster: Any, swagger: Callable[..., Any]
) -> None:
    from azureml.core.webservice import AksWebservice

    service = deploy("on-aks", [register("on-aks")], AksWebservice.deploy_configuration(), target=cluster)

    parsed = swagger("services", "query_by_id", "on-aks")
    assert (parsed.auth_enabled, parsed.aad_auth_enabled, parsed.app_insights_enabled) == (True, False, False)
    assert (parsed.scoring_timeout_ms, parsed.max_queue_wait_ms) == (60_000, 500)
    assert parsed.max_concurrent_requests_per_container == 1
    assert (parsed.auto_scaler.autoscale_enabled, parsed.auto_scaler.max_replicas) == (True, 10)
    assert parsed.liveness_probe_requirements.initial_delay_seconds == 310
    assert parsed.deployment_status.available_replicas == 1
    assert (parsed.compute_name, parsed.namespace) == ("deployments", "default")

    service.update(
        autoscale_enabled=False,
        num_replicas=2,
        scoring_timeout_ms=5000,
        max_request_wait_time=100,
        tags={"a": "1"},
        properties={"p": "1"},
        description="changed",
        cpu_cores=0.2,
        cpu_cores_limit=0.4,
        memory_gb=1,
        memory_gb_limit=2,
        replica_max_concurrent_requests=2,
        collect_model_data=True,
        namespace="team",
        period_seconds=5,
        initial_delay_seconds=20,
        timeout_seconds=3,
        success_threshold=2,
        failure_threshold=4,
    )
    local_workspace.wait_for_operation(service._operation_endpoint.rpartition("/")[2])
    parsed = swagger("services", "query_by_id", "on-aks")
    assert (parsed.num_replicas, parsed.auto_scaler.autoscale_enabled) == (2, False)
    assert (parsed.scoring_timeout_ms, parsed.max_queue_wait_ms) == (5000, 100)
    asked = local_workspace.mms("GET", "/services/on-aks").json()["containerResourceRequirements"]
    assert asked == {"cpu": 0.2, "cpuLimit": 0.4, "memoryInGB": 1, "memoryInGBLimit": 2, "gpu": 0}
    assert (parsed.liveness_probe_requirements.period_seconds, parsed.namespace) == (5, "team")
    assert parsed.data_collection.storage_enabled is True
    assert parsed.deployment_status.desired_replicas == 2

    service.update(token_auth_enabled=True, auth_enabled=False)
    given = service.get_access_token()
    assert score(service, given.access_token).status_code == 200
    assert score(service, given.access_token[:-4]).status_code == 401
    assert score(service, None).status_code == 401
    assert (given.token_type, given.expiry_on > given.refresh_after) == ("Bearer", True)
    parsed_token = swagger("services", "get_service_token", "on-aks")
    assert parsed_token.expiry_on > parsed_token.refresh_after
    service.delete()


def test_a_busy_service_gets_more_replicas_by_itself(
    local_workspace: RunningWorkspace, deploy: Deploy, register: Register, cluster: Any, tmp_path: Path
) -> None:
    from azureml.core.webservice import AksWebservice

    source = tmp_path / "source"
    source.mkdir()
    (source / "score.py").write_text("import time\ndef init(): pass\ndef run(data): time.sleep(0.3); return 1\n")
    configuration = AksWebservice.deploy_configuration(
        autoscale_enabled=True, autoscale_min_replicas=1, autoscale_max_replicas=2, max_request_wait_time=5000
    )
    service = deploy("scaling", [register("scaling")], configuration, target=cluster, source=source)
    key = service.get_keys()[0]

    def two_replicas() -> bool:
        with ThreadPoolExecutor(4) as threads:
            assert [answer.status_code for answer in threads.map(lambda _: score(service, key), range(8))] == [200] * 8
        status = local_workspace.mms("GET", "/services/scaling").json()["deploymentStatus"]
        return status["availableReplicas"] == 2

    wait_for(two_replicas, "a second replica", 30)
    service.delete()


def test_a_deployment_that_cannot_import_fails_with_azures_body_and_log(
    sdk_workspace: Workspace,
    local_workspace: RunningWorkspace,
    environment: Environment,
    register: Register,
    tmp_path: Path,
    swagger: Callable[..., Any],
) -> None:
    from azureml.core import Model
    from azureml.core.model import InferenceConfig
    from azureml.core.webservice import AciWebservice
    from azureml.exceptions import WebserviceException

    source = tmp_path / "source"
    source.mkdir()
    (source / "score.py").write_text("import nowhere_to_be_found\ndef init(): pass\ndef run(data): return data\n")
    service = Model.deploy(
        sdk_workspace,
        "no-import",
        [register("no-import")],
        InferenceConfig(entry_script="score.py", source_directory=str(source), environment=environment),
        AciWebservice.deploy_configuration(),
    )

    with pytest.raises(WebserviceException, match="AciDeploymentFailed"):
        service.wait_for_deployment()

    operation = swagger("operations", "get", service._operation_endpoint.rpartition("/")[2])
    assert (operation.state.value, operation.operation_details.sub_operation_type) == ("Failed", "DeployService")
    assert operation.error.details
    assert swagger("services", "query_by_id", "no-import").state.value == "Failed"
    assert "nowhere_to_be_found" in service.get_logs()
    service.delete()


def test_an_init_that_hangs_times_out_and_is_healthy_when_it_ends_after_all(
    local_workspace: RunningWorkspace, deploy: Deploy, register: Register, tmp_path: Path, swagger: Callable[..., Any]
) -> None:
    source, done = tmp_path / "source", tmp_path / "done"
    source.mkdir()
    (source / "score.py").write_text(
        "import os, time\n"
        f"def init():\n    while not os.path.exists({str(done)!r}): time.sleep(0.1)\n"
        "def run(data): return 1\n"
    )

    service = deploy("hanging", [register("hanging")], source=source, ends="TimedOut")
    operation = swagger("operations", "get", service._operation_endpoint.rpartition("/")[2])
    assert (operation.error.code, operation.error.status_code) == ("DeploymentTimedOut", 504)
    assert service.state == "Unhealthy"

    done.touch()
    assert "error" not in local_workspace.wait_for_state("hanging", "Healthy", seconds=60)
    assert score(service, service.get_keys()[0]).json() == 1
    assert local_workspace.mms("GET", f"/operations/{operation.id}").json()["state"] == "TimedOut"
    service.delete()


def test_an_environment_that_cannot_be_built_fails_by_name(
    sdk_workspace: Workspace, local_workspace: RunningWorkspace, register: Register, echo: Path
) -> None:
    from azureml.core import Environment, Model
    from azureml.core.model import InferenceConfig
    from azureml.core.webservice import AciWebservice

    environment = Environment("impossible")
    environment.python.conda_dependencies.add_pip_package("azureml-defaults")
    environment.python.conda_dependencies.add_pip_package("surely-no-such-package-anywhere==99.9")
    service = Model.deploy(
        sdk_workspace,
        "unbuildable",
        [register("unbuildable")],
        InferenceConfig(entry_script="score.py", source_directory=str(echo), environment=environment),
        AciWebservice.deploy_configuration(),
    )

    operation = local_workspace.wait_for_operation(service._operation_endpoint.rpartition("/")[2])

    assert operation["state"] == "Failed"
    assert operation["operationDetails"] == {"subOperationType": "BuildEnvironment", "subOperationState": "Failed"}
    assert "surely-no-such-package-anywhere" in json.dumps(operation["error"])
    log = local_workspace.call(
        "GET", operation["operationLog"].removeprefix(local_workspace.connection["url"]), token=None
    )
    assert "surely-no-such-package-anywhere" in log.text
    service.delete()


def test_a_scikit_learn_model_is_deployed_without_code(
    sdk_workspace: Workspace, local_workspace: RunningWorkspace, tmp_path: Path, below_root: None
) -> None:
    import joblib
    import sklearn
    from azureml.core import Model
    from azureml.core.webservice import AciWebservice
    from sklearn.linear_model import LinearRegression

    joblib.dump(LinearRegression().fit([[0.0], [1.0]], [1.0, 3.0]), tmp_path / "line.pkl")
    model = Model.register(
        sdk_workspace,
        str(tmp_path / "line.pkl"),
        "line",
        model_framework=Model.Framework.SCIKITLEARN,
        model_framework_version=sklearn.__version__,
    )
    service = Model.deploy(
        sdk_workspace, "no-code", [model], deployment_config=AciWebservice.deploy_configuration(auth_enabled=True)
    )
    local_workspace.wait_for_operation(service._operation_endpoint.rpartition("/")[2])

    answer = service.run(json.dumps({"data": [[2.0]], "method": "predict"}))

    assert answer["predict"] == pytest.approx([5.0])
    service.delete()


def test_new_models_come_by_an_update(
    local_workspace: RunningWorkspace, deploy: Deploy, register: Register, environment: Environment, echo: Path
) -> None:
    from azureml.core.model import InferenceConfig

    service = deploy("renewed", [register("renewed")])
    newer = register("renewed", "newer weights")

    service.update(
        models=[newer],
        inference_config=InferenceConfig(entry_script="score.py", source_directory=str(echo), environment=environment),
    )

    operation = local_workspace.wait_for_operation(service._operation_endpoint.rpartition("/")[2])
    assert operation["state"] == "Succeeded"
    document = local_workspace.mms("GET", "/services/renewed").json()
    assert [model["id"] for model in document["models"]] == [newer.id]
    assert [row["kind"] for row in local_workspace.ledger(name="renewed", resource="service")] == ["create", "update"]
    service.delete()


def test_an_update_that_no_node_can_hold_is_unschedulable_and_the_old_version_serves(
    local_workspace: RunningWorkspace, deploy: Deploy, register: Register, cluster: Any
) -> None:
    from azureml.core.webservice import AksWebservice

    configuration = AksWebservice.deploy_configuration(autoscale_enabled=False, num_replicas=1)
    service = deploy("too-large", [register("too-large")], configuration, target=cluster)

    service.update(memory_gb=1000)
    operation = local_workspace.wait_for_operation(service._operation_endpoint.rpartition("/")[2])

    service.update_deployment_state()
    assert (operation["state"], service.state) == ("Failed", "Unschedulable")
    assert "Couldn't Schedule" in operation["error"]["message"]
    assert "0/1 nodes are available: 1 Insufficient memory." in operation["error"]["details"][0]["message"]
    assert score(service, service.get_keys()[0]).status_code == 200

    service.update(memory_gb=1)
    local_workspace.wait_for_operation(service._operation_endpoint.rpartition("/")[2])
    service.update_deployment_state()
    assert service.state == "Healthy"
    service.delete()
