"""What the members of a request may be.

Checked before anything is kept: one odd row would break every list it is in, for the SDK and for the desk.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Literal

from local_workspace.wire import Refused

Kind = Literal[
    "a text",
    "a whole number",
    "a number",
    "true or false",
    "an object",
    "an object of texts",
    "a list",
    "a list of texts",
    "a list of objects",
    "a list of packages",
]
Shape = Kind | Mapping[str, Any]
"""A kind in words, or the shapes of an object's members."""

LARGEST = 2**53
"""Whole numbers beyond this are not exact in every client, and do not fit into the database."""

RESOURCES: Mapping[str, Shape] = {
    "cpu": "a number",
    "cpuLimit": "a number",
    "memoryInGB": "a number",
    "memoryInGBLimit": "a number",
    "gpu": "a whole number",
}
ENVIRONMENT: Mapping[str, Shape] = {
    "name": "a text",
    "environmentVariables": "an object of texts",
    "python": {
        "interpreterPath": "a text",
        "userManagedDependencies": "true or false",
        "condaDependencies": {"dependencies": "a list of packages", "channels": "a list of texts"},
    },
    "docker": {
        "baseImage": "a text",
        "baseDockerfile": "a text",
        "arguments": "a list of texts",
        **dict.fromkeys(("baseImageRegistry", "buildContext", "platform"), "an object"),
    },
    "spark": {"repositories": "a list of texts", "packages": "a list of objects"},
    "inferencingStackVersion": "a text",
    "r": {"cranPackages": "a list of objects", "githubPackages": "a list of objects"},
}
SERVICE: Mapping[str, Shape] = {
    **dict.fromkeys(("name", "description", "computeType", "location"), "a text"),
    **dict.fromkeys(("sslCertificate", "sslKey", "cname", "dnsNameLabel"), "a text"),
    **dict.fromkeys(("computeName", "namespace"), "a text"),
    **dict.fromkeys(
        ("overwrite", "authEnabled", "aadAuthEnabled", "sslEnabled", "appInsightsEnabled"), "true or false"
    ),
    **dict.fromkeys(
        ("numReplicas", "maxConcurrentRequestsPerContainer", "maxQueueWaitMs", "scoringTimeoutMs"), "a whole number"
    ),
    "kvTags": "an object of texts",
    "properties": "an object of texts",
    "keys": {"primaryKey": "a text", "secondaryKey": "a text"},
    "containerResourceRequirements": RESOURCES,
    "dataCollection": {"storageEnabled": "true or false", "eventHubEnabled": "true or false"},
    "encryptionProperties": {"vaultBaseUrl": "a text", "keyName": "a text", "keyVersion": "a text"},
    "vnetConfiguration": {"vnetName": "a text", "subnetName": "a text"},
    "autoScaler": {
        "autoscaleEnabled": "true or false",
        **dict.fromkeys(
            ("minReplicas", "maxReplicas", "targetUtilization", "refreshPeriodInSeconds"), "a whole number"
        ),
    },
    "livenessProbeRequirements": dict.fromkeys(
        ("initialDelaySeconds", "periodSeconds", "timeoutSeconds", "successThreshold", "failureThreshold"),
        "a whole number",
    ),
    "environmentImageRequest": {
        "driverProgram": "a text",
        "assets": "a list of objects",
        "modelIds": "a list of texts",
        "environment": ENVIRONMENT,
        "environmentReference": {"name": "a text", "version": "a text"},
    },
}
COMPUTE: Mapping[str, Shape] = {
    "location": "a text",
    "tags": "an object of texts",
    "properties": {
        **dict.fromkeys(("computeType", "description", "computeLocation", "resourceId"), "a text"),
        "properties": {
            **dict.fromkeys(("agentVmSize", "clusterPurpose", "loadBalancerType", "loadBalancerSubnet"), "a text"),
            "agentCount": "a whole number",
            "sslConfiguration": {"status": "a text"},
        },
    },
}


def check(asked: Mapping[str, Any], shapes: Mapping[str, Shape], *, within: str = "") -> None:
    """Refuse a member that is not what it has to be; one that is absent or null is left to other rules."""
    for name, shape in shapes.items():
        value = asked.get(name)
        if value is None:
            continue
        wanted: Kind = shape if isinstance(shape, str) else "an object"
        if not _IS[wanted](value):
            sentence = f"'{within}{name}' has to be {wanted}."
            raise Refused(400, "BadRequest", sentence, details=[("InvalidField", sentence)])
        if not isinstance(shape, str):
            check(value, shape, within=f"{within}{name}/")


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) <= LARGEST


def _is_number(value: Any) -> bool:
    return _is_whole(value) or (isinstance(value, float) and math.isfinite(value) and abs(value) <= LARGEST)


def _is_object(value: Any) -> bool:
    return isinstance(value, dict)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _are_texts(value: Any) -> bool:
    # The SDK sends the tags of its caller as they are: numbers and truths among them are written down as texts.
    return isinstance(value, dict) and all(
        text is None or isinstance(text, str | int | float | bool) for text in value.values()
    )


def _is_package(value: Any) -> bool:
    if isinstance(value, dict):
        return all(isinstance(lines, list) and all(map(_is_text, lines)) for lines in value.values())
    return isinstance(value, str)


def _list_of(is_one: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and all(map(is_one, value))


_IS: Mapping[Kind, Callable[[Any], bool]] = {
    "a text": _is_text,
    "a whole number": _is_whole,
    "a number": _is_number,
    "true or false": lambda value: isinstance(value, bool),
    "an object": _is_object,
    "an object of texts": _are_texts,
    "a list": lambda value: isinstance(value, list),
    "a list of texts": _list_of(_is_text),
    "a list of objects": _list_of(_is_object),
    "a list of packages": _list_of(_is_package),
}
