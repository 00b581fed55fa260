"""Models and environments through the SDK: uploads, registration exactly once, downloads."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

from services.azureml import translate
from services.azureml.access import Access
from services.azureml.deadline import within
from services.azureml.mms import ModelManagement
from services.azureml.payloads import environment as read_environment
from services.azureml.quiet import quiet
from services.azureml.types import MARK, SIZE, EnvironmentVersion, ModelVersion, visible_tags
from services.errors import Invalid, NotFound

T = TypeVar("T")

UPLOAD_SECONDS = 3600.0
DOWNLOAD_SECONDS = 3600.0
CALL_SECONDS = 30.0


class Registry:
    """The worker's changes of models and environments."""

    def __init__(self, access: Access, mms: ModelManagement) -> None:
        """`mms` looks before each change and sends what must be sent once."""
        self._access = access
        self._mms = mms

    def register_model(
        self,
        name: str,
        files: Mapping[str, Path],
        *,
        mark: str,
        framework: str | None = None,
        framework_version: str | None = None,
        description: str | None = None,
        tags: Mapping[str, str] | None = None,
        properties: Mapping[str, str] | None = None,
        timeout: float = UPLOAD_SECONDS,
    ) -> ModelVersion:
        """Upload the files and register them as a new version, once: the version of `mark` is handed back if there is one.

        `files` maps the path within the model to where the file lies; several have one folder on top in common.
        """
        there = self._mms.model_of_operation(name, mark)
        if there is not None:
            return there
        top = _top(files)
        prefix = self._upload(name, files, top=top, timeout=timeout)
        asset = self._mms.create_asset(name, prefix=prefix)
        size = sum(path.stat().st_size for path in files.values())
        document: dict[str, Any] = {
            "name": name,
            "url": f"aml://asset/{asset}",
            "mimeType": "application/json",
            "unpack": False,
            "datasets": [],
            "kvTags": dict(tags or {}),
            "properties": {**(properties or {}), MARK: mark, SIZE: str(size)},
            "description": description,
            "framework": framework,
            "frameworkVersion": framework_version,
        }
        return self._mms.create_model({key: value for key, value in document.items() if value is not None})

    def edit_model(
        self,
        model_id: str,
        *,
        tags: Mapping[str, str] | None = None,
        description: str | None = None,
        properties: Mapping[str, str] | None = None,
    ) -> ModelVersion:
        """Replace all tags, the description, or add properties, in one request; the version after."""
        patch: list[dict[str, Any]] = []
        if tags is not None:
            patch.append({"op": "replace", "path": "/kvTags", "value": visible_tags(tags)})
        if description is not None:
            patch.append({"op": "replace", "path": "/description", "value": description})
        if properties:
            whole = {**self._mms.model(model_id).properties, **properties}
            patch.append({"op": "add", "path": "/properties", "value": whole})
        if not patch:
            raise Invalid(f"Nothing is changed on {model_id}: change a tag or the description.")
        return self._mms.patch_model(model_id, patch)

    def delete_model(self, model_id: str) -> None:
        """Delete a version; it is no error when it is gone. `Conflict` while a service uses it."""
        self._mms.delete_model(model_id)

    def download_model(self, model_id: str, *, into: Path, timeout: float = DOWNLOAD_SECONDS) -> list[Path]:
        """Fetch its files into an empty folder; the files."""
        into.mkdir(parents=True, exist_ok=True)

        def fetch() -> None:
            from azureml.core import Model

            model = Model(self._access.workspace(), id=model_id, expand=False)
            model.download(target_dir=str(into), exist_ok=True)

        self._call(fetch, doing=f"download {model_id}", timeout=timeout)
        root = into.resolve()
        found = [path for path in sorted(into.rglob("*")) if path.is_file()]
        if any(not path.resolve().is_relative_to(root) for path in found):
            raise Invalid(
                f"A file of {model_id} lies outside its folder: fetch it from the storage account in the portal."
            )
        return found

    def environment(
        self, name: str, *, version: str | None = None, timeout: float = CALL_SECONDS
    ) -> EnvironmentVersion:
        """One version, by default the newest; `NotFound` when there is none."""

        def fetch() -> EnvironmentVersion:
            found = _newest(self._access.workspace(), name, version=version)
            if found is None:
                exactly = f"{name} version {version}" if version else name
                raise NotFound(
                    f"There is no environment {exactly} in the workspace: choose another one, or register it."
                )
            return found

        return self._call(fetch, doing=f"read the environment {name}", timeout=timeout)

    def register_environment(
        self,
        name: str,
        *,
        conda: str | None = None,
        pip: str | None = None,
        variables: Mapping[str, str] | None = None,
        base_image: str | None = None,
        timeout: float = CALL_SECONDS,
    ) -> EnvironmentVersion:
        """Register a conda file or a list of pip requirements (their text); the newest version if that is the same."""
        if (conda is None) == (pip is None):
            raise Invalid("An environment is made of a conda file or of a list of pip requirements: give one of them.")

        def send() -> EnvironmentVersion:
            environment = _environment_from(name, conda=conda, pip=pip)
            environment.environment_variables = dict(variables or {})
            if base_image:
                environment.docker.base_image = base_image
            workspace = self._access.workspace()
            newest = _newest(workspace, name)
            if newest is not None and _content(newest) == _content(_document_of(environment)):
                return newest
            return _document_of(environment.register(workspace))

        return self._call(send, doing=f"register the environment {name}", timeout=timeout, change=True)

    def _upload(self, name: str, files: Mapping[str, Path], *, top: str, timeout: float) -> str:
        """Upload through the SDK's artifact client; the prefix under which they lie."""
        container = f"{datetime.now(UTC):%y%m%dT%H%M%S}-{uuid.uuid4().hex[:8]}"

        def send() -> None:
            from azureml._restclient.artifacts_client import ArtifactsClient

            client = ArtifactsClient(self._access.workspace().service_context)
            paths = [str(path) for path in files.values()]
            # What it returns is lazy: asking for each result raises what went wrong with it.
            list(client.upload_files(paths, "LocalUpload", container, names=list(files), timeout_seconds=timeout))

        self._call(send, doing=f"upload {name}", timeout=timeout)
        return f"LocalUpload/{container}/{top}"

    def _call(self, call: Callable[[], T], *, doing: str, timeout: float, change: bool = False) -> T:
        def quietly() -> T:
            with quiet():
                return call()

        with translate.errors(doing, change=change):
            return within(timeout, quietly, doing=doing, change=change)


def _top(files: Mapping[str, Path]) -> str:
    """The one file or the one folder that holds them all."""
    if not files:
        raise Invalid("A model needs at least one file: choose one.", field="files")
    for name in files:
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or not path.parts or "\\" in name:
            raise Invalid(f"The file name {name} is not a path within the model: rename it.", field="files")
    tops = _distinct(PurePosixPath(name).parts[0] for name in files)
    if len(tops) > 1:
        raise Invalid("Several files of a model need one folder on top in common: put them in one.", field="files")
    return tops[0]


def _distinct(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))


def _environment_from(name: str, *, conda: str | None, pip: str | None) -> Any:
    """The SDK's `Environment` of a file's text; the SDK itself reads only files."""
    import tempfile

    from azureml.core.environment import Environment

    with tempfile.TemporaryDirectory(prefix="desk-environment-") as folder:
        if conda is not None:
            path = Path(folder) / "conda.yml"
            path.write_text(conda, encoding="utf-8")
            return Environment.from_conda_specification(name, str(path))
        path = Path(folder) / "requirements.txt"
        path.write_text(pip or "", encoding="utf-8")
        return Environment.from_pip_requirements(name, str(path))


def _newest(workspace: Any, name: str, *, version: str | None = None) -> EnvironmentVersion | None:
    from azureml.core.environment import Environment

    try:
        return _document_of(Environment.get(workspace, name, version))
    except Exception as problem:
        # Of all its errors the SDK raises this one as a plain `Exception` with the status in its text.
        if type(problem) is Exception and "404" in str(problem):
            return None
        raise


def _content(environment: EnvironmentVersion) -> dict[str, Any]:
    """What makes two versions the same."""
    return {key: value for key, value in environment.document.items() if key not in ("version", "assetId")}


def _document_of(environment: Any) -> EnvironmentVersion:
    from azureml.core.environment import Environment

    return read_environment(Environment._serialize_to_dict(environment))
