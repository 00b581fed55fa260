"""Follow one of Azure's own operations, and a service until it settles. Only reads, so it may run any number of times."""

from __future__ import annotations

from typing import Any

from services.azureml.mms import ModelManagement
from services.azureml.translate import Busy
from services.azureml.types import FINAL_SERVICE_STATES, Service
from services.azureml.types import Operation as AzureOperation
from services.errors import Conflict, DeskError, NotFound
from services.operations.engine import Work

POLL_SECONDS = 1.0
SETTLE_SECONDS = 600.0
"""How long a service may go on converging after Azure gave its operation up: TimedOut is not failed."""
PHASES = {
    "BuildEnvironment": "building the environment",
    "BuildImage": "building the image",
    "DeployService": "starting the service",
}
LOG_LINES_SHOWN = 40


def follow(work: Work, operation_id: str | None) -> AzureOperation | None:
    """Poll Azure's operation until it is final, with its log; None when there is none to follow or it is forgotten."""
    if not operation_id:
        return None
    mms: ModelManagement = work.tool("gateway").mms
    offset = int(work.intended().get("offset", 0))
    said = ""
    while True:
        try:
            found = mms.operation(operation_id, offset=offset)
        except NotFound:
            return None
        if found.log:
            work.lines("azure", found.log.splitlines())
            offset = found.next_offset
            work.about_to({**work.intended(), "offset": offset})
        phase = PHASES.get(found.phase or "", "Azure is working")
        if phase != said:
            work.note(phase)
            work.lines("desk", [phase])
            said = phase
        if found.is_final:
            return found
        work.pause(POLL_SECONDS)


def settle(work: Work, name: str, ended: AzureOperation | None) -> Service:
    """Wait until a service is Healthy; raise with Azure's own words when it ends otherwise."""
    mms: ModelManagement = work.tool("gateway").mms
    timed_out = ended is not None and ended.state == "TimedOut"
    waited = 0.0
    while True:
        service = mms.service(name)
        if service.broken:
            raise Conflict(
                f"{name} was changed, but Azure's description of it cannot be read: {service.broken} "
                "Look at it in Azure's own studio."
            )
        if service.state == "Healthy":
            return service
        if ended is not None and ended.state in ("Failed", "Cancelled") and not timed_out:
            raise _failed(work, name, service, ended)
        if service.state in FINAL_SERVICE_STATES:
            raise _failed(work, name, service, ended)
        if waited >= SETTLE_SECONDS:
            minutes = SETTLE_SECONDS / 60
            raise Conflict(
                f"{name} is still {service.state} {minutes:.0f} min after Azure gave up waiting. It may yet become "
                "healthy: watch it on its page, or deploy again.",
                detail=service.error.text if service.error else None,
            )
        if timed_out:
            work.note(f"Azure gave up waiting, but {name} is {service.state} and goes on trying ({waited:.0f} s)")
        else:
            work.note(f"{name} is {service.state}")
        work.pause(POLL_SECONDS)
        waited += POLL_SECONDS


def _failed(work: Work, name: str, service: Service, ended: AzureOperation | None) -> DeskError:
    problem = (ended.error if ended else None) or service.error
    text = problem.text if problem else "Azure gives no reason."
    work.lines("container", log_tail(work, name))
    return Conflict(f"{name} did not start: {text.splitlines()[0]}", detail=text)


def log_tail(work: Work, name: str) -> list[str]:
    """The last lines of the container's log, or why there are none."""
    mms: ModelManagement = work.tool("gateway").mms
    try:
        lines = mms.logs(name, tail=LOG_LINES_SHOWN).splitlines()[-LOG_LINES_SHOWN:]
        return lines or mms.logs(name, tail=LOG_LINES_SHOWN, init=True).splitlines()[-LOG_LINES_SHOWN:]
    except DeskError as error:
        return [f"(the container's log could not be read: {error.sentence})"]


def until_free(work: Work, act: Any) -> Any:
    """Run a change; while Azure says that another one runs on the service, say so, wait and look again."""
    while True:
        try:
            return act()
        except Busy as error:
            work.note(f"{error.sentence} Waiting for it to end.")
            work.pause(2.0)
