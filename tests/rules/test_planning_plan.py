"""The plan: what changes, with which effect, in which calls; and the read-back."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.azureml import fields
from services.azureml.types import Replicas, Service
from services.errors import Invalid
from services.planning.plan import Plan, compare, configuration_hash, plan
from services.planning.update import create_arguments
from services.planning.wanted import SEALED, CodeRef, EnvironmentRef, Wanted, from_service
from tests.rules.sdk_signatures import update_arguments

ACI = Service(
    name="wine-dev",
    compute_type="ACI",
    state="Healthy",
    model_ids=("wine:1",),
    entry_script="source/score.py",
    environment_name="wine-env",
    environment_version="1",
    configuration={"auth_enabled": True, "cpu_cores": 0.5, "memory_gb": 1.0, "enable_app_insights": False},
    tags={"stage": "dev", "desk-operation": "op-1"},
    properties={"owner": "ml"},
    description="Wine",
)
AKS = Service(
    name="wine-prod",
    compute_type="AKS",
    compute="k8s",
    state="Healthy",
    model_ids=("wine:1",),
    entry_script="source/score.py",
    environment_name="wine-env",
    environment_version="1",
    configuration={
        "auth_enabled": True,
        "token_auth_enabled": False,
        "autoscale_enabled": True,
        "autoscale_min_replicas": 1,
        "autoscale_max_replicas": 10,
        "autoscale_target_utilization": 70,
        "autoscale_refresh_seconds": 1,
        "cpu_cores": 0.5,
        "cpu_cores_limit": 1.0,
        "memory_gb": 1.0,
        "gpu_cores": 1,
        "scoring_timeout_ms": 60_000,
        "num_replicas": 3,
        "namespace": "default",
    },
    deployment_status=Replicas(desired=3, updated=3, available=3),
)


def asked(live, **configuration):
    wanted = from_service(live)
    return replace(wanted, configuration={**wanted.configuration, **configuration})


def summary(made: Plan):
    return {change.field: change.effect for change in made.changes}


@pytest.mark.parametrize("live", [ACI, AKS])
def test_asking_for_what_is_there_changes_nothing(live):
    made = plan(live, from_service(live))

    assert (made.action, made.changes, made.calls) == ("none", (), ())
    assert compare(from_service(live), live) == ()


def test_a_new_service_is_created_and_shows_everything_it_gets():
    wanted = from_service(ACI)

    made = plan(None, wanted)

    assert made.action == "create"
    assert {"model_ids", "code", "environment", "cpu_cores", "tags"} <= set(summary(made))


def test_memory_on_aci_needs_a_redeploy_that_sends_the_keys_again():
    made = plan(ACI, asked(ACI, memory_gb=2.0, enable_app_insights=True))

    assert made.action == "redeploy"
    assert made.keys_resent
    assert summary(made) == {"memory_gb": "redeploy", "enable_app_insights": "restart"}
    assert "Memory needs a redeploy" in made.words
    assert made.calls == ()


def test_memory_on_aks_is_an_update():
    made = plan(AKS, asked(AKS, memory_gb=2.0))

    assert made.action == "update"
    assert made.calls == ({"memory_gb": 2.0},)
    assert made.downtime.startswith("None expected")


def test_the_two_fields_of_authentication_go_together():
    made = plan(AKS, asked(AKS, auth_enabled=False, token_auth_enabled=True))

    assert made.calls == ({"auth_enabled": False, "token_auth_enabled": True},)
    assert made.downtime.startswith("None:")


def test_a_number_of_replicas_turns_the_scaler_off_in_the_same_call():
    wanted = from_service(AKS)
    settings = {name: value for name, value in wanted.configuration.items() if not name.startswith("autoscale_")}

    made = plan(AKS, replace(wanted, configuration={**settings, "num_replicas": 5}))

    assert made.calls == ({"autoscale_enabled": False, "num_replicas": 5},)
    assert set(summary(made)) == {"autoscale_enabled", "num_replicas"}


def test_a_change_of_the_scaler_says_again_that_it_is_on():
    made = plan(AKS, asked(AKS, autoscale_max_replicas=4))

    assert made.calls == ({"autoscale_enabled": True, "autoscale_max_replicas": 4},)


def test_a_new_service_with_a_setting_of_the_scaler_says_that_it_is_on():
    wanted = Wanted(service="wine-prod", target="AKS", compute="k8s", configuration={"autoscale_min_replicas": 2})

    assert create_arguments(wanted) == {"autoscale_enabled": True, "autoscale_min_replicas": 2}


def test_turning_the_scaler_on_again_sends_no_number():
    fixed = replace(AKS, configuration={**AKS.configuration, "autoscale_enabled": False})

    made = plan(fixed, asked(fixed, autoscale_enabled=True, num_replicas=None))

    assert made.calls == ({"autoscale_enabled": True},)


def test_what_the_scaler_does_by_itself_is_no_change_of_the_service():
    grown = replace(AKS, configuration={**AKS.configuration, "num_replicas": 9}, state="Unhealthy")

    assert configuration_hash(grown) == configuration_hash(AKS)


def test_gpus_back_to_none_take_a_redeploy():
    made = plan(AKS, asked(AKS, gpu_cores=0))

    assert summary(made) == {"gpu_cores": "redeploy"}


def test_a_limit_cannot_be_taken_away_but_a_redeploy_does_it():
    wanted = asked(AKS, cpu_cores_limit=None)

    assert plan(AKS, wanted).action == "none"
    assert "CPU limit stays at 1.0" in plan(AKS, wanted).warnings[0]
    assert summary(plan(AKS, wanted, redeploy=True)) == {"cpu_cores_limit": "redeploy"}


def test_a_description_cannot_be_emptied_by_an_update():
    wanted = replace(from_service(ACI), description="")

    assert plan(ACI, wanted).action == "none"
    assert plan(ACI, wanted).warnings


@pytest.mark.parametrize(
    ("changes", "first"),
    [
        ({"cpu_cores": 2.0, "cpu_cores_limit": 3.0}, {"cpu_cores_limit": 3.0}),
        ({"cpu_cores": 0.1, "cpu_cores_limit": 0.2}, {"cpu_cores": 0.1}),
    ],
)
def test_request_and_limit_pass_each_other_in_two_calls(changes, first):
    made = plan(AKS, asked(AKS, **changes))

    assert made.calls[0] == first
    assert {**made.calls[0], **made.calls[1]} == changes


def test_tags_are_replaced_with_our_mark_kept():
    made = plan(ACI, replace(from_service(ACI), tags={"stage": "prod"}))

    assert made.calls == ({"tags": {"stage": "prod", "desk-operation": "op-1"}},)
    assert made.downtime.startswith("None:")
    assert not made.new_rollout


def test_another_model_is_a_new_rollout():
    made = plan(ACI, replace(from_service(ACI), model_ids=("wine:2",)))

    assert made.new_rollout
    assert made.calls == ({},)
    assert summary(made) == {"model_ids": "restart"}


def test_code_is_compared_by_its_hash():
    code = CodeRef(source="upload", entry_script="score.py", sha256="b" * 64)
    wanted = replace(from_service(ACI), code=code)

    assert plan(ACI, wanted, live_code="b" * 64).action == "none"
    assert summary(plan(ACI, wanted)) == {"code": "restart"}


def test_an_environment_from_a_file_is_compared_by_what_is_in_it():
    document = {"python": {"condaDependencies": {"dependencies": [{"pip": ["azureml-defaults==1.62.0"]}]}}}
    variables = {"environmentVariables": {"AZUREML_ENTRY_SCRIPT": "source/score.py"}}
    live = replace(ACI, environment={**document, **variables})
    wanted = replace(from_service(live), environment=EnvironmentRef(name="other", document=document))

    assert plan(live, wanted).action == "none"


def test_another_cluster_is_a_redeploy_and_another_target_impossible():
    assert summary(plan(AKS, replace(from_service(AKS), compute="other"))) == {"compute": "redeploy"}
    with pytest.raises(Invalid):
        plan(ACI, replace(from_service(AKS), service="wine-dev"))


def test_a_sealed_certificate_is_sent_sealed():
    live = replace(ACI, configuration={**ACI.configuration, "ssl_enabled": True, "ssl_cname": "a.b"})

    made = plan(live, asked(live, ssl_cert_pem_file=SEALED, ssl_key_pem_file=SEALED))

    assert made.calls == ({"ssl_cert_pem_file": SEALED, "ssl_key_pem_file": SEALED, "ssl_enabled": True},)


def test_the_read_back_says_what_was_asked_and_what_there_is():
    got = replace(AKS, configuration={**AKS.configuration, "scoring_timeout_ms": 60_000})

    (mismatch,) = compare(asked(AKS, scoring_timeout_ms=30_000), got)

    assert mismatch.sentence == "Scoring timeout: asked 30000, got 60000"


def test_plan_and_wanted_survive_json():
    wanted = replace(
        from_service(AKS), model_ids=("wine:2",), code=CodeRef(source="upload", entry_script="s.py", sha256="1")
    )
    made = plan(AKS, wanted)

    assert Plan.from_json(json.loads(json.dumps(made.to_json()))) == made
    assert Wanted.from_json(json.loads(json.dumps(wanted.to_json()))) == wanted


def _values(field):
    kinds = {
        "bool": st.booleans(),
        "int": st.integers(1, 100),
        "float": st.floats(0.1, 8, allow_nan=False),
        "text": st.sampled_from(["team-a", "team-b"]),
    }
    return st.none() | kinds[field.kind]


CONFIGURATIONS = st.fixed_dictionaries(
    {field.name: _values(field) for field in fields.for_target("AKS") if not field.secret}
)


@given(configuration=CONFIGURATIONS)
def test_whatever_is_asked_only_known_arguments_are_sent_and_none_of_them_is_empty(configuration):
    made = plan(AKS, replace(from_service(AKS), configuration=configuration))

    for call in made.calls:
        assert set(call) <= update_arguments("AKS")
        assert all(value is not None and (isinstance(value, bool) or value) for value in call.values())
        if {"auth_enabled", "token_auth_enabled"} & set(call):
            assert {"auth_enabled", "token_auth_enabled"} <= set(call)
        if "num_replicas" in call:
            assert call["autoscale_enabled"] is False
    if made.action == "update":
        sent = {name for call in made.calls for name in call}
        assert {change.field for change in made.changes} <= sent
