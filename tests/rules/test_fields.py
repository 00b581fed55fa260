"""The catalogue of fields against the SDK itself, and reading a service from the wire."""

from __future__ import annotations

import pytest

from services.azureml import fields
from tests.rules.sdk_signatures import create_arguments, update_arguments

NOT_CONFIGURATION = {"tags", "properties", "description", "compute_target_name"}
CONTENTS = {"image", "models", "inference_config", "tags", "properties", "description"}

AKS = {
    "computeType": "AKS",
    "authEnabled": False,
    "aadAuthEnabled": True,
    "appInsightsEnabled": True,
    "autoScaler": {
        "autoscaleEnabled": True,
        "minReplicas": 2,
        "maxReplicas": 4,
        "targetUtilization": 70,
        "refreshPeriodInSeconds": 1,
    },
    "containerResourceRequirements": {
        "cpu": 0.5,
        "cpuLimit": None,
        "memoryInGB": 1.0,
        "memoryInGBLimit": 2.0,
        "gpu": 0,
    },
    "dataCollection": {"eventHubEnabled": False, "storageEnabled": False},
    "livenessProbeRequirements": None,
    "maxConcurrentRequestsPerContainer": 2,
    "maxQueueWaitMs": 500,
    "numReplicas": None,
    "scoringTimeoutMs": 60000,
    "storageInitEnabled": False,
}


@pytest.mark.parametrize("target", fields.TARGETS)
def test_every_argument_of_the_sdk_is_in_the_catalogue_and_none_besides(target):
    assert {field.name for field in fields.for_target(target)} == create_arguments(target) - NOT_CONFIGURATION


@pytest.mark.parametrize("target", fields.TARGETS)
def test_what_update_can_change_is_what_the_sdk_takes(target):
    assert fields.updatable(target) == update_arguments(target) - CONTENTS


def test_a_field_is_unique_within_a_target():
    pairs = [(field.name, target) for field in fields.FIELDS for target in field.targets]

    assert len(pairs) == len(set(pairs))


@pytest.mark.parametrize("field", fields.FIELDS, ids=lambda field: f"{field.name}-{'-'.join(sorted(field.targets))}")
def test_every_field_explains_itself(field):
    assert field.help.endswith(".")
    assert field.label[0].isupper()
    assert field.group in fields.GROUPS
    assert field.targets


def test_authentication_and_insights_are_on_in_the_form():
    for target in fields.TARGETS:
        start = fields.form_defaults(target)
        assert start["auth_enabled"] is True
        assert start["enable_app_insights"] is True
    assert fields.defaults("ACI")["auth_enabled"] is False


def test_a_service_is_read_by_the_names_of_the_sdk():
    configuration = fields.read(AKS)

    assert configuration["replica_max_concurrent_requests"] == 2
    assert configuration["max_request_wait_time"] == 500
    assert configuration["token_auth_enabled"] is True
    assert configuration["auth_enabled"] is False
    assert configuration["memory_gb_limit"] == 2.0
    assert configuration["blobfuse_enabled"] is True


def test_what_is_null_is_left_out():
    configuration = fields.read(AKS)

    assert "num_replicas" not in configuration
    assert "cpu_cores_limit" not in configuration
    assert "initial_delay_seconds" not in configuration


def test_no_secret_is_ever_read():
    payload = {
        "computeType": "ACI",
        "sslKey": "PEM",
        "sslCertificate": "PEM",
        "keys": {"primaryKey": "k"},
        "cname": "x.y",
    }

    assert fields.read(payload) == {"ssl_cname": "x.y"}


@pytest.mark.parametrize(
    "payload", [{}, {"computeType": "MIR"}, {"computeType": "ACI", "containerResourceRequirements": 3}]
)
def test_an_odd_payload_is_read_as_far_as_it_goes(payload):
    assert fields.read(payload) == {}


def test_patch_paths_are_those_of_the_wire():
    field = fields.find("replica_max_concurrent_requests", target="AKS")
    assert field is not None
    assert field.patch_path == "/maxConcurrentRequestsPerContainer"
    probe = fields.find("period_seconds", target="AKS")
    assert probe is not None
    assert probe.patch_path == "/livenessProbeRequirements/periodSeconds"
