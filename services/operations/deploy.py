"""Deploy or redeploy a service: check the plan still holds, submit once, follow Azure, read back, keep the bundle."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from services.azureml.gateway import Gateway
from services.azureml.sdk import Code, Deployment
from services.azureml.types import Service
from services.bundles import Bundles, assets_of
from services.errors import Conflict, NotFound
from services.files import Files
from services.operations.engine import Stopped, Work
from services.operations.following import follow, settle, until_free
from services.operations.records import Operation
from services.planning.code import unpack
from services.planning.plan import Plan, compare, configuration_hash
from services.planning.update import create_arguments
from services.planning.wanted import SEALED, Wanted
from services.sealed import Sealed


def wanted_of(work: Work) -> Wanted:
    """What the operation was asked for."""
    return Wanted.from_json(work.arguments["wanted"])


def plan_of(work: Work) -> Plan:
    """The plan a person saw."""
    return Plan.from_json(work.operation.plan or {})


def check(work: Work) -> dict[str, Any]:
    """Look whether the service is still the one that was planned against."""
    wanted, plan = wanted_of(work), plan_of(work)
    mms = gateway_of(work).mms
    live = mms.find_service(wanted.service)
    if live is not None and live.operation == work.operation.id:
        return {"already_submitted": True}
    refuse_changed(live, wanted, plan)
    for model_id in wanted.model_ids:
        mms.model(model_id)
    return {"already_submitted": False}


def submit(work: Work) -> dict[str, Any]:
    """Send the deployment to Azure, unless an earlier run of this step did."""
    wanted, plan = wanted_of(work), plan_of(work)
    gateway = gateway_of(work)
    with work.turn(wanted.service):
        live = gateway.mms.find_service(wanted.service)
        if live is not None and live.operation == work.operation.id:
            work.note("Azure has it already")
            return {"azure_operation": live.operation_id}
        # Since the first look it may have waited long for its turn.
        refuse_changed(live, wanted, plan)
        secrets = opened_secrets(work, wanted)
        if live is not None and plan.keys_resent and live.auth == "key":
            keys = gateway.mms.keys(wanted.service)
            secrets = {"primary_key": keys.primary, "secondary_key": keys.secondary, **secrets}
        with tempfile.TemporaryDirectory(prefix="desk-deploy-") as folder:
            work.note("sending models, code and configuration to Azure")
            with typed_files(secrets, Path(folder)) as arguments:
                deployment = _deployment(work, wanted, Path(folder), arguments, overwrite=live is not None)
                submission = until_free(
                    work,
                    lambda: gateway.sdk.submit_deployment(deployment, mark=work.operation.id, secrets=arguments),
                )
    return {"azure_operation": submission.operation_id}


def refuse_changed(live: Service | None, wanted: Wanted, plan: Plan) -> None:
    """Raise Conflict when the service is no longer the one that was planned against."""
    if configuration_hash(live) != plan.based_on:
        raise Conflict(
            f"{wanted.service} was changed after this was planned, so nothing was sent: "
            "open it, look at the new plan and launch again."
        )


def follow_it(work: Work) -> dict[str, Any]:
    """Follow Azure's operation to its end, then the service until it is healthy."""
    wanted = wanted_of(work)
    ended = follow(work, (work.result("submit") or {}).get("azure_operation"))
    service = settle(work, wanted.service, ended)
    return {"state": service.state, "azure_state": ended.state if ended else None}


def read_back(work: Work) -> dict[str, Any]:
    """Compare what was asked with what is there now."""
    wanted = wanted_of(work)
    got = gateway_of(work).mms.service(wanted.service)
    mismatches = [found.sentence for found in compare(wanted, got)]
    if mismatches:
        work.note("; ".join(mismatches))
    return {"mismatches": mismatches, "scoring_uri": got.scoring_uri}


def keep_bundle(work: Work) -> dict[str, Any]:
    """Keep exactly what was deployed, so that it can be deployed again."""
    return keep(work, wanted_of(work))


def keep(work: Work, wanted: Wanted) -> dict[str, Any]:
    """Keep a bundle, with what Azure names its code and what the whole service hashes to just now."""
    live = gateway_of(work).mms.service(wanted.service)
    bundles: Bundles = work.tool("bundles")
    with work.tool("ledger").writing() as connection:
        sha256 = bundles.keep(connection, operation=work.operation.id, wanted=wanted, at=work.tool("clock").now())
    return {"bundle": sha256, "assets": list(assets_of(live)), "runs": configuration_hash(live)}


def receipt(operation: Operation) -> dict[str, Any]:
    """What the deployment did."""
    return {
        "asked": (operation.plan or {}).get("changes", []),
        "mismatches": (operation.result("read_back") or {}).get("mismatches", []),
        "scoring_uri": (operation.result("read_back") or {}).get("scoring_uri"),
        "azure_operation": (operation.result("submit") or {}).get("azure_operation"),
        "bundle": (operation.result("bundle") or {}).get("bundle"),
    }


def gateway_of(work: Work) -> Gateway:
    """The worker's way to Azure ML."""
    found: Gateway = work.tool("gateway")
    return found


def opened_secrets(work: Work, wanted: Wanted) -> dict[str, str]:
    """The secrets typed into the form, from their envelope; stops the operation when they have expired."""
    if not wanted.sealed:
        return {}
    sealed: Sealed = work.tool("sealed")
    try:
        return sealed.open(work.operation.id)
    except Conflict as error:
        raise Stopped(error.sentence) from error


@contextmanager
def typed_files(secrets: Mapping[str, str], folder: Path) -> Iterator[dict[str, str]]:
    """The SDK reads certificate and key from files: write what was typed there while it does, 0600, and no longer."""
    written: list[Path] = []
    arguments = dict(secrets)
    try:
        for name in [name for name in secrets if name.endswith("_pem_file")]:
            descriptor, path = tempfile.mkstemp(dir=folder, suffix=".pem")
            written.append(Path(path))
            with os.fdopen(descriptor, "w") as file:
                file.write(secrets[name])
            arguments[name] = path
        yield arguments
    finally:
        for file_path in written:
            file_path.unlink(missing_ok=True)


def code_of(work: Work, wanted: Wanted, folder: Path) -> Code | None:
    """The uploaded code, unpacked; None when there is none or when what a service runs stays."""
    if wanted.code is None or not wanted.code.sha256:
        return None
    files: Files = work.tool("files")
    unpacked = unpack(files.path(wanted.code.sha256), into=folder / "source")
    return Code(folder=unpacked.folder, entry_script=wanted.code.entry_script)


def environment_of(work: Work, wanted: Wanted) -> Mapping[str, Any] | None:
    """The whole environment document: as uploaded, as registered, or as the service has it."""
    if wanted.environment is None:
        return None
    if wanted.environment.document is not None:
        return wanted.environment.document
    gateway = gateway_of(work)
    try:
        return gateway.registry.environment(wanted.environment.name, version=wanted.environment.version).document
    except NotFound:
        # An environment made of a file is not registered: the service that runs in it has the only copy.
        request = gateway.mms.service_document(wanted.service).get("environmentImageRequest") or {}
        found: Mapping[str, Any] | None = request.get("environment")
        if found is None or found.get("name") != wanted.environment.name:
            raise
        return found


def _deployment(work: Work, wanted: Wanted, folder: Path, secrets: Mapping[str, str], *, overwrite: bool) -> Deployment:
    code = code_of(work, wanted, folder)
    request = None
    if wanted.code is not None and code is None:
        request = dict(gateway_of(work).mms.service_document(wanted.code.service).get("environmentImageRequest") or {})
    arguments = create_arguments(wanted)
    configuration = {name: value for name, value in arguments.items() if name not in secrets and value != SEALED}
    return Deployment(
        name=wanted.service,
        compute_type=wanted.target,
        model_ids=wanted.model_ids,
        configuration=configuration,
        compute=wanted.compute,
        code=code,
        environment=environment_of(work, wanted) if code else None,
        request=request,
        tags=dict(wanted.tags),
        properties=dict(wanted.properties),
        description=wanted.description or None,
        overwrite=overwrite,
    )
