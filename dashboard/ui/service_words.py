"""A service in words: who may call it, what is recorded, how many replicas, what its state means. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from dashboard.ui import operation_words
from dashboard.ui.states import Colour
from services.azureml.types import Service
from services.operations.records import Operation
from services.webservices import ListedService

UNKNOWN = "not known"

AUTH: Mapping[str, tuple[str, str, Colour, str]] = {
    "key": ("key", ":material/key:", "gray", "Callers need one of two keys."),
    "token": ("token", ":material/token:", "gray", "Callers fetch a token that expires, with their Entra ID identity."),
    "none": ("anonymous", ":material/no_encryption:", "red", "Anyone who knows the address can call it."),
    "unknown": (UNKNOWN, ":material/help:", "gray", "Azure does not say how callers prove themselves."),
}
"""How callers prove themselves: word, icon, colour, sentence."""

MEANING: Mapping[str, str] = {
    "Failing": "It runs, yet more than 1 % of its requests failed in the last hour. Azure itself calls it healthy.",
    "Healthy": "It runs and answers.",
    "Unhealthy": "It is deployed but does not answer. This is not final: Azure goes on trying, and it may become healthy "
    "by itself. The container's log says what it does meanwhile.",
    "Unschedulable": "The cluster has no room for it now. This is not final: Azure goes on trying, and it starts when nodes "
    "are added or something else gives room.",
    "Transitioning": "A change of it is under way: it ends healthy, unhealthy or failed.",
    "Failed": "It could not be started, and Azure has given up. Mend the cause and deploy again.",
    "Deleting": "It is being deleted.",
    "Broken": "Azure's answer about it cannot be read: only its name can be trusted. Its calls may work all the same.",
}

ACTIONS: Mapping[str, str] = {
    "keys.reveal": "reveal the keys",
    "keys.token": "fetch a token",
    "keys.rotate": "rotate the keys",
    "keys.rotate_stop": "stop rotating",
    "service.test": "send a test request",
    "service.make_anonymous": "make it anonymous",
    "operation.retry": "go on with an operation",
    "logs.follow": "read the container's log",
    "values.unmask": "unmask a request's values",
}
"""What the audit log knows besides operations."""


def action(name: str) -> str:
    """What was done, as a person says it."""
    return ACTIONS.get(name) or operation_words.kind(name)


def auth(service: Service) -> str:
    """Who may call, in a word: `key`, `token`, `anonymous`."""
    return UNKNOWN if service.broken else AUTH[service.auth][0]


def auth_cell(service: Service) -> str:
    """The same for a table's cell, with its sign."""
    word = auth(service)
    return f"▲ {word}" if word == "anonymous" else word


def insights(service: Service) -> str:
    """Whether requests are recorded: `on`, `off`."""
    if service.broken:
        return UNKNOWN
    return "on" if service.configuration.get("enable_app_insights") else "off"


def replicas(service: Service) -> str:
    """How many answer of how many shall: `3 of 3`; ACI has one container and Azure does not count it."""
    status = service.deployment_status
    if status is not None:
        return f"{status.available} of {status.desired}"
    return "1 container" if service.compute_type == "ACI" and not service.broken else UNKNOWN


def compute(service: Service) -> str:
    """Where it runs: `AKS my-aks`, `ACI`."""
    return " ".join(part for part in (service.compute_type, service.compute) if part)


def models(service: Service) -> str:
    """Its model versions: `diabetes v6, wine v2`."""
    if service.broken:
        return UNKNOWN
    return ", ".join(model(model_id) for model_id in service.model_ids) or "none"


def model(model_id: str) -> str:
    """`diabetes:6` as people say it: `diabetes v6`."""
    name, _, version = model_id.rpartition(":")
    return f"{name} v{version}" if name else model_id


def state(listed: ListedService) -> str:
    """What its state means and whether it is final."""
    return MEANING.get(listed.word, "Azure gave this state; the desk has no words for it.")


def problem(listed: ListedService) -> str:
    """What Azure says is wrong; empty when nothing is."""
    service = listed.service
    if service.broken:
        return service.broken
    parts = [service.error.text if service.error else ""]
    if service.deployment_status and service.deployment_status.error:
        parts.append(service.deployment_status.error)
    return "\n".join(dict.fromkeys(part for part in parts if part))


def milliseconds(value: float | None) -> str:
    """`41 ms`, or that it is not known; the server measures whole milliseconds, so its 0 is less than one."""
    if value is None:
        return UNKNOWN
    return "< 1 ms" if value < 1 else f"{value:,.0f} ms"


def share(value: float | None) -> str:
    """`8.2 %`, or that it is not known."""
    return UNKNOWN if value is None else f"{100 * value:.1f} %"


def last_change(listed: ListedService, operation: Operation | None) -> tuple[str, str, datetime | None]:
    """What was changed last, by whom and when: by the desk, else as far as Azure says."""
    if operation is not None:
        return operation.title, operation.person_name, operation.ended_at or operation.requested_at
    service = listed.service
    is_new = service.updated_at is None or service.updated_at == service.created_at
    what = "created outside the desk" if is_new else "changed outside the desk"
    by = service.created_by or UNKNOWN
    return what, by if is_new else UNKNOWN, service.created_at if is_new else service.updated_at
