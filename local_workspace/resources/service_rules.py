"""What a service may be: the rules of create and update, each with the sentence that Azure's caller would need."""

from __future__ import annotations

import re
from typing import Any

from local_workspace.resources import computes, environments, models, shapes
from local_workspace.resources.capacity import lack
from local_workspace.state import State
from local_workspace.wire import Refused

NAME = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
NAMESPACE = re.compile(r"[a-z0-9]([a-z0-9-]{,61}[a-z0-9])?")
NO_CODE_FRAMEWORKS = ("scikitlearn", "onnx")
ACI_ONLY = (
    "sslEnabled",
    "sslCertificate",
    "sslKey",
    "cname",
    "dnsNameLabel",
    "vnetConfiguration",
    "encryptionProperties",
)
AKS_ONLY = (
    "computeName",
    "autoScaler",
    "numReplicas",
    "aadAuthEnabled",
    "livenessProbeRequirements",
    "scoringTimeoutMs",
    "maxConcurrentRequestsPerContainer",
    "maxQueueWaitMs",
    "namespace",
)
MOST_REPLICAS = 100
"""All of them run on this machine: a slip of the finger must not take it down."""
POSITIVE = ("scoringTimeoutMs", "maxConcurrentRequestsPerContainer", "maxQueueWaitMs", "numReplicas")


def check_name(name: Any) -> str:
    """A name that a service may have."""
    if not isinstance(name, str) or not 3 <= len(name) <= 32 or not NAME.fullmatch(name):
        raise _invalid(
            "InvalidServiceName",
            f"'{name}' cannot name a service: 3 to 32 lower-case letters, digits and hyphens, beginning with a letter"
            " and not ending with a hyphen.",
        )
    return name


def check_free(state: State, name: str) -> None:
    """Refuse a name that a service has."""
    if state.row("SELECT 1 FROM services WHERE name = ?", (name,)):
        raise Refused(
            409,
            "ServiceNameTaken",
            f"A service named {name} exists already: choose another name, delete it first, or deploy with overwrite.",
        )


def check_create(state: State, asked: dict[str, Any]) -> None:
    """Refuse a create request that this workspace cannot serve."""
    shapes.check(asked, shapes.SERVICE)
    check_name(asked.get("name"))
    compute_type = str(asked.get("computeType") or "").upper()
    if compute_type not in ("ACI", "AKS"):
        raise _invalid(
            "UnsupportedComputeType",
            f"The local workspace deploys to ACI and AKS, not to '{asked.get('computeType')}'.",
        )
    foreign = AKS_ONLY if compute_type == "ACI" else ACI_ONLY
    used = [member for member in foreign if asked.get(member)]
    if used:
        raise _invalid("InvalidField", f"{', '.join(used)} cannot be set for a service on {compute_type}.")
    if asked.get("imageId") and not asked.get("environmentImageRequest"):
        raise _invalid("ImageNotSupported", "The local workspace deploys models with an environment, not images.")
    check_image_request(state, asked.get("environmentImageRequest"))
    _check_keys(asked.get("keys"))
    if compute_type == "ACI":
        _check_aci(asked)
    else:
        _check_aks(state, asked)


def check_image_request(state: State, request: Any) -> None:
    """Refuse models, code or an environment that are not there."""
    if not isinstance(request, dict):
        raise _invalid(
            "MissingImageRequest", "A service needs an 'environmentImageRequest' with its models or its code."
        )
    model_ids = request.get("modelIds") or []
    found = [models.find(state, model_id) for model_id in model_ids]
    has_code = bool(request.get("assets") or request.get("driverProgram"))
    if not has_code:
        framework = str(found[0].get("framework") or "").lower() if len(found) == 1 else ""
        if framework not in NO_CODE_FRAMEWORKS:
            raise _invalid(
                "NoCodeNotPossible",
                "Without scoring code the local workspace deploys exactly one model, of framework ScikitLearn or Onnx:"
                " send an inference configuration.",
            )
        return
    reference = request.get("environmentReference")
    if request.get("environment") is None and reference:
        environments.find(state, str(reference.get("name")), reference.get("version"))
    variables = (request.get("environment") or {}).get("environmentVariables") or {}
    script = variables.get("AZUREML_ENTRY_SCRIPT") or ""
    if request.get("environment") is not None and not script.endswith(".py"):
        raise _invalid("InvalidEntryScript", "The entry script has to be a Python file, named in AZUREML_ENTRY_SCRIPT.")


def check_settings(state: State, document: dict[str, Any]) -> None:
    """Refuse a document, new or changed, whose settings contradict each other."""
    resources = document["containerResourceRequirements"]
    for member in ("cpu", "memoryInGB"):
        if resources[member] <= 0:
            raise _invalid("InvalidResources", f"'{member}' has to be above 0.")
    if (resources.get("gpu") or 0) < 0:
        raise _invalid("InvalidResources", "'gpu' cannot be below 0.")
    if document["computeType"] == "ACI":
        return
    for member in ("cpu", "memoryInGB"):
        limit = resources.get(f"{member}Limit")
        if limit is not None and limit < resources[member]:
            raise _invalid("InvalidResources", f"The limit of '{member}' cannot be below what is requested.")
    if document["authEnabled"] and document["aadAuthEnabled"]:
        raise _invalid("InvalidAuthentication", "A service authenticates by key or by token, not by both.")
    for member in POSITIVE:
        value = document.get(member)
        if value is not None and value <= 0:
            raise _invalid("InvalidField", f"'{member}' has to be a whole number above 0.")
    for member, value in document["livenessProbeRequirements"].items():
        if value <= 0:
            raise _invalid("InvalidField", f"'{member}' of the liveness probe has to be a whole number above 0.")
    _check_scaling(document)
    if not NAMESPACE.fullmatch(document["namespace"]):
        raise _invalid("InvalidNamespace", f"'{document['namespace']}' cannot name a Kubernetes namespace.")
    cluster = computes.find(state, document["computeName"])
    if cluster is None:
        raise Refused(404, "ComputeNotFound", f"There is no compute {document['computeName']} in this workspace.")


def check_capacity(state: State, document: dict[str, Any]) -> None:
    """Refuse a service for which its cluster has no room."""
    missing = lack(state, document)
    if missing:
        raise Refused(400, "InsufficientCapacity", missing)


def _check_scaling(document: dict[str, Any]) -> None:
    scaler = document["autoScaler"]
    low, high, target = scaler["minReplicas"], scaler["maxReplicas"], scaler["targetUtilization"]
    if scaler["autoscaleEnabled"]:
        if not 0 < low <= high:
            raise _invalid("InvalidAutoScaler", f"At least {low} and at most {high} replicas is not a range above 0.")
        if not 1 <= target <= 100:
            raise _invalid("InvalidAutoScaler", "The target utilisation lies between 1 and 100 percent.")
        if scaler["refreshPeriodInSeconds"] <= 0:
            raise _invalid("InvalidAutoScaler", "The refresh period has to be above 0 seconds.")
    elif document["numReplicas"] is None:
        raise _invalid("InvalidAutoScaler", "Without autoscaling the number of replicas has to be given.")
    if max(document["numReplicas"] or 0, low if scaler["autoscaleEnabled"] else 0) > MOST_REPLICAS:
        raise _invalid("InvalidField", f"The local workspace runs at most {MOST_REPLICAS} replicas of a service.")


def _check_aci(asked: dict[str, Any]) -> None:
    if asked.get("sslEnabled") and not all(asked.get(member) for member in ("sslCertificate", "sslKey", "cname")):
        raise _invalid("InvalidSslSettings", "TLS needs all three: certificate, key and cname.")
    encryption = {key: value for key, value in (asked.get("encryptionProperties") or {}).items() if value}
    if encryption and not {"vaultBaseUrl", "keyName", "keyVersion"} <= encryption.keys():
        raise _invalid("InvalidEncryption", "A customer-managed key needs all three: vault, key name and key version.")
    network = {key: value for key, value in (asked.get("vnetConfiguration") or {}).items() if value}
    if network and not {"vnetName", "subnetName"} <= network.keys():
        raise _invalid("InvalidNetwork", "A virtual network needs both: its name and the subnet's.")


def _check_aks(state: State, asked: dict[str, Any]) -> None:
    name = asked.get("computeName")
    if not name:
        raise _invalid("MissingCompute", "A service on AKS needs the name of its cluster.")
    compute = computes.find(state, name)
    if compute is None:
        raise Refused(404, "ComputeNotFound", f"There is no compute {name} in this workspace.")
    scaler = asked.get("autoScaler") or {}
    if scaler.get("autoscaleEnabled") and asked.get("numReplicas") is not None:
        raise _invalid("InvalidAutoScaler", "A fixed number of replicas and autoscaling exclude each other.")
    if asked.get("authEnabled") and asked.get("aadAuthEnabled"):
        raise _invalid("InvalidAuthentication", "A service authenticates by key or by token, not by both.")


def _check_keys(keys: Any) -> None:
    given = {name: value for name, value in (keys or {}).items() if value is not None}
    if given.get("secondaryKey") and not given.get("primaryKey"):
        raise _invalid("InvalidKeys", "A secondary key can be given together with a primary key only.")
    for value in given.values():
        check_key(value)


def check_key(value: Any) -> None:
    """Refuse a key that cannot be sent in a header, or that anyone could guess."""
    if not isinstance(value, str) or not re.fullmatch(r"[\x21-\x7e]{8,256}", value):
        raise _invalid("InvalidKey", "A key is 8 to 256 printable characters without spaces.")


def _invalid(code: str, sentence: str) -> Refused:
    return Refused(400, "BadRequest", sentence, details=[(code, sentence)])
