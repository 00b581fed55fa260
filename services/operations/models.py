"""Register, edit, fetch and delete model versions."""

from __future__ import annotations

import tempfile
import zipfile
from pathlib import Path
from typing import Any

from services.azureml.computes import create_aks
from services.azureml.mms import ModelManagement
from services.azureml.registry import Registry
from services.azureml.types import visible_tags
from services.files import FETCHED_KEPT_FOR, Files
from services.operations.engine import Work
from services.operations.journal import asker
from services.operations.records import Operation
from services.planning.code import Limits, unpack

MODEL_LIMITS = Limits(packed_bytes=1 << 30, unpacked_bytes=4 << 30)


def register(work: Work) -> dict[str, Any]:
    """Upload the files and make the version, unless an earlier run of this step did."""
    asked = work.arguments
    registry: Registry = work.tool("gateway").registry
    files: Files = work.tool("files")
    with tempfile.TemporaryDirectory(prefix="desk-register-") as folder:
        work.note("uploading to Azure")
        found = registry.register_model(
            asked["name"],
            _model_files(asked, files.path(asked["sha256"]), Path(folder)),
            mark=work.operation.id,
            framework=asked["framework"],
            framework_version=asked["framework_version"] or None,
            description=asked["description"] or None,
            tags=asked["tags"],
            properties=asked["properties"],
        )
    return {"model_id": found.id}


def _model_files(asked: dict[str, Any], kept: Path, folder: Path) -> dict[str, Path]:
    if not asked["unpack"]:
        return {asked["file_name"]: kept}
    unpacked = unpack(kept, into=folder / "files", limits=MODEL_LIMITS)
    top = Path(asked["file_name"]).stem
    return {f"{top}/{path}": unpacked.folder / path for path in unpacked.files}


def registered(operation: Operation) -> dict[str, Any]:
    """Which version it became."""
    return {"model_id": (operation.result("register") or {}).get("model_id")}


def edit(work: Work) -> dict[str, Any]:
    """Write tags and description, unless they are as asked."""
    asked = work.arguments
    mms: ModelManagement = work.tool("gateway").mms
    now = mms.model(asked["model_id"])
    if visible_tags(now.tags) != asked["tags"] or (now.description or "") != asked["description"]:
        work.tool("gateway").registry.edit_model(
            asked["model_id"], tags=asked["tags"], description=asked["description"] or None
        )
    return {}


def read_back(work: Work) -> dict[str, Any]:
    """Compare what was asked with what is there now."""
    asked, got = work.arguments, work.tool("gateway").mms.model(work.arguments["model_id"])
    mismatches = []
    if visible_tags(got.tags) != asked["tags"]:
        mismatches.append(f"tags: asked {asked['tags']}, got {visible_tags(got.tags)}")
    if (got.description or "") != asked["description"]:
        mismatches.append(f"description: asked “{asked['description']}”, got “{got.description or ''}”")
    return {"mismatches": mismatches}


def edited(operation: Operation) -> dict[str, Any]:
    """What was asked and where it differs."""
    return {"mismatches": (operation.result("read_back") or {}).get("mismatches", [])}


def delete(work: Work) -> dict[str, Any]:
    """Delete the version; one that is gone is done."""
    model_id = work.arguments["model_id"]
    mms: ModelManagement = work.tool("gateway").mms
    if mms.find_model(model_id) is not None:
        mms.delete_model(model_id)
    return {"deleted": model_id}


def deleted(operation: Operation) -> dict[str, Any]:
    """What is gone."""
    return dict(operation.result("delete") or {})


def fetch(work: Work) -> dict[str, Any]:
    """Fetch a version's files into the file store, several as one zip, for 7 days."""
    model_id = work.arguments["model_id"]
    files: Files = work.tool("files")
    with tempfile.TemporaryDirectory(prefix="desk-fetch-") as folder:
        work.note("fetching from Azure")
        root = Path(folder) / "files"
        found = work.tool("gateway").registry.download_model(model_id, into=root)
        single = (
            found[0] if len(found) == 1 else _zipped(found, root, Path(folder) / f"{model_id.replace(':', '-')}.zip")
        )
        kept = files.keep_path(single, purpose="fetched", by=asker(work.operation), keep_for=FETCHED_KEPT_FOR)
    return {"sha256": kept.sha256, "name": kept.name, "size": kept.size}


def fetched(operation: Operation) -> dict[str, Any]:
    """Where the files lie."""
    return dict(operation.result("fetch") or {})


def register_environment(work: Work) -> dict[str, Any]:
    """Register an environment; the same document twice is the same version to Azure."""
    asked = work.arguments
    version = work.tool("gateway").registry.register_environment(
        asked["name"], conda=asked.get("conda"), pip=asked.get("pip")
    )
    return {"name": version.name, "version": version.version}


def environment_registered(operation: Operation) -> dict[str, Any]:
    """Which version it became."""
    return dict(operation.result("register") or {})


def create_compute(work: Work) -> dict[str, Any]:
    """Create an AKS cluster, unless it is there."""
    asked = work.arguments
    mms: ModelManagement = work.tool("gateway").mms
    if not any(found.name == asked["name"] for found in mms.computes()):
        create_aks(
            work.tool("gateway").access,
            asked["name"],
            nodes=asked["nodes"],
            vm_size=asked["vm_size"],
            purpose=asked["purpose"],
        )
    while True:
        found = next((compute for compute in mms.computes() if compute.name == asked["name"]), None)
        if found is not None and found.state in ("Succeeded", "Failed"):
            return {"name": found.name, "state": found.state}
        work.note(f"the cluster is {found.state if found else 'being created'}")
        work.pause(1.0)


def compute_created(operation: Operation) -> dict[str, Any]:
    """The cluster."""
    return dict(operation.result("create") or {})


def _zipped(found: list[Path], root: Path, target: Path) -> Path:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for path in found:
            archive.write(path, path.relative_to(root))
    return target
