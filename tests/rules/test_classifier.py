"""Failures are named right, or not at all: every signature, near misses, and failures nobody knows."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from services.azureml.types import Problem, Replicas, Service
from services.classifier import Cause, Evidence, Load, Raised, Running, Seen, Text, classify, package_of, texts_of
from services.monitoring import code_map
from services.replica_sizing import size
from services.signatures import SIGNATURES

AKS = Evidence(service="wine-prod", compute_type="AKS", state="Healthy", desired=2, available=2)
ACI = Evidence(service="wine-dev", compute_type="ACI", state="Failed")

IMPORT_ERROR = """\
2026-11-21 20:19:03,048 I [28988] gunicorn.error - Booting worker with pid: 28988
2026-11-21 20:19:03,620 E [28988] azmlinfsrv - Traceback (most recent call last):
  File "/var/azureml-app/source/score.py", line 6, in <module>
    import sklearn.linear_model
ModuleNotFoundError: No module named 'sklearn'

The above exception was the direct cause of the following exception:

azureml_inference_server_http.server.user_script.UserScriptImportException: Failed to import user script
2026-11-21 20:19:03,630 E [28987] gunicorn.error - Worker (pid:28988) exited with code 3.
2026-11-21 20:19:03,640 E [28987] gunicorn.error - Shutting down: Master
2026-11-21 20:19:03,641 E [28987] gunicorn.error - Reason: Worker failed to boot.
"""
RAISED = """\
2026-11-21 20:20:20,193 E [29386] azmlinfsrv - Encountered Exception: Traceback (most recent call last):
  File "/var/azureml-app/source/score.py", line 10, in run
    return {"sum": sum(asked["data"])}
KeyError: 'data'

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "/opt/miniconda/lib/python3.11/site-packages/azureml_inference_server_http/server/routes.py", line 222, in handle_score
    timed_result = main_blueprint.user_script.invoke_run(request, timeout_ms=config.scoring_timeout)
                   ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  File "/opt/miniconda/lib/python3.11/site-packages/azureml_inference_server_http/server/user_script.py", line 139, in invoke_run
    raise UserScriptException(ex) from ex
azureml_inference_server_http.server.user_script.UserScriptException: Caught an unhandled exception from the user script

2026-11-21 20:20:20,194 I [29386] azmlinfsrv - POST /score 500 4.966ms 92
"""
NO_ROOM = (
    "Couldn't Schedule because the kubernetes cluster didn't have available resources after trying for 00:05:00\n"
    "0/3 nodes are available: 3 Insufficient cpu, 3 Insufficient memory."
)
CRASH_LOOP = (
    "AciDeploymentFailed: Aci Deployment failed with exception: Error in entry script, KeyError: 'no model here', please "
    "run print(service.get_logs()) to get details.\nCrashLoopBackOff: Error in entry script, KeyError: 'no model here', "
    "please run print(service.get_logs()) to get details."
)


def azure(text: str) -> Text:
    return Text(source="azure", text=text, where="Azure says of the service")


def container(text: str) -> Text:
    return Text(source="container", text=text, where="The container's log says")


def names(evidence: Evidence) -> list[str]:
    return [cause.id for cause in classify(evidence)]


def first(evidence: Evidence) -> Cause:
    return classify(evidence)[0]


def seen(code: int, n: int, *, failure: str = "", source: str = "front end") -> tuple[Seen, ...]:
    return (Seen(code=code, n=n, failure=failure, source=source),)


CASES: dict[str, Evidence] = {
    "missing-package": replace(ACI, texts=(container(IMPORT_ERROR),)),
    "model-path": replace(
        ACI,
        texts=(
            container(
                "azureml.exceptions._azureml_exception.ModelNotFoundException: ModelNotFoundException:\n\tMessage: Model "
                "wine not found in cache at azureml-models or in current working directory /var/azureml-app. For more "
                "info, set logging level to DEBUG."
            ),
            azure(CRASH_LOOP),
        ),
    ),
    "build-killed": replace(
        ACI,
        texts=(
            azure(
                "subprocess.CalledProcessError: Command '['/bin/sh', '-c', 'conda env create']' died with <Signals.SIGKILL: 9>."
            ),
        ),
    ),
    "build-failed": replace(
        ACI, texts=(azure("ERROR: No matching distribution found for scikit-lern==1.5.2 (from -r requirements.txt)"),)
    ),
    "certificate": replace(
        ACI, texts=(azure("Container azureml-fe-aci: state Waiting, reason CrashLoopBackOff, exit code 1"),)
    ),
    "no-room": replace(AKS, state="Unschedulable", available=1, texts=(azure(NO_ROOM),)),
    "storage-driver": replace(
        AKS,
        state="Unhealthy",
        texts=(
            azure(
                'MountVolume.SetUp failed for volume "wine-prod-blobfuse" : Get failed for plugin "azure/blobfuse": driver '
                "executable not found"
            ),
        ),
    ),
    "two-scalers": replace(
        AKS,
        texts=(
            azure(
                "Normal SuccessfulRescale 2m horizontal-pod-autoscaler New size: 1; reason: All metrics below target"
            ),
        ),
    ),
    "attached-twice": replace(AKS, twins=("big", "big-again")),
    "worker-timeout": replace(
        AKS,
        texts=(
            container(
                "2026-11-21 20:19:03,048 C [7] gunicorn.error - WORKER TIMEOUT (pid:38)\n"
                "2026-11-21 20:19:04,048 E [7] gunicorn.error - Worker (pid:38) was sent SIGKILL! Perhaps out of memory?\n"
                "2026-11-21 20:19:04,060 I [40] gunicorn.error - Booting worker with pid: 40"
            ),
        ),
        seen=seen(502, 3, failure=code_map.DIED),
    ),
    "container-timeout": replace(AKS, seen=seen(504, 3, failure=code_map.RAN_OUT, source="container")),
    "scoring-timeout": replace(AKS, seen=seen(504, 3, failure=code_map.TOO_SLOW)),
    "out-of-memory": replace(
        AKS,
        texts=(
            container(
                "2026-11-21 20:56:54,577 E [7] gunicorn.error - Worker (pid:38) was sent SIGKILL! Perhaps out of memory?"
            ),
        ),
        seen=seen(502, 3, failure=code_map.DIED),
    ),
    "init-raised": replace(ACI, texts=(azure(CRASH_LOOP),)),
    "timed-out": replace(
        AKS,
        state="Transitioning",
        texts=(azure("DeploymentTimedOut: The deployment operation polling has TimedOut. The service creation is …"),),
    ),
    "operation-running": replace(
        AKS,
        texts=(
            azure(
                "Could not change wine-prod: another operation on it is still running in Azure ML. Wait until it has "
                "ended, then try again."
            ),
        ),
    ),
    "run-raised": replace(AKS, seen=seen(502, 1019, failure=code_map.SCRIPT_RAISED, source="container")),
    "replica-died": replace(AKS, seen=seen(502, 4, failure=code_map.DIED)),
    "queue-full": replace(AKS, seen=seen(503, 40, failure=code_map.NO_ROOM)),
    "no-replica": replace(AKS, state="Unhealthy", available=0, seen=seen(503, 40, failure=code_map.NO_ROOM)),
    "key-refused": replace(AKS, seen=seen(401, 30, failure=code_map.REFUSED)),
    "too-large": replace(AKS, seen=seen(413, 1, failure=code_map.TOO_LARGE)),
    "says-error": replace(AKS, seen=seen(200, 12, failure=code_map.SOFT, source="container")),
}


def test_there_is_a_case_of_every_signature() -> None:
    assert list(CASES) == [signature.id for signature in SIGNATURES]


@pytest.mark.parametrize("name", CASES)
def test_a_known_failure_is_named_and_nothing_else_with_it(name: str) -> None:
    (found,) = classify(CASES[name])

    assert found.id == name
    assert found.is_known
    assert found.shown_by
    # Every brace of the sentences was filled in.
    assert not re.search(r"[{}]", found.title + found.cause + found.remedy)


def test_a_failure_that_two_sources_see_is_said_once() -> None:
    both = replace(
        AKS, texts=(container(RAISED),), seen=seen(502, 7, failure=code_map.SCRIPT_RAISED, source="container")
    )

    (found,) = classify(both)
    assert found.id == "run-raised"
    assert found.cause.startswith("7 calls in the last hour")
    assert found.shown_by == "7 × 502 (container) in the last hour"
    assert first(replace(both, seen=())).shown_by.endswith("Caught an unhandled exception from the user script")


def test_the_exception_that_was_raised_most_is_named_with_the_script() -> None:
    raised = Raised(group="a1b2", sentence="Most of them: ValueError in run, 1,019 times, new since “Deploy wine:6”.")

    found = first(replace(CASES["run-raised"], raised=raised))

    assert found.cause.endswith("Most of them: ValueError in run, 1,019 times, new since “Deploy wine:6”.")
    assert found.action is not None
    assert found.action.group == "a1b2"


def test_two_failures_at_once_are_both_named() -> None:
    both = replace(AKS, seen=(*seen(502, 7, failure=code_map.SCRIPT_RAISED, source="container"), *seen(401, 30)))

    assert names(both) == ["run-raised", "key-refused"]


def test_repeated_boots_without_a_reason_are_a_lack_of_memory() -> None:
    boots = "\n".join(
        f"2026-11-21 20:56:0{n},583 I [3{n}] gunicorn.error - Booting worker with pid: 3{n}" for n in range(6)
    )

    assert names(replace(AKS, state="Unhealthy", desired=1, available=0, texts=(container(boots),))) == [
        "out-of-memory"
    ]
    # Six replicas begin six workers, and a script that cannot be imported says why.
    assert names(replace(AKS, desired=6, available=6, texts=(container(boots),))) == []
    assert names(replace(ACI, texts=(container(boots + "\n" + IMPORT_ERROR),))) == ["missing-package"]


NEAR_MISSES: dict[str, str] = {
    "a package that somebody speaks of": "I: xgboost is optional, No module named 'xgboost' is fine here",
    "a module not found, in a sentence": "the docs explain ModuleNotFoundError: read them",
    "the usual start of a server": "Worker Timeout (seconds): 300\nworker timeout is set to 300",
    "the usual limit of a server": "I [2] azmlinfsrv - Scoring timeout is set to 3600000",
    "a boot per replica": "Booting worker with pid: 31\nBooting worker with pid: 32",
    "a worker that ended as asked": "Worker exiting (pid: 5285)\nWorker (pid:5285) was sent SIGTERM!",
    "nodes that are there": "3/3 nodes are available: nothing is Insufficient",
    "room asked for in a log": "Insufficient memory in the cache: 0/3 nodes are available",
    "the front end of ACI at work": "azureml-fe-aci started, listening at 443",
    "a model that is found": "Model wine found in cache at azureml-models",
    "a file that is not a model": "FileNotFoundError: [Errno 2] No such file or directory: '/tmp/lookup.csv'",
    "a signal of something else": "child died with <Signals.SIGTERM: 15>",
    "blobfuse at work": "blobfuse mounted /var/azureml-app/azureml-models",
    "memory that suffices": "OOM score adjusted; 409 rows read; 503 features; 401 columns; 504 ms",
    "a code in a text": "POST /score 200 0.352ms 503",
}


@pytest.mark.parametrize("name", NEAR_MISSES)
def test_a_near_miss_names_nothing_whoever_wrote_it(name: str) -> None:
    text = NEAR_MISSES[name]

    assert names(replace(AKS, texts=(container(text),))) == []
    assert names(replace(AKS, texts=(azure(text),))) == ["unknown"]


UNKNOWN: dict[str, Evidence] = {
    "a quota": replace(
        ACI, texts=(azure("QuotaExceeded: the region has no more container groups for this subscription"),)
    ),
    "a registry": replace(ACI, texts=(azure("ImagePullBackOff: unauthorized: authentication required"),)),
    "a policy": replace(ACI, texts=(azure("RequestDisallowedByPolicy: Resource 'wine' was disallowed by policy."),)),
    "a network": replace(AKS, state="Unhealthy", texts=(azure("dial tcp 10.0.0.1:443: i/o timeout"),)),
    "a disk": replace(AKS, state="Failed", texts=(azure("The node was low on resource: ephemeral-storage."),)),
    "a secret": replace(AKS, state="Failed", texts=(azure("CreateContainerConfigError: secret 'x' not found"),)),
    "an outage": replace(AKS, state="Failed", texts=(azure("InternalServerError: an unexpected error occurred"),)),
    "a code of the script": replace(AKS, seen=seen(507, 9, failure=code_map.ANSWERED, source="container")),
    "callers' own mistakes": replace(AKS, seen=seen(404, 60, failure=code_map.ANSWERED, source="container")),
    "nothing but a state": replace(AKS, state="Unhealthy", available=0),
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_a_failure_nobody_knows_is_called_unknown_with_its_raw_text(name: str) -> None:
    evidence = UNKNOWN[name]

    (found,) = classify(evidence)

    assert not found.is_known
    assert found.action is None
    said = evidence.texts[0].text if evidence.texts else str(evidence.seen[0].code) if evidence.seen else evidence.state
    assert said in found.raw


def test_ten_failures_are_unknown() -> None:
    assert len(UNKNOWN) == 10


def test_a_service_that_is_well_has_no_cause() -> None:
    assert classify(AKS) == []
    assert classify(replace(AKS, seen=seen(401, 2))) == []
    assert classify(replace(AKS, seen=seen(503, 2))) == []


def test_one_refused_probe_is_enough() -> None:
    assert names(replace(AKS, seen=seen(401, 1, source="probe"))) == ["key-refused"]
    assert names(replace(AKS, seen=seen(503, 1, source="test"))) == ["queue-full"]


def test_a_refusal_without_a_replica_is_no_burst() -> None:
    assert names(replace(AKS, available=0, seen=seen(503, 40))) == ["no-replica"]


def test_what_azure_says_of_a_service_has_the_codes_of_its_parts() -> None:
    service = Service(
        name="wine-dev",
        compute_type="AKS",
        error=Problem(code="KubernetesDeploymentFailed", message="It failed", details=(("CrashLoopBackOff", "again"),)),
        deployment_status=Replicas(desired=1, updated=1, available=0, error="0/3 nodes are available"),
    )

    assert [text.text for text in texts_of(service)] == [
        "KubernetesDeploymentFailed: It failed\nCrashLoopBackOff: again",
        "0/3 nodes are available",
    ]
    assert names(replace(AKS, state="Failed", texts=texts_of(service)[:1])) == ["init-raised"]


# Remedies


def test_the_replicas_are_raised_to_what_the_formula_gives_for_the_measured_load() -> None:
    load = Load(requests_per_second=20, p95_seconds=10, source="the last hour")

    found = first(replace(CASES["queue-full"], load=load))

    assert found.action is not None
    # 20 × 10 / 0.7 / 1
    assert found.action.settings == {"autoscale_min_replicas": 286, "autoscale_max_replicas": 286}
    assert "286" in found.remedy
    assert "20 requests/s × 10 s ÷ 0.7 ÷ 1" in found.remedy


def test_a_fixed_number_of_replicas_is_raised_itself() -> None:
    load = Load(requests_per_second=50, p95_seconds=0.12, source="the last hour")

    assert size({"autoscale_enabled": False, "num_replicas": 3}, load).settings == {"num_replicas": 9}


def test_bursts_above_what_the_formula_asks_for_get_room() -> None:
    load = Load(requests_per_second=1, p95_seconds=0.1, source="the last hour")

    sizing = size({"autoscale_enabled": True, "autoscale_min_replicas": 2, "autoscale_max_replicas": 2}, load)

    assert sizing.settings == {
        "autoscale_min_replicas": 3,
        "autoscale_max_replicas": 3,
        "autoscale_target_utilization": 50,
    }


def test_a_load_that_is_not_known_is_not_guessed() -> None:
    found = first(CASES["queue-full"])

    assert found.action is not None
    assert found.action.settings == {}
    assert "not known" in found.remedy


def test_a_container_instance_cannot_have_more_replicas() -> None:
    found = first(replace(ACI, state="Healthy", seen=seen(503, 40)))

    assert found.action is None
    assert "AKS" in found.remedy


@pytest.mark.parametrize(
    ("module", "package"),
    [
        ("sklearn", "scikit-learn"),
        ("sklearn.linear_model", "scikit-learn"),
        ("cv2", "opencv-python"),
        ("PIL.Image", "pillow"),
        ("azure.storage.blob", "azure-storage-blob"),
        ("google.cloud.storage.client", "google-cloud-storage"),
        ("xgboost", "xgboost"),
    ],
)
def test_a_module_leads_to_the_package_that_brings_it(module: str, package: str) -> None:
    assert package_of(module) == package


def test_the_missing_package_is_added() -> None:
    found = first(CASES["missing-package"])

    assert found.title == "A package is missing: sklearn"
    assert found.action is not None
    assert found.action.packages == ("scikit-learn",)
    assert found.action.label == "Add scikit-learn and deploy"


def test_a_timeout_is_doubled_up_to_where_the_server_ends_the_worker() -> None:
    usual = first(CASES["scoring-timeout"])
    high = first(replace(CASES["scoring-timeout"], configuration={"scoring_timeout_ms": 200_000}))
    highest = first(replace(CASES["scoring-timeout"], configuration={"scoring_timeout_ms": 300_000}))

    assert usual.action is not None
    assert usual.action.settings == {"scoring_timeout_ms": 120_000}
    assert high.action is not None
    assert high.action.settings == {"scoring_timeout_ms": 300_000}
    assert highest.action is None
    assert "300,000 ms" in highest.remedy


def test_the_containers_own_timeout_is_raised_where_it_was_set() -> None:
    own = replace(CASES["container-timeout"], variables={"SCORING_TIMEOUT_MS": "5000"})

    found = first(own)

    assert found.action is not None
    assert (found.action.variables, found.action.settings) == ({"SCORING_TIMEOUT_MS": "10000"}, {})
    by_service = first(CASES["container-timeout"]).action
    assert by_service is not None
    assert by_service.settings == {"scoring_timeout_ms": 120_000}


def test_a_worker_that_takes_too_long_gets_longer() -> None:
    found = first(replace(CASES["worker-timeout"], variables={"WORKER_TIMEOUT": "600"}))

    assert found.action is not None
    assert found.action.variables == {"WORKER_TIMEOUT": "1200"}
    assert found.action.label == "Set WORKER_TIMEOUT to 1200"


def test_the_memory_is_doubled_and_its_limit_follows() -> None:
    found = first(replace(CASES["out-of-memory"], configuration={"memory_gb": 2.0, "memory_gb_limit": 3.0}))

    assert found.action is not None
    assert found.action.settings == {"memory_gb": 4.0, "memory_gb_limit": 4.0}


def test_where_some_replicas_fit_as_many_are_asked_for() -> None:
    found = first(CASES["no-room"])

    assert found.action is not None
    assert found.action.settings == {"autoscale_min_replicas": 1, "autoscale_max_replicas": 1}


def test_where_none_fits_half_of_what_lacks_is_asked_for() -> None:
    texts = (azure("0/2 nodes are available: 2 Insufficient memory."),)
    found = first(replace(AKS, state="Unschedulable", available=0, texts=texts, configuration={"memory_gb": 8.0}))

    assert found.action is not None
    assert found.action.settings == {"memory_gb": 4.0}
    assert "too little memory" in found.cause


def test_whose_operation_is_in_the_way_is_said() -> None:
    running = Running(id="abc", title="Redeploy wine-prod", person="op@example.org")
    found = first(replace(CASES["operation-running"], running=running))

    assert "“Redeploy wine-prod” by op@example.org" in found.cause
    assert found.action is not None
    assert found.action.operation == "abc"
