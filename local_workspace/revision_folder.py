"""The files of one version of a service, laid out as in Azure's container: code unpacked, models under their names."""

from __future__ import annotations

import json
import shutil
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local_workspace.blobs import Blobs
from local_workspace.state import State

ARTIFACT_URL = "aml://artifact/"
ASSET_URL = "aml://asset/"
MODELS = "azureml-models"


class SourceInvalid(Exception):
    """Code or models of this version cannot be laid out; the sentence says which."""


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """What scoring needs to know about the folder."""

    folder: Path
    entry_script: str
    model_dir: Path
    models: tuple[Mapping[str, Any], ...]
    environment: Mapping[str, Any]


def prepare(folder: Path, document: dict[str, Any], *, state: State, blobs: Blobs) -> Prepared:
    """Lay out a version's files, unless an earlier start did, and say what is where."""
    request = document["environmentImageRequest"]
    models = tuple(_model(state, model_id) for model_id in request.get("modelIds") or [])
    if not folder.exists():
        making = folder.with_name(f"{folder.name}.making")
        shutil.rmtree(making, ignore_errors=True)
        making.mkdir(parents=True, mode=0o700)
        _place_code(making / "code", request, blobs)
        for model in models:
            _place_model(making / MODELS, model, state=state, blobs=blobs)
        making.rename(folder)
    environment = _environment(state, request)
    single = len(models) == 1
    return Prepared(
        folder=folder,
        entry_script=_entry_script(request, environment),
        # With several models Azure points AZUREML_MODEL_DIR above them all.
        model_dir=folder / MODELS / models[0]["name"] / str(models[0]["version"]) if single else folder / MODELS,
        models=models,
        environment=environment,
    )


def _place_code(code: Path, request: Mapping[str, Any], blobs: Blobs) -> None:
    code.mkdir()
    for asset in request.get("assets") or []:
        url = str(asset.get("url") or "")
        file = _artifact(url, blobs)
        name = url.rpartition("/")[2]
        if asset.get("unpack") or name.endswith((".tar.gz", ".tgz")):
            try:
                with tarfile.open(file) as archive:
                    # 'data' refuses absolute paths, '..', links that lead outside, and devices.
                    archive.extractall(code, filter="data")
            except tarfile.TarError as error:
                raise SourceInvalid(f"The source archive {name} cannot be unpacked: {error}.") from error
        else:
            shutil.copyfile(file, code / name)


def _place_model(folder: Path, model: Mapping[str, Any], *, state: State, blobs: Blobs) -> None:
    target = folder / model["name"] / str(model["version"])
    target.mkdir(parents=True)
    asset_id = str(model["url"]).removeprefix(ASSET_URL)
    row = state.row("SELECT document FROM assets WHERE id = ?", (asset_id,))
    if row is None:
        raise SourceInvalid(f"The files of model {model['id']} are not there.")
    placed = 0
    for artifact in json.loads(row["document"])["artifacts"]:
        origin, _, rest = str(artifact.get("id") or artifact.get("prefix")).partition("/")
        container, _, path = rest.partition("/")
        parent = path.rstrip("/").rpartition("/")[0]
        for found, file in blobs.below(origin, container, path):
            # The last part of the prefix, a file or a folder, stays; what is above it does not.
            place = target / (found[len(parent) + 1 :] if parent else found)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, place)
            placed += 1
    if not placed:
        raise SourceInvalid(f"The files of model {model['id']} were never uploaded.")


def _artifact(url: str, blobs: Blobs) -> Path:
    origin, _, rest = url.removeprefix(ARTIFACT_URL).partition("/")
    container, _, path = rest.partition("/")
    found = blobs.find(origin, container, path) if url.startswith(ARTIFACT_URL) else None
    if found is None:
        raise SourceInvalid(f"The source file {url} was never uploaded.")
    return found


def _model(state: State, model_id: str) -> dict[str, Any]:
    name, _, version = model_id.rpartition(":")
    row = state.row("SELECT document FROM models WHERE name = ? AND version = ?", (name, version))
    if row is None:
        raise SourceInvalid(f"The model {model_id} was deleted.")
    document: dict[str, Any] = json.loads(row["document"])
    return document


def _environment(state: State, request: Mapping[str, Any]) -> dict[str, Any]:
    if request.get("environment"):
        return dict(request["environment"])
    reference = request.get("environmentReference")
    if not reference:
        return {}
    row = state.row(
        "SELECT document FROM environments WHERE name = ?1 AND (?2 IS NULL OR version = ?2)"
        " ORDER BY sequence DESC LIMIT 1",
        (reference.get("name"), reference.get("version")),
    )
    if row is None:
        raise SourceInvalid(f"The environment {reference.get('name')} is not there any more.")
    document: dict[str, Any] = json.loads(row["document"])
    return document


def _entry_script(request: Mapping[str, Any], environment: Mapping[str, Any]) -> str:
    if not request.get("assets"):
        return ""
    variables = environment.get("environmentVariables") or {}
    return str(variables.get("AZUREML_ENTRY_SCRIPT") or str(request.get("driverProgram") or "").rpartition("/")[2])
