"""Every rule of the form, one line each: what is typed, and the field the sentence stands next to."""

from __future__ import annotations

import pytest

from services.azureml.types import ModelVersion, Service
from services.errors import Invalid
from services.planning import access_rules, names, rules
from services.planning.models import deployability
from services.planning.problems import refuse
from services.planning.replicas import replicas_needed
from services.planning.rules import Capacity, Observed
from services.planning.wanted import SEALED, CodeRef, EnvironmentRef, Wanted

SAFE = {"auth_enabled": True, "cpu_cores": 0.5, "memory_gb": 1.0}


def found(configuration, target="AKS", severity="error", **context):
    problems = rules.check({**SAFE, **configuration}, target=target, **context)
    return {problem.field for problem in problems if problem.severity == severity}


@pytest.mark.parametrize(
    ("configuration", "target", "field"),
    [
        ({"cpu_cores": 0}, "ACI", "cpu_cores"),
        ({"cpu_cores": float("nan")}, "ACI", "cpu_cores"),
        ({"cpu_cores": "1"}, "ACI", "cpu_cores"),
        ({"cpu_cores": True}, "ACI", "cpu_cores"),
        ({"cpu_cores": 400}, "ACI", "cpu_cores"),
        ({"memory_gb": 900}, "ACI", "memory_gb"),
        ({"memory_gb": -1}, "AKS", "memory_gb"),
        ({"cpu_cores": 2, "cpu_cores_limit": 1}, "AKS", "cpu_cores_limit"),
        ({"cpu_cores_limit": 0.2}, "AKS", "cpu_cores_limit"),
        ({"memory_gb_limit": 0.5}, "AKS", "memory_gb_limit"),
        ({"gpu_cores": -1}, "AKS", "gpu_cores"),
        ({"gpu_cores": 0.5}, "AKS", "gpu_cores"),
        ({"autoscale_target_utilization": 250}, "AKS", "autoscale_target_utilization"),
        ({"autoscale_target_utilization": 0}, "AKS", "autoscale_target_utilization"),
        ({"autoscale_min_replicas": 5, "autoscale_max_replicas": 4}, "AKS", "autoscale_min_replicas"),
        ({"autoscale_min_replicas": 11}, "AKS", "autoscale_max_replicas"),
        ({"autoscale_max_replicas": 0}, "AKS", "autoscale_max_replicas"),
        ({"autoscale_enabled": False}, "AKS", "num_replicas"),
        ({"autoscale_enabled": True, "num_replicas": 3}, "AKS", "num_replicas"),
        ({"autoscale_min_replicas": 2, "num_replicas": 3}, "AKS", "num_replicas"),
        (
            {"autoscale_enabled": False, "num_replicas": 2, "autoscale_max_replicas": 4},
            "AKS",
            "autoscale_max_replicas",
        ),
        ({"replica_max_concurrent_requests": 2}, "AKS", "replica_max_concurrent_requests"),
        ({"max_concurrent_requests_per_container": 2}, "AKS", "max_concurrent_requests_per_container"),
        ({"scoring_timeout_ms": 0}, "AKS", "scoring_timeout_ms"),
        ({"scoring_timeout_ms": 500}, "ACI", "scoring_timeout_ms"),
        ({"max_request_wait_time": -5}, "AKS", "max_request_wait_time"),
        ({"initial_delay_seconds": 0}, "AKS", "initial_delay_seconds"),
        ({"period_seconds": 0}, "AKS", "period_seconds"),
        ({"token_auth_enabled": True}, "AKS", "token_auth_enabled"),
        ({"token_auth_enabled": True}, "ACI", "token_auth_enabled"),
        ({"token_auth_enabled": True, "auth_enabled": None}, "AKS", "auth_enabled"),
        ({"auth_enabled": False}, "AKS", "auth_enabled"),
        ({"auth_enabled": None}, "ACI", "auth_enabled"),
        ({"secondary_key": SEALED}, "ACI", "secondary_key"),
        ({"primary_key": "in the open"}, "ACI", "primary_key"),
        ({"ssl_enabled": True, "ssl_cname": "a.b"}, "ACI", "ssl_cert_pem_file"),
        ({"ssl_cname": "a.b"}, "ACI", "ssl_enabled"),
        ({"cmk_key_name": "k"}, "ACI", "cmk_key_version"),
        (
            {"cmk_vault_base_url": "vault", "cmk_key_name": "k", "cmk_key_version": "1"},
            "ACI",
            "cmk_vault_base_url",
        ),
        ({"vnet_name": "v", "subnet_name": "s"}, "ACI", "vnet_name"),
        ({"dns_name_label": "Upper"}, "ACI", "dns_name_label"),
        ({"namespace": "Team_A"}, "AKS", "namespace"),
        ({"ssl_enabled": True}, "AKS", "ssl_enabled"),
        ({"enable_app_insights": "yes"}, "ACI", "enable_app_insights"),
    ],
)
def test_what_cannot_work_is_refused_next_to_its_field(configuration, target, field):
    assert field in found(configuration, target)


@pytest.mark.parametrize(
    ("configuration", "target"),
    [
        ({}, "ACI"),
        ({}, "AKS"),
        ({"num_replicas": 3}, "AKS"),
        ({"autoscale_enabled": False, "num_replicas": 3}, "AKS"),
        ({"autoscale_min_replicas": 2}, "AKS"),
        ({"autoscale_enabled": True, "autoscale_min_replicas": 11, "autoscale_max_replicas": 12}, "AKS"),
        ({"auth_enabled": False, "token_auth_enabled": True}, "AKS"),
        ({"auth_enabled": None}, "AKS"),
        ({"primary_key": SEALED, "secondary_key": SEALED}, "ACI"),
        (
            {"ssl_enabled": True, "ssl_cname": "a.b", "ssl_cert_pem_file": SEALED, "ssl_key_pem_file": SEALED},
            "ACI",
        ),
        ({"cmk_vault_base_url": "https://v", "cmk_key_name": "k", "cmk_key_version": "1"}, "ACI"),
        ({"gpu_cores": 0}, "AKS"),
    ],
)
def test_what_works_is_let_through(configuration, target):
    assert found(configuration, target) == set()


@pytest.mark.parametrize(
    ("configuration", "context", "field"),
    [
        ({"scoring_timeout_ms": 400_000}, {}, "scoring_timeout_ms"),
        ({"max_request_wait_time": 60_000}, {}, "max_request_wait_time"),
        ({"success_threshold": 2}, {}, "success_threshold"),
        ({"timeout_seconds": 20}, {}, "timeout_seconds"),
        ({"autoscale_target_utilization": 95}, {}, "autoscale_target_utilization"),
        ({}, {"observed": Observed(init_seconds=400)}, "initial_delay_seconds"),
        ({}, {"observed": Observed(p99_ms=30_000)}, "failure_threshold"),
        (
            {"replica_max_concurrent_requests": 2},
            {"variables": {"WORKER_COUNT": "2"}},
            "replica_max_concurrent_requests",
        ),
        ({}, {"capacity": Capacity(nodes=1, purpose="DevTest")}, "compute"),
        ({"num_replicas": 9, "cpu_cores": 1}, {"capacity": Capacity(nodes=3, node_cpu=2)}, "cpu_cores"),
        ({"cpu_cores": None}, {}, "cpu_cores"),
    ],
)
def test_what_is_unwise_is_a_warning_and_no_more(configuration, context, field):
    assert field in found(configuration, severity="warning", **context)
    assert found(configuration, **context) == set()


def test_a_raised_worker_timeout_allows_a_longer_scoring_timeout():
    variables = {"WORKER_TIMEOUT": "600"}

    assert "scoring_timeout_ms" not in found({"scoring_timeout_ms": 400_000}, severity="warning", variables=variables)


def test_a_cluster_has_to_be_large_enough():
    small = Capacity(nodes=2, node_cpu=2, node_memory_gb=7, node_gpu=0, purpose="FastProd")

    assert found({"cpu_cores": 4.0, "gpu_cores": 1}, capacity=small) == {"compute", "cpu_cores", "gpu_cores"}


def test_an_anonymous_service_needs_the_second_step_and_is_still_warned_about():
    opened = {"auth_enabled": False}

    assert found(opened, "ACI") == {"auth_enabled"}
    assert found(opened, "ACI", anonymous_confirmed=True) == set()
    assert found(opened, "ACI", severity="warning", anonymous_confirmed=True) == {"auth_enabled"}
    live = Service(name="svc", compute_type="ACI", configuration={"auth_enabled": False})
    assert found(opened, "ACI", live=live) == set()


def test_a_running_service_takes_no_own_keys_here():
    live = Service(name="svc", compute_type="ACI", configuration={"auth_enabled": True})

    assert found({"primary_key": SEALED}, "ACI", live=live) == {"primary_key"}


def test_a_service_with_tls_keeps_its_certificate():
    live = Service(name="svc", compute_type="ACI", configuration={"ssl_enabled": True, "auth_enabled": True})

    assert found({"ssl_enabled": True, "ssl_cname": "a.b"}, "ACI", live=live) == set()


def test_every_sentence_says_what_to_do_and_errors_come_first():
    problems = rules.check({"cpu_cores": 0, "scoring_timeout_ms": 400_000, "num_replicas": -1}, target="AKS")

    assert [p.severity for p in problems] == sorted((p.severity for p in problems), key=lambda s: s != "error")
    assert all(p.sentence.endswith(".") and " " in p.sentence for p in problems)
    with pytest.raises(Invalid) as refused:
        refuse(problems)
    assert refused.value.field == problems[0].field


def test_the_wire_name_is_answered_with_the_name_of_the_sdk():
    (problem,) = rules.check_field("max_concurrent_requests_per_container", 2, target="AKS")

    assert "replica_max_concurrent_requests" in problem.sentence


@pytest.mark.parametrize("name", ["abc", "a--b", "a1-b2", "a" * 32])
def test_good_service_names(name):
    assert names.check_name(name) == []


@pytest.mark.parametrize("name", ["", "ab", "a" * 33, "1abc", "Abc", "abc-", "a_b", "a.b", "abc\n", "äbc"])
def test_bad_service_names(name):
    assert names.check_name(name)


@pytest.mark.parametrize("name", ["m", "model.pkl", "A-b_c.1", "0x", "a" * 255])
def test_good_model_names(name):
    assert names.check_model_name(name) == []


@pytest.mark.parametrize("name", ["", "-m", "a b", "a" * 256, "a:1", "m\n"])
def test_bad_model_names(name):
    assert names.check_model_name(name)


def test_tags_that_break_filters_are_warned_about_and_our_own_are_refused():
    problems = names.check_tags({"team": "a,b", "desk-operation": "x", "stage": "dev"})

    assert [p.severity for p in problems] == ["warning", "error"]


def test_properties_cannot_be_changed_and_their_names_go_into_a_path():
    live = {"git/commit": "1", "owner": "a"}

    problems = names.check_properties({"git/commit": "1", "owner": "b", "x~y": "1", "new": "1"}, live=live)

    assert len(problems) == 2
    assert {p.severity for p in problems} == {"error"}


def wanted(**changes):
    given = {
        "service": "wine-dev",
        "target": "ACI",
        "model_ids": ("wine:1",),
        "code": CodeRef(source="upload", entry_script="score.py", sha256="a" * 64),
        "environment": EnvironmentRef(name="wine-env", version="1"),
        "configuration": SAFE,
    }
    return Wanted(**{**given, **changes})


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"service": "W"}, "service"),
        ({"target": "AKS"}, "compute"),
        ({"target": "AKS", "compute": "a"}, "compute"),
        ({"compute": "cluster"}, "compute"),
        ({"environment": None}, "environment"),
        ({"code": None}, "environment"),
        ({"code": None, "environment": None, "model_ids": ()}, "model_ids"),
        ({"code": CodeRef(source="upload", entry_script="score.ipynb")}, "entry_script"),
        ({"model_ids": ("wine:1", "wine:1")}, "model_ids"),
        ({"model_ids": ("wine",)}, "model_ids"),
        ({"model_ids": tuple(f"m:{n}" for n in range(1001))}, "model_ids"),
        ({"properties": {"a/b": "1"}}, "properties"),
    ],
)
def test_a_whole_service_is_checked_beyond_its_settings(changes, field):
    problems = rules.check_wanted(wanted(**changes))

    assert field in {problem.field for problem in problems if problem.severity == "error"}


def test_a_good_service_has_nothing_against_it():
    assert rules.check_wanted(wanted()) == []


def test_a_service_cannot_move_to_another_target():
    live = Service(name="wine-dev", compute_type="AKS", compute="k8s")

    assert "target" in {problem.field for problem in rules.check_wanted(wanted(), live=live)}


def model(**changes):
    return ModelVersion(**{"id": "m:1", "name": "m", "version": 1, "framework": "ScikitLearn", **changes})


def test_a_model_of_a_gigabyte_goes_to_aks_only():
    large = model(properties={"desk-bytes": str(2 * 1024**3)})

    assert deployability(large).words == "deployable to AKS only, also without code"
    problems = rules.check_wanted(wanted(model_ids=("m:1",)), models=[large])
    assert {(p.field, p.severity) for p in problems} == {("model_ids", "error"), ("memory_gb", "warning")}


@pytest.mark.parametrize(
    ("framework", "fits"),
    [("ScikitLearn", True), ("Onnx", True), ("TensorFlow", False), ("Custom", False), (None, False)],
)
def test_only_scikit_learn_and_onnx_run_without_code(framework, fits):
    assert deployability(model(framework=framework)).no_code is fits


def test_a_version_of_v2_cannot_be_deployed():
    assert deployability(model(url="azureml://locations/x/models/m")).words == "not deployable"


@pytest.mark.parametrize(
    ("value", "fine"), [("", True), ("k" * 32, True), ("short", False), ("with space in it!!", False)]
)
def test_own_keys_have_to_fit_into_a_header(value, fine):
    assert (access_rules.check_own_key(value) == []) is fine


@pytest.mark.parametrize(("rate", "seconds", "expected"), [(20, 10, 286), (50, 0.12, 9), (0.7, 10, 10), (0, 1, 1)])
def test_the_replica_formula_is_the_documented_one(rate, seconds, expected):
    need = replicas_needed(rate, seconds_per_request=seconds, target_utilization=70)

    assert need.replicas == expected
    assert str(expected) in need.formula


def test_a_secret_in_the_open_never_becomes_part_of_what_is_wanted():
    with pytest.raises(Invalid):
        wanted(configuration={**SAFE, "primary_key": "in-the-open"})
