"""Renew a service's keys: only after a look at a fingerprint, only the slot that was named, proved by a probe.

A key is read, used and forgotten within one step; what a step records is a keyed hash of it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

from services.azureml.mms import ModelManagement
from services.azureml.secrets import Slot
from services.errors import Conflict
from services.fingerprints import Fingerprints
from services.operations.engine import Stopped, Work
from services.operations.following import follow, until_free
from services.operations.records import Operation
from services.probing import Attempt, sample_body, send
from services.storage import ledger

SETTLE_SECONDS = 20.0
"""How long a lost regeneration may take to show, before it counts as not done."""
PROBE_DEADLINE_SECONDS = 30.0
PROBE_TRIES = 10
"""A new key reaches the front end a moment after the control plane has it."""


def fingerprint(work: Work) -> dict[str, Any]:
    """Record what the key looks like now, without recording it."""
    mms: ModelManagement = work.tool("gateway").mms
    return {"before": _mark(work).of(mms.keys(_service(work)).of(_slot(work)))}


def regenerate(work: Work) -> dict[str, Any]:
    """Replace the key, once: unchanged fingerprint = not done yet."""
    return _replace(work, value=None)


def set_own(work: Work) -> dict[str, Any]:
    """Replace the key by the value in the sealed envelope, once."""
    try:
        value = work.tool("sealed").open(work.operation.id)["value"]
    except Conflict as error:
        raise Stopped(error.sentence) from error
    return _replace(work, value=value)


def replace_and_prove(work: Work) -> dict[str, Any]:
    """Second leg of a rotation: replace the key clients have left, while it is known, and prove that it is dead."""
    mms: ModelManagement = work.tool("gateway").mms
    before = (work.result("fingerprint") or {})["before"]
    old = mms.keys(_service(work)).of(_slot(work))
    is_old = _mark(work).of(old) == before
    done = _replace(work, value=None)
    if not is_old:
        # A run before a crash replaced it and took the old value with it: that it is gone is proved by the fingerprint.
        return {**done, "old_key": None}
    refused = _probe_until(work, lambda: old, accepted=False)
    if refused.key_was_accepted:
        raise Conflict(f"The {_slot(work)} key of {_service(work)} was replaced, but the old one is still let through.")
    return {**done, "old_key": _evidence(refused)}


def prove(work: Work) -> dict[str, Any]:
    """Score with both keys: each must be let through."""
    mms: ModelManagement = work.tool("gateway").mms
    slots: tuple[Slot, ...] = ("primary", "secondary")
    found: dict[str, Any] = {}
    for slot in slots:
        # Read for each try: somebody else may renew the other key meanwhile.
        attempt = _probe_until(work, lambda slot=slot: mms.keys(_service(work)).of(slot), accepted=True)  # type: ignore[misc]
        found[slot] = _evidence(attempt)
        if not attempt.key_was_accepted:
            said = attempt.failure or f"the answer was {attempt.status}"
            raise Conflict(f"The {slot} key of {_service(work)} does not work yet: {said}. Go on to try again.")
    return found


def first_leg_done(work: Work) -> dict[str, Any]:
    """The idle key is new: from here people wait for their clients, not this operation."""
    checks = {"idle": work.result("prove")}
    _update_rotation(work, "renewing idle", state="waiting", idle_done_at=work.tool("clock").now(), checks=checks)
    return {}


def second_leg_done(work: Work) -> dict[str, Any]:
    """Both keys are new and proved."""
    checks = {"other": work.result("prove"), "old_key": (work.result("replace") or {}).get("old_key")}
    _update_rotation(work, "renewing other", state="done", ended_at=work.tool("clock").now(), checks=checks)
    return {}


def receipt(operation: Operation) -> dict[str, Any]:
    """What became of the key: proofs, never values."""
    return {
        "slot": operation.arguments["slot"],
        "proof": operation.result("prove"),
        "old_key": (operation.result("replace") or {}).get("old_key"),
    }


def _replace(work: Work, *, value: str | None) -> dict[str, Any]:
    mms: ModelManagement = work.tool("gateway").mms
    service, slot, mark = _service(work), _slot(work), _mark(work)
    before = (work.result("fingerprint") or {})["before"]
    with work.turn(service):
        if work.intended().get("sent") and _changes_within(work, before, SETTLE_SECONDS):
            return {"after": mark.of(mms.keys(service).of(slot))}
        if mark.of(mms.keys(service).of(slot)) != before:
            return {"after": mark.of(mms.keys(service).of(slot))}
        work.about_to({"sent": True})
        operation_id = until_free(work, lambda: mms.regenerate_key(service, slot, value=value))
        ended = follow(work, operation_id)
        if ended is not None and ended.state != "Succeeded":
            text = ended.error.text.splitlines()[0] if ended.error else "Azure gives no reason"
            raise Conflict(f"The {slot} key of {service} was not replaced: {text}.")
        same_on_purpose = value is not None and mark.of(value) == before
        if not same_on_purpose and not _changes_within(work, before, SETTLE_SECONDS):
            raise Conflict(f"Azure says that the {slot} key of {service} was replaced, but it is still the old one.")
    return {"after": mark.of(mms.keys(service).of(slot))}


def _changes_within(work: Work, before: str, seconds: float) -> bool:
    mms: ModelManagement = work.tool("gateway").mms
    until = time.monotonic() + seconds
    while True:
        if _mark(work).of(mms.keys(_service(work)).of(_slot(work))) != before:
            return True
        if time.monotonic() >= until:
            return False
        work.pause(0.5)


def _probe_until(work: Work, read_key: Callable[[], str], *, accepted: bool) -> Attempt:
    """Probe with a key until the front end treats it as it should, or it had enough tries."""
    service = work.tool("gateway").mms.service(_service(work))
    body = sample_body(service.swagger_uri or "", credential=read_key())
    for _ in range(PROBE_TRIES):
        attempt = send(
            service.scoring_uri or "", body, credential=read_key(), purpose="probe", deadline=PROBE_DEADLINE_SECONDS
        )
        if attempt.key_was_accepted is accepted:
            return attempt
        work.pause(0.5)
    return attempt


def _evidence(attempt: Attempt) -> dict[str, Any]:
    return {
        "status": attempt.status,
        "milliseconds": round(attempt.milliseconds, 1),
        "at": attempt.sent_at.isoformat(),
        "client_request_id": attempt.client_request_id,
        "failure": attempt.failure,
    }


def _update_rotation(work: Work, from_state: str, *, checks: dict[str, Any], **values: Any) -> None:
    table = ledger.rotations
    with work.tool("ledger").writing() as connection:
        where = sa.and_(table.c.id == work.arguments["rotation"], table.c.state == from_state)
        row = connection.execute(sa.select(table.c.checks).where(where)).first()
        if row is not None:
            connection.execute(sa.update(table).where(where).values(checks={**(row.checks or {}), **checks}, **values))


def _service(work: Work) -> str:
    return str(work.arguments["service"])


def _slot(work: Work) -> Slot:
    slot: Slot = work.arguments["slot"]
    return slot


def _mark(work: Work) -> Fingerprints:
    found: Fingerprints = work.tool("fingerprints")
    return found
