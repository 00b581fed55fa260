"""Rehearse a bundle on a local workspace first: copy its models, deploy it there, ask it, say what came of it.

The services there are of no concern to anyone: one at a time, replaced by the next. What has not changed since the
rehearsal before is left as it is, so that after an edit only the code is deployed again.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from services.azureml.gateway import Gateway
from services.azureml.sdk import Code, Deployment, Submission
from services.azureml.types import Service
from services.errors import Conflict
from services.operations.bundle import kept_code
from services.operations.deploy import code_of, environment_of, gateway_of, wanted_of
from services.operations.engine import Work
from services.operations.following import follow, log_tail, settle, until_free
from services.operations.records import Operation
from services.planning.wanted import Wanted, digest
from services.probing import FALLBACK_BODY, Attempt, sample_body, send
from services.rehearsal_workspace import RehearsalWorkspace
from services.scrubbing import scrub
from services.sealed import Sealed

TURN = "(rehearsal)"
"""The lease of the one rehearsal workspace, among those of services."""
WHAT, CODE = "desk-rehearses", "desk-code"
"""Property and tag of a rehearsed service: what it is made of without its code, and which code."""
MOST_CPU, MOST_MEMORY_GB = 4.0, 14.0
ASK_SECONDS = 60.0
ANSWER_SHOWN = 20_000
MOST_NUMBERS = 300
INPUT = "body"
"""The sealed request of a reproduction."""


def start(work: Work) -> dict[str, Any]:
    """Have the rehearsal workspace run."""
    work.note("starting the rehearsal workspace")
    with _there(work):
        return {}


def copy_models(work: Work) -> dict[str, Any]:
    """Copy the models that are not there yet; which version each of them is there."""
    wanted = wanted_of(work)
    copies: dict[str, str] = {}
    with _there(work) as there:
        for number, model_id in enumerate(wanted.model_ids, start=1):
            work.note(f"copying {model_id} ({number} of {len(wanted.model_ids)})")
            copies[model_id] = _copy(work, there, model_id)
    moved = [f"{ours} is {copy} there" for ours, copy in copies.items() if ours != copy]
    if moved:
        work.lines("desk", [f"Not every version has the same number on the rehearsal workspace: {', '.join(moved)}."])
    return {"copies": copies}


def submit(work: Work) -> dict[str, Any]:
    """Deploy the bundle there, or only its code when nothing else has changed since the rehearsal before."""
    wanted = wanted_of(work)
    copies: Mapping[str, str] = (work.result("models") or {}).get("copies", {})
    with _there(work) as there, tempfile.TemporaryDirectory(prefix="desk-rehearse-") as folder:
        live = _alone(there, wanted.service)
        if live is not None and live.operation == work.operation.id:
            return {"azure_operation": live.operation_id, "way": "sent before"}
        code, sha256 = _code(work, wanted, Path(folder))
        document = environment_of(work, wanted) if code else None
        what = digest([sorted(copies.values()), document, _settings(wanted)])
        is_same = live is not None and live.state == "Healthy" and live.properties.get(WHAT) == what
        if is_same and live is not None and live.tags.get(CODE, "") == sha256:
            work.note("it runs there already")
            return {"azure_operation": None, "way": "as it was"}
        gateway = gateway_of(there)
        if is_same and code is not None:
            work.note("deploying the code again")
            return _sent(until_free(there, lambda: _reload(gateway, work, wanted, code, document, sha256)), "the code")
        deployment = Deployment(
            name=wanted.service,
            compute_type="ACI",
            model_ids=[copies.get(model_id, model_id) for model_id in wanted.model_ids],
            configuration=_settings(wanted),
            code=code,
            environment=document,
            tags={CODE: sha256},
            properties={WHAT: what},
            overwrite=live is not None,
        )
        work.note("sending models, code and environment to the rehearsal workspace")
        submission = until_free(there, lambda: gateway.sdk.submit_deployment(deployment, mark=work.operation.id))
    return _sent(submission, "everything")


def follow_it(work: Work) -> dict[str, Any]:
    """Follow it until it is healthy there."""
    with _there(work) as there:
        ended = follow(there, (work.result("submit") or {}).get("azure_operation"))
        service = settle(there, work.operation.subject, ended)
    return {"state": service.state}


def ask(work: Work) -> dict[str, Any]:
    """Send it the request, read what it logged, and give the rehearsal workspace back."""
    try:
        with _there(work) as there:
            gateway = gateway_of(there)
            service = gateway.mms.service(work.operation.subject)
            key = gateway.mms.keys(service.name).primary
            sealed: Sealed = work.tool("sealed")
            reproduces = bool(work.arguments.get("reproduces"))
            body = (
                str(_opened(sealed, work)[INPUT])
                if reproduces
                else sample_body(service.swagger_uri or "", credential=key)
            )
            attempt = send(service.scoring_uri or "", body, credential=key, purpose="test", deadline=ASK_SECONDS)
            log = log_tail(there, service.name)
    finally:
        work.duties.leases.give_back(TURN, work.operation.id)
    said = _said(attempt)
    if reproduces:
        # What a person's request was answered, and what was printed, may hold what the request held: neither lies open
        # in the ledger.
        kept = {"answer": attempt.body[:ANSWER_SHOWN], "log": "\n".join(log)}
        with work.tool("ledger").writing() as connection:
            sealed.seal(connection, answer_of(work.operation.id), kept)
        return said
    work.lines("container", log)
    said |= {"request": body, "answer": scrub(attempt.body[:ANSWER_SHOWN]), "is_sample": body != FALLBACK_BODY}
    if said["works"] or not said["is_sample"]:
        return said
    work.about_to(said)
    raise Conflict(
        f"{service.name} starts, but its sample request was answered with {attempt.status or 'nothing'}: "
        f"{said['words']} Mend the code and rehearse again.",
        detail=scrub(attempt.body[:ANSWER_SHOWN]) or None,
    )


def receipt(operation: Operation) -> dict[str, Any]:
    """What came of it, without the answer."""
    said = operation.result("ask") or {}
    return {
        "way": (operation.result("submit") or {}).get("way"),
        "copies": (operation.result("models") or {}).get("copies", {}),
        **{name: said.get(name) for name in ("status", "milliseconds", "model_milliseconds", "works", "words")},
    }


def answer_of(operation: str) -> str:
    """Where the answer of a reproduced request lies sealed."""
    return f"{operation}answer"


@contextmanager
def _there(work: Work) -> Iterator[Work]:
    """The same work against the rehearsal workspace; its turn there lasts until the last step gives it back."""
    rehearsal: RehearsalWorkspace = work.tool("rehearsal")
    with work.turn(TURN, keep=True), rehearsal.in_use(work.pause) as gateway:
        yield work.elsewhere(gateway=gateway)


def _copy(work: Work, there: Work, model_id: str) -> str:
    """A copy of a model version in the rehearsal workspace, made once."""
    model = gateway_of(work).mms.model(model_id)
    mark = digest([work.operation.workspace, model.id, str(model.created_at)])[:32]
    found = gateway_of(there).mms.model_of_operation(model.name, mark)
    if found is not None:
        return found.id
    with tempfile.TemporaryDirectory(prefix="desk-copy-") as folder:
        root = Path(folder) / "files"
        files = gateway_of(work).registry.download_model(model.id, into=root)
        copied = gateway_of(there).registry.register_model(
            model.name,
            {path.relative_to(root).as_posix(): path for path in files},
            mark=mark,
            framework=model.framework,
            framework_version=model.framework_version,
            description=f"A copy of {model.id}, to be rehearsed with.",
        )
    if model.version - copied.version > MOST_NUMBERS:
        return copied.id
    while copied.version < model.version:
        # Code may look for its models below their version: the copy is registered until it has the same number.
        copied = gateway_of(there).mms.create_model(
            {
                "name": model.name,
                "url": copied.url,
                "mimeType": copied.mime_type or "application/json",
                "unpack": False,
                "datasets": [],
                "kvTags": {},
                "properties": copied.properties,
                **({"framework": model.framework} if model.framework else {}),
                **({"frameworkVersion": model.framework_version} if model.framework_version else {}),
            }
        )
    return copied.id


def _alone(there: Work, name: str) -> Service | None:
    """What runs there under this name, after everything else there was taken away."""
    mms = gateway_of(there).mms
    for service in mms.services():
        if service.name != name:
            until_free(there, lambda gone=service.name: mms.delete_service(gone))
    return mms.find_service(name)


def _code(work: Work, wanted: Wanted, folder: Path) -> tuple[Code | None, str]:
    """The code unpacked, and its hash; what a service runs and nobody uploaded here is fetched from it."""
    if wanted.code is None:
        return None, ""
    if not wanted.code.sha256:
        live = gateway_of(work).mms.service(wanted.code.service)
        fetched = kept_code(work, live)
        asked = {**wanted.to_json(), "code": {**wanted.code.to_json(), "source": "upload", "sha256": fetched}}
        wanted = Wanted.from_json(asked)
    found = code_of(work, wanted, folder)
    return found, wanted.code.sha256 if wanted.code else ""


def _settings(wanted: Wanted) -> dict[str, Any]:
    """What of the configuration means anything there: one container with a key."""
    asked = wanted.asked
    return {
        "cpu_cores": min(float(asked.get("cpu_cores") or 0.5), MOST_CPU),
        "memory_gb": min(float(asked.get("memory_gb") or 1.0), MOST_MEMORY_GB),
        "auth_enabled": True,
    }


def _reload(
    gateway: Gateway, work: Work, wanted: Wanted, code: Code, document: Mapping[str, Any] | None, sha256: str
) -> Submission:
    return gateway.sdk.update_service(
        wanted.service, mark=work.operation.id, tags={CODE: sha256}, code=code, environment=document
    )


def _sent(submission: Submission, way: str) -> dict[str, Any]:
    return {"azure_operation": submission.operation_id, "way": way}


def _opened(sealed: Sealed, work: Work) -> Mapping[str, Any]:
    try:
        return sealed.open(work.operation.id)
    except Conflict:
        raise Conflict(
            "The request was kept for 15 minutes only, and they are over: reproduce it again, which is quicker now."
        ) from None


def _said(attempt: Attempt) -> dict[str, Any]:
    """What came of one request, in numbers and in a sentence."""
    works = attempt.status is not None and 200 <= attempt.status < 300
    raised = attempt.headers.get("x-ms-run-function-failed", "").lower() == "true"
    if attempt.status is None:
        words = attempt.failure
    elif raised:
        words = "run() raised an error; its traceback is in the log."
    elif works:
        words = "It was answered."
    else:
        words = f"It was answered with {attempt.status}; the log says more."
    return {
        "status": attempt.status,
        "milliseconds": round(attempt.milliseconds, 1),
        "model_milliseconds": attempt.model_milliseconds,
        "works": works,
        "raised": raised,
        "words": words,
    }
