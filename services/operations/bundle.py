"""Read a service back into a bundle: models, code, environment and configuration, so that it can run again."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from services.azureml.artifacts import fetch_code, is_packed
from services.azureml.gateway import Gateway
from services.azureml.types import Service
from services.bundles import Bundles
from services.errors import Forbidden, Invalid, NotFound
from services.files import CODE_LIMIT, Files
from services.operations.deploy import gateway_of, keep
from services.operations.engine import Work
from services.operations.journal import asker
from services.operations.records import Operation
from services.planning.code import pack, unpack
from services.planning.wanted import SERVER_VARIABLES, CodeRef, EnvironmentRef, from_service
from services.scrubbing import scrub_document


def fetch_code_back(work: Work) -> dict[str, Any]:
    """Fetch the code that the service runs into the file store; what cannot be fetched is said."""
    live = gateway_of(work).mms.service(work.operation.subject)
    wanted = from_service(live)
    if wanted.code is None:
        return {"code": None, "remark": ""}
    bundles: Bundles = work.tool("bundles")
    here = bundles.code_here(live)
    if here is not None:
        return {"code": here.to_json(), "remark": ""}
    try:
        code = CodeRef(
            source="upload",
            entry_script=wanted.code.entry_script,
            sha256=kept_code(work, live),
            name=_archive_name(live.name),
        )
    except (Forbidden, Invalid, NotFound) as error:
        remark = f"Its code could not be read back: {error.sentence}"
        work.lines("desk", [remark])
        return {"code": None, "remark": remark}
    return {"code": code.to_json(), "remark": ""}


def keep_it(work: Work) -> dict[str, Any]:
    """Keep what was read as a bundle of the service."""
    gateway = gateway_of(work)
    live = gateway.mms.service(work.operation.subject)
    fetched: Mapping[str, Any] = work.result("code") or {}
    wanted = from_service(live)
    remarks = [str(fetched["remark"])] if fetched.get("remark") else []
    if wanted.code and fetched.get("code"):
        wanted = replace(wanted, code=CodeRef.from_json(fetched["code"]))
    if wanted.environment:
        environment, remark = _environment(gateway, live, wanted.environment)
        wanted = replace(wanted, environment=environment)
        remarks += [remark] if remark else []
    return keep(work, wanted) | {"remarks": remarks}


def receipt(operation: Operation) -> dict[str, Any]:
    """What was kept, and what could not be."""
    kept = operation.result("bundle") or {}
    return {"bundle": kept.get("bundle"), "remarks": kept.get("remarks", [])}


def kept_code(work: Work, live: Service) -> str:
    """Fetch the code of a service, pack it as an upload is packed, and keep it for good; its hash."""
    files: Files = work.tool("files")
    with tempfile.TemporaryDirectory(prefix="desk-bundle-") as temporary:
        folder = Path(temporary)
        source = folder / "around" / "source"
        source.mkdir(parents=True)
        for number, asset in enumerate(live.code):
            work.note(f"fetching the code, part {number + 1} of {len(live.code)}")
            file = fetch_code(gateway_of(work), asset, into=folder / f"part-{number}")
            if is_packed(asset):
                shutil.copytree(unpack(file, into=folder / f"unpacked-{number}").folder, source, dirs_exist_ok=True)
            else:
                shutil.copyfile(file, source / file.name)
        if not any(source.iterdir()):
            raise Invalid("Azure names no file of it.")
        packed = pack(source.parent, into=folder / "packed")
        with packed.path.open("rb") as tar:
            kept = files.keep(
                tar, name=_archive_name(live.name), purpose="code", by=asker(work.operation), limit=CODE_LIMIT
            )
    return kept.sha256


def _archive_name(service: str) -> str:
    return f"{service}-read-back.tar"


def _environment(gateway: Gateway, live: Service, named: EnvironmentRef) -> tuple[EnvironmentRef, str]:
    """The environment by its version when that is registered, else the whole document without its secrets."""
    if named.version and gateway.mms.find_environment(named.name, named.version) is not None:
        return named, ""
    request = gateway.mms.service_document(live.name).get("environmentImageRequest") or {}
    document = request.get("environment")
    if not isinstance(document, Mapping):
        return named, f"Its environment {named.words} is not registered, and Azure does not show its document."
    variables = {
        name: value
        for name, value in (document.get("environmentVariables") or {}).items()
        if name not in SERVER_VARIABLES
    }
    asked = {**document, "environmentVariables": variables}
    scrubbed = scrub_document(asked)
    remark = ""
    if scrubbed != asked:
        remark = (
            f"Its environment {named.name} holds a secret, which is not kept: going back to this bundle needs it "
            "typed again on the Deploy screen."
        )
    return EnvironmentRef(name=named.name, version=None, document=scrubbed), remark
