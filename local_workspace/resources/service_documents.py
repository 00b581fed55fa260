"""A service as the wire describes it: what the server fills in at create, and what callers read."""

from __future__ import annotations

import json
from typing import Any

from local_workspace.resources import models
from local_workspace.rollouts import MAXIMUM_REPLICAS
from local_workspace.scoring.interface import DeploymentStatus
from local_workspace.state import State
from local_workspace.wire import Refused
from local_workspace.workspace import Workspace

AUTO_SCALER = {
    "autoscaleEnabled": True,
    "minReplicas": 1,
    "maxReplicas": MAXIMUM_REPLICAS,
    "targetUtilization": 70,
    "refreshPeriodInSeconds": 1,
}
LIVENESS = {
    "initialDelaySeconds": 310,
    "periodSeconds": 10,
    "timeoutSeconds": 2,
    "successThreshold": 1,
    "failureThreshold": 3,
}
ACI_RESOURCES = {"cpu": 0.1, "memoryInGB": 0.5}
AKS_RESOURCES = {"cpu": 0.1, "cpuLimit": None, "memoryInGB": 0.5, "memoryInGBLimit": None, "gpu": 0}


def made_of(asked: dict[str, Any], workspace: Workspace) -> dict[str, Any]:
    """The document kept for a create request: what was asked, completed by the server's defaults."""
    name = asked["name"]
    address = f"{workspace.scoring.front_end_url}/api/v1/service/{name}"
    document: dict[str, Any] = {
        "name": name,
        "description": asked.get("description"),
        "kvTags": _texts(asked.get("kvTags")),
        "properties": _texts(asked.get("properties")),
        "computeType": asked["computeType"].upper(),
        "deploymentType": "HttpRealtimeEndpoint",
        "appInsightsEnabled": bool(asked.get("appInsightsEnabled")),
        "dataCollection": {"eventHubEnabled": False, "storageEnabled": False} | _given(asked.get("dataCollection")),
        "environmentImageRequest": asked["environmentImageRequest"],
        "scoringUri": f"{address}/score",
        "swaggerUri": f"{address}/swagger.json",
    }
    return document | (_aci(asked, workspace) if document["computeType"] == "ACI" else _aks(asked))


def shown(row: Any, workspace: Workspace) -> dict[str, Any]:
    """The service object of the wire for a row of the table."""
    document: dict[str, Any] = json.loads(row["document"])
    document |= {
        "id": row["name"],
        "state": row["state"],
        "createdTime": row["created"],
        "updatedTime": row["updated"],
        "operationId": row["operation_id"],
    }
    if row["error"]:
        document["error"] = json.loads(row["error"])
    if document["computeType"] == "AKS":
        document["deploymentStatus"] = _status(workspace.scoring.status(row["name"]))
    model_ids = document["environmentImageRequest"].get("modelIds") or []
    document["models"] = [model for model in (_model(workspace.state, model_id) for model_id in model_ids) if model]
    return document


def _aci(asked: dict[str, Any], workspace: Workspace) -> dict[str, Any]:
    location = asked.get("location") or workspace.identity.location
    label = asked.get("dnsNameLabel")
    document: dict[str, Any] = {
        "location": location,
        "containerResourceRequirements": ACI_RESOURCES | _given(asked.get("containerResourceRequirements")),
        "authEnabled": bool(asked.get("authEnabled")),
        "sslEnabled": bool(asked.get("sslEnabled")),
        # Certificate and key are let go at once: nothing here speaks TLS to callers of a service.
        "sslCertificate": None,
        "sslKey": None,
        "cname": asked.get("cname"),
        "publicIp": "127.0.0.1",
        "publicFqdn": f"{label}.{location}.azurecontainer.local" if label else None,
    }
    for member in ("vnetConfiguration", "encryptionProperties"):
        if asked.get(member):
            document[member] = asked[member]
    return document


def _aks(asked: dict[str, Any]) -> dict[str, Any]:
    auto_scaler = AUTO_SCALER | _given(asked.get("autoScaler"))
    replicas = asked.get("numReplicas")
    if replicas is not None and not _given(asked.get("autoScaler")).get("autoscaleEnabled"):
        auto_scaler["autoscaleEnabled"] = False
    by_token = bool(asked.get("aadAuthEnabled"))
    by_key = asked.get("authEnabled")
    return {
        "computeName": asked["computeName"],
        "namespace": asked.get("namespace") or "default",
        "numReplicas": replicas,
        "autoScaler": auto_scaler,
        "containerResourceRequirements": AKS_RESOURCES | _given(asked.get("containerResourceRequirements")),
        "maxConcurrentRequestsPerContainer": asked.get("maxConcurrentRequestsPerContainer") or 1,
        "maxQueueWaitMs": 500 if asked.get("maxQueueWaitMs") is None else asked["maxQueueWaitMs"],
        "scoringTimeoutMs": asked.get("scoringTimeoutMs") or 60_000,
        "livenessProbeRequirements": LIVENESS | _given(asked.get("livenessProbeRequirements")),
        "authEnabled": not by_token if by_key is None else bool(by_key),
        "aadAuthEnabled": by_token,
        "isDefault": True,
        "trafficPercentile": 100.0,
        "type": "Control",
    }


def _model(state: State, model_id: str) -> dict[str, Any] | None:
    try:
        model = models.find(state, model_id)
    except Refused:
        return None
    # With a run id, the SDK would read experiment and run of every model of every service it lists; and it reads
    # the tags of a model in a service under another name than those of a model in a list.
    return model | {"tags": model["kvTags"], "runId": None, "experimentName": None, "resourceRequirements": None}


def _status(status: DeploymentStatus) -> dict[str, Any]:
    document: dict[str, Any] = {
        "desiredReplicas": status.desired,
        "updatedReplicas": status.updated,
        "availableReplicas": status.available,
    }
    if status.error:
        document["error"] = {"code": "DeploymentFailed", "message": status.error, "statusCode": 400, "details": []}
    return document


def _given(mapping: Any) -> dict[str, Any]:
    return {key: value for key, value in (mapping or {}).items() if value is not None}


def _texts(mapping: Any) -> dict[str, str]:
    return {str(key): "" if value is None else str(value) for key, value in (mapping or {}).items()}
