"""Deployments and updates through the SDK: each looks first, sends once and hands back the operation's id."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from services.azureml import fields, translate
from services.azureml.access import Access
from services.azureml.checkout import hidden_checkout
from services.azureml.deadline import within
from services.azureml.mms import ModelManagement
from services.azureml.quiet import quiet
from services.azureml.types import MARK, Service
from services.errors import Conflict, Invalid
from services.scrubbing import remember, scrub

T = TypeVar("T")

SUBMIT_SECONDS = 600.0
"""Code is uploaded before the request itself is sent."""

_SDK_IGNORES = ("", 0, 0.0)
"""Values `update()` takes for "not given", so that they never reach Azure ML."""


_ENTRY_VARIABLES = ("AZUREML_SOURCE_DIRECTORY", "AZUREML_ENTRY_SCRIPT")
"""The SDK writes these into the environment: they say where the code begins."""


@dataclass(frozen=True, kw_only=True)
class Code:
    """Scoring code in a folder."""

    folder: Path
    """Its name becomes the first part of the entry script's path."""
    entry_script: str
    """Within the folder: `score.py`."""


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """All that a deployment needs. Without `code` and `request` it is a deployment without code, of one model."""

    name: str
    compute_type: fields.Target
    model_ids: Sequence[str]
    configuration: Mapping[str, Any] = field(default_factory=dict)
    """Flat, by the SDK's argument names; own keys only in `secrets`."""
    compute: str | None = None
    """The AKS cluster."""
    code: Code | None = None
    environment: Mapping[str, Any] | None = None
    """The document of the environment, as `EnvironmentVersion.document`; needed with `code`."""
    request: Mapping[str, Any] | None = None
    """`environmentImageRequest` of a service that is there already: its code and environment without a new upload."""
    tags: Mapping[str, str] = field(default_factory=dict)
    properties: Mapping[str, str] = field(default_factory=dict)
    description: str | None = None
    overwrite: bool = False


@dataclass(frozen=True, kw_only=True)
class Submission:
    """What a submitted change is known by."""

    operation_id: str | None
    """Azure ML's operation; None = it was done at once."""
    repeated: bool = False
    """Whether it had been sent before, so that nothing was sent now."""


class Sdk:
    """The worker's changes of services."""

    def __init__(self, access: Access, mms: ModelManagement) -> None:
        """`mms` looks before each change."""
        self._access = access
        self._mms = mms

    def submit_deployment(
        self,
        deployment: Deployment,
        *,
        mark: str,
        secrets: Mapping[str, str] | None = None,
        timeout: float = SUBMIT_SECONDS,
    ) -> Submission:
        """Deploy through `Model.deploy` once: a service that bears `mark` has been sent already.

        `secrets` are own keys (`primary_key`, `secondary_key`), sent along and kept nowhere.
        """
        there = self._mms.find_service(deployment.name)
        if there is not None and there.operation == mark:
            return Submission(operation_id=there.operation_id, repeated=True)
        if there is not None and not deployment.overwrite:
            raise Conflict(
                f"There is already a service named {deployment.name}: choose another name, or redeploy that one.",
                field="name",
            )
        for secret in (secrets or {}).values():
            remember(secret)
        configuration = {**deployment.configuration, **(secrets or {})}
        _refuse_unknown(configuration, target=deployment.compute_type)

        def send() -> str | None:
            from azureml.core import Model

            workspace = self._access.workspace()
            target = _configuration(deployment, configuration, mark=mark)
            models = [Model(workspace, id=model_id, expand=False) for model_id in deployment.model_ids]
            if deployment.request is not None:
                # The public way uploads the code again; this is what it calls after the upload.
                request = {**deployment.request, "modelIds": list(deployment.model_ids)}
                service = Model._deploy_with_environment_image_request(
                    workspace, deployment.name, request, target, None, deployment.overwrite, False
                )
            else:
                inference = _inference(deployment.code, deployment.environment, name=deployment.name)
                service = Model.deploy(
                    workspace, deployment.name, models, inference, target, overwrite=deployment.overwrite
                )
            return _operation_id(service)

        return Submission(operation_id=self._call(send, doing=f"deploy {deployment.name}", timeout=timeout))

    def update_service(
        self,
        name: str,
        *,
        mark: str,
        configuration: Mapping[str, Any] | None = None,
        tags: Mapping[str, str] | None = None,
        properties: Mapping[str, str] | None = None,
        description: str | None = None,
        model_ids: Sequence[str] | None = None,
        code: Code | None = None,
        environment: Mapping[str, Any] | None = None,
        timeout: float = SUBMIT_SECONDS,
    ) -> Submission:
        """Change a service once, all of it in one request: a service that bears `mark` has been changed already.

        `tags` replace all tags; None keeps them. Models or an environment without `code` keep the code of the service.
        """
        there = self._mms.service(name)
        if there.operation == mark:
            return Submission(operation_id=there.operation_id, repeated=True)
        changes = {argument: value for argument, value in (configuration or {}).items() if value is not None}
        target = _updatable(there, changes)
        kept = there.tags if tags is None else tags
        marked = {**kept, MARK: mark}
        _refuse_slashes(properties or {})
        swap = code is None and bool(there.code) and (model_ids is not None or environment is not None)
        ignored = description == "" or any(value in _SDK_IGNORES for value in changes.values() if value is not False)
        if swap or ignored:
            if code is not None:
                raise Invalid(f"New code and empty values cannot be sent to {name} in one change: make two changes.")
            patch = self._patch(target, changes, marked, properties or {}, description)
            if swap:
                patch.insert(0, self._swapped(name, model_ids, environment))
            return Submission(operation_id=self._mms.patch_service(name, patch))

        def send() -> str | None:
            from azureml.core import Model, Webservice

            workspace = self._access.workspace()
            service = Webservice(workspace, name)
            arguments: dict[str, Any] = {**changes, "tags": marked}
            if properties:
                arguments["properties"] = dict(properties)
            if description:
                arguments["description"] = description
            if code is not None:
                arguments["inference_config"] = _inference(code, environment, name=name)
            if model_ids is not None or code is not None:
                ids = there.model_ids if model_ids is None else model_ids
                arguments["models"] = [Model(workspace, id=model_id, expand=False) for model_id in ids]
            service.update(**arguments)
            return _operation_id(service)

        return Submission(operation_id=self._call(send, doing=f"change {name}", timeout=timeout))

    def _swapped(
        self, name: str, model_ids: Sequence[str] | None, environment: Mapping[str, Any] | None
    ) -> dict[str, Any]:
        """Other models or another environment for the code that is there."""
        request = dict(self._mms.service_document(name).get("environmentImageRequest") or {})
        if model_ids is not None:
            request["modelIds"] = list(model_ids)
        if environment is not None:
            before = (request.get("environment") or {}).get("environmentVariables") or {}
            entry = {key: value for key, value in before.items() if key in _ENTRY_VARIABLES}
            variables = {**(environment.get("environmentVariables") or {}), **entry}
            request["environment"] = {**environment, "environmentVariables": variables}
        return {"op": "replace", "path": "/environmentImageRequest", "value": request}

    @staticmethod
    def _patch(
        target: fields.Target,
        changes: Mapping[str, Any],
        tags: Mapping[str, str],
        properties: Mapping[str, str],
        description: str | None,
    ) -> list[dict[str, Any]]:
        """What `update` would send, with what it leaves out."""
        patch: list[dict[str, Any]] = []
        for argument, value in changes.items():
            found = fields.find(argument, target=target)
            if found is not None:
                wire = not value if found.negated else value
                patch.append({"op": "replace", "path": found.patch_path, "value": wire})
        patch.append({"op": "replace", "path": "/kvTags", "value": dict(tags)})
        patch += [{"op": "add", "path": f"/properties/{key}", "value": value} for key, value in properties.items()]
        if description is not None:
            patch.append({"op": "replace", "path": "/description", "value": description})
        return patch

    def _call(self, call: Callable[[], T], *, doing: str, timeout: float) -> T:
        def quietly() -> T:
            with quiet(), hidden_checkout():
                return call()

        with translate.errors(doing, change=True):
            return within(timeout, quietly, doing=doing, change=True)


def _configuration(deployment: Deployment, configuration: Mapping[str, Any], *, mark: str) -> Any:
    from azureml.core.webservice import AciWebservice, AksWebservice

    common: dict[str, Any] = {
        "tags": {**deployment.tags, MARK: mark},
        "properties": dict(deployment.properties) or None,
        "description": deployment.description,
    }
    _refuse_slashes(deployment.properties)
    if deployment.compute_type == "ACI":
        return AciWebservice.deploy_configuration(**configuration, **common)
    if not deployment.compute:
        raise Invalid("An AKS deployment needs a cluster: choose one.", field="compute")
    return AksWebservice.deploy_configuration(**configuration, **common, compute_target_name=deployment.compute)


def _inference(code: Code | None, document: Mapping[str, Any] | None, *, name: str) -> Any:
    """An `InferenceConfig`, or None for a deployment without code."""
    if code is None:
        return None
    if document is None:
        raise Invalid(f"The code of {name} needs an environment to run in: choose one.", field="environment")
    from azureml.core.environment import Environment
    from azureml.core.model import InferenceConfig

    try:
        environment = Environment._deserialize_and_add_to_object(dict(document))
    except (AttributeError, KeyError, TypeError, ValueError) as problem:
        raise Invalid(
            f"The SDK cannot read the environment {document.get('name')}: choose another one, or a conda or pip file.",
            field="environment",
            detail=scrub(f"{type(problem).__name__}: {problem}"),
        ) from None
    return InferenceConfig(entry_script=code.entry_script, source_directory=str(code.folder), environment=environment)


def _operation_id(service: Any) -> str | None:
    endpoint = getattr(service, "_operation_endpoint", None)
    return endpoint.rstrip("/").rsplit("/", 1)[-1] if endpoint else None


def _updatable(there: Service, changes: Mapping[str, Any]) -> fields.Target:
    for target in fields.TARGETS:
        if there.compute_type == target:
            allowed = fields.updatable(target)
            refused = sorted(set(changes) - allowed)
            if refused:
                raise Invalid(
                    f"{', '.join(refused)} cannot be changed on a running {target} service: redeploy it instead.",
                    field=refused[0],
                )
            return target
    raise Invalid(f"{there.name} is a {there.compute_type} service: the desk can only look at it.")


def _refuse_unknown(configuration: Mapping[str, Any], *, target: fields.Target) -> None:
    unknown = sorted(name for name in configuration if fields.find(name, target=target) is None)
    if unknown:
        raise Invalid(f"{', '.join(unknown)} is not a setting of {target} services: leave it out.", field=unknown[0])


def _refuse_slashes(properties: Mapping[str, str]) -> None:
    bad = sorted(key for key in properties if "/" in key or "~" in key)
    if bad:
        raise Invalid(f"The property {bad[0]} must not contain / or ~: choose another name.", field="properties")
