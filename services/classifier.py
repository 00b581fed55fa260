"""Names the cause of a failure from the evidence at hand: pure, over the signatures.

What several signatures see at once is said once, the most particular first. What none of them recognises is said to be
unknown, with the raw text: a wrong name sends a person the wrong way at three in the morning.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from services.azureml.fields import defaults
from services.azureml.types import Service
from services.planning.imports import DISTRIBUTIONS, FAMILIES
from services.planning.resource_rules import WORKER_TIMEOUT_MS
from services.planning.wanted import scales
from services.replica_sizing import Load, size
from services.signatures import SIGNATURES, Remedy, Signature, Source

UNKNOWN = "unknown"
LONGEST_TIMEOUT_MS = WORKER_TIMEOUT_MS
"""A scoring timeout beyond it means nothing: gunicorn ends the worker first."""
BOOTS_BEYOND_REPLICAS = 3
LONGEST_RAW = 2_000
FEW = 5
OURS = frozenset({"probe", "test"})

_BOOT = re.compile(r"Booting worker with pid: \d+")
_ENDED_BY_ITSELF = re.compile(r"Worker failed to boot|^Traceback \(most recent call last\)", re.MULTILINE)
_LACK = {"cpu": "CPU", "memory": "memory", "nvidia.com/gpu": "GPUs"}


@dataclass(frozen=True, kw_only=True)
class Text:
    """Something that was written about a failure."""

    source: Source
    text: str
    where: str
    """Whose words these are: `Azure says of the service`."""


@dataclass(frozen=True, kw_only=True)
class Seen:
    """Answers that callers got, or our own probes and tests."""

    code: int
    n: int
    source: str
    """`container`, `front end`, `probe` or `test`."""
    failure: str = ""
    """The same in the words of the charts, where a code alone does not tell."""


@dataclass(frozen=True, kw_only=True)
class Running:
    """The operation that is under way on the service."""

    id: str
    title: str
    person: str


@dataclass(frozen=True, kw_only=True)
class Raised:
    """The exception that `run()` raised most."""

    group: str
    """The failure group it belongs to."""
    sentence: str


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """All that is known about a failure."""

    service: str
    compute_type: str = ""
    state: str = ""
    texts: tuple[Text, ...] = ()
    seen: tuple[Seen, ...] = ()
    configuration: Mapping[str, Any] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    """The environment's variables."""
    model_ids: tuple[str, ...] = ()
    desired: int | None = None
    available: int | None = None
    """How many replicas shall answer, and do; None = not known."""
    load: Load | None = None
    running: Running | None = None
    raised: Raised | None = None
    twins: tuple[str, ...] = ()
    """Names under which the same cluster is attached, when there is more than one."""
    operation: str | None = None
    """The operation that failed, when that is what is asked about."""
    unread: tuple[str, ...] = ()
    """What could not be looked at, in sentences: a cause may hide there."""


@dataclass(frozen=True, kw_only=True)
class Action:
    """What the button of a cause opens, and with what in it."""

    does: Remedy
    label: str
    service: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Settings of the service, filled into its configuration."""
    packages: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    """What is added to the environment on Deploy."""
    operation: str | None = None
    """What failed, to start from what it wanted; or what is waited for."""
    model_ids: tuple[str, ...] = ()
    group: str = ""
    """The failure group to be seen."""


@dataclass(frozen=True, kw_only=True)
class Cause:
    """What probably happened, how that is known, and what helps."""

    id: str
    """The signature's, or `unknown`."""
    service: str
    title: str
    cause: str
    remedy: str
    action: Action | None
    shown_by: str
    """What it was recognised by, in words."""
    raw: str = ""
    """The text it was recognised in; of an unknown failure, all there is."""

    @property
    def is_known(self) -> bool:
        """Whether it was recognised."""
        return self.id != UNKNOWN


@dataclass(frozen=True, kw_only=True)
class _Hit:
    """A signature that fits, and where."""

    signature: Signature
    groups: Mapping[str, str]
    shown_by: str
    raw: str = ""
    count: str = "Some calls"


def classify(evidence: Evidence) -> list[Cause]:
    """Return what probably happened, the most particular first; empty when nothing is wrong."""
    hits = [hit for signature in SIGNATURES if (hit := _hit(signature, evidence))]
    hidden = {name for hit in hits for name in hit.signature.hides}
    found = [_cause(hit, evidence) for hit in hits if hit.signature.id not in hidden]
    if not found and is_trouble(evidence):
        return [_unknown(evidence)]
    return found


def is_trouble(evidence: Evidence) -> bool:
    """Whether there is anything to explain: a failed operation, a state that is not well, or failed calls."""
    says_error = any(text.source == "azure" and text.text.strip() for text in evidence.texts)
    is_unwell = evidence.state in ("Failed", "Unhealthy", "Unschedulable")
    return says_error or is_unwell or any(map(_needs_words, evidence.seen))


def texts_of(service: Service) -> tuple[Text, ...]:
    """What Azure says is wrong with a service, with the codes of its parts, which its message leaves out."""
    said = []
    if service.error:
        parts = (f"{code}: {message}" for code, message in service.error.details)
        said.append("\n".join([f"{service.error.code}: {service.error.message}", *parts]))
    if service.deployment_status and service.deployment_status.error:
        said.append(service.deployment_status.error)
    return tuple(Text(source="azure", text=text, where="Azure says of the service") for text in said)


def _hit(signature: Signature, evidence: Evidence) -> _Hit | None:
    written = _written(signature, evidence) or _fact(signature, evidence)
    counted = _answers(signature, evidence)
    if written and counted:
        # The text says what it was, the answers how many it hurt.
        return replace(written, count=counted.count, shown_by=counted.shown_by)
    return written or counted


def _written(signature: Signature, evidence: Evidence) -> _Hit | None:
    """What shows by a text."""
    for text in evidence.texts:
        if text.source not in signature.sources:
            continue
        for pattern in signature.texts:
            # The newest: an older one may have been mended since.
            matches = list(pattern.finditer(text.text))
            if matches:
                groups = {name: value for name, value in matches[-1].groupdict().items() if value}
                line = _line_of(text.text, matches[-1].end() - 1)
                return _Hit(signature=signature, groups=groups, shown_by=f"{text.where}: {line}", raw=line)
    return None


def _answers(signature: Signature, evidence: Evidence) -> _Hit | None:
    fitting = [
        seen
        for seen in evidence.seen
        if seen.code in signature.codes or (seen.failure and seen.failure in signature.failures)
    ]
    if signature.id == "queue-full" and _is_without_replica(evidence):
        # Then a 503 says nothing about bursts.
        return None
    calls = sum(seen.n for seen in fitting if seen.source not in OURS)
    if calls < signature.at_least and not any(seen.source in OURS for seen in fitting):
        return None
    counted: dict[tuple[int, str], int] = {}
    for seen in fitting:
        counted[seen.code, seen.source] = counted.get((seen.code, seen.source), 0) + seen.n
    shown_by = ", ".join(f"{n:,} × {code} ({source})" for (code, source), n in sorted(counted.items()))
    total = sum(seen.n for seen in fitting)
    count = f"{total:,} {'call' if total == 1 else 'calls'} in the last hour"
    return _Hit(signature=signature, groups={}, shown_by=f"{shown_by} in the last hour", count=count)


def _fact(signature: Signature, evidence: Evidence) -> _Hit | None:
    """What shows by something else than a text or an answer."""
    shown_by = ""
    if signature.fact == "unschedulable" and evidence.state == "Unschedulable":
        shown_by = "Azure says of the service: Unschedulable"
    elif signature.fact == "attached twice" and len(evidence.twins) > 1:
        shown_by = "The list of compute targets has one cluster under several names"
    elif signature.fact == "503 without a replica" and _is_without_replica(evidence):
        refused = sum(seen.n for seen in evidence.seen if seen.code == 503)
        shown_by = f"{refused:,} × 503 while no replica answers" if refused else ""
    elif signature.fact == "workers begin again and again":
        shown_by = _boots(evidence)
    return _Hit(signature=signature, groups={}, shown_by=shown_by) if shown_by else None


def _boots(evidence: Evidence) -> str:
    """Say that workers begin more often than there are any, and for no reason that they give."""
    workers = int(evidence.variables.get("WORKER_COUNT") or 1) if _is_number(evidence.variables) else 1
    usual = max(evidence.desired or 1, 1) * max(workers, 1)
    for text in evidence.texts:
        if text.source != "container" or _ENDED_BY_ITSELF.search(text.text):
            continue
        boots = len(_BOOT.findall(text.text))
        if boots >= usual + BOOTS_BEYOND_REPLICAS:
            return f"The container's log: “Booting worker with pid” {boots} times, for {usual} worker(s)"
    return ""


def _is_number(variables: Mapping[str, str]) -> bool:
    return str(variables.get("WORKER_COUNT") or "1").isdigit()


def _is_without_replica(evidence: Evidence) -> bool:
    return evidence.available == 0 or evidence.state in ("Failed", "Unhealthy", "Unschedulable")


def _is_failed(seen: Seen) -> bool:
    return seen.code >= 400 or bool(seen.failure)


def _needs_words(seen: Seen) -> bool:
    """Whether failed answers are more than a caller's own mistake now and then."""
    if any(seen.code in signature.codes for signature in SIGNATURES):
        # Known, and too few of them.
        return False
    return seen.code >= 500 or (_is_failed(seen) and seen.n >= FEW)


def _cause(hit: _Hit, evidence: Evidence) -> Cause:
    signature = hit.signature
    action, proposal = _action(hit, evidence)
    words = _words(hit, evidence) | {"proposal": proposal}
    return Cause(
        id=signature.id,
        service=evidence.service,
        title=signature.title.format_map(words),
        cause=signature.cause.format_map(words),
        remedy=signature.remedy.format_map(words),
        action=None if action is None else replace(action, label=action.label.format_map(words)),
        shown_by=hit.shown_by,
        raw=hit.raw,
    )


def _words(hit: _Hit, evidence: Evidence) -> dict[str, Any]:
    """Everything a signature's sentences may mention."""
    value = _settings(evidence)
    groups = hit.groups
    own_limit = evidence.variables.get("SCORING_TIMEOUT_MS") or groups.get("limit")
    worker_timeout = _worker_timeout(evidence)
    said = groups.get("said") or groups.get("error") or ""
    running = evidence.running
    return {
        "module": groups.get("module", ""),
        "package": package_of(groups.get("module", "")),
        "said": f": {said}" if hit.signature.id == "init-raised" and said else said,
        "about_package": f": {groups['wrong']}" if groups.get("wrong") else "",
        "lacking": f": too little {_LACK[groups['lack']]}" if groups.get("lack") else "",
        "computes": " and ".join(evidence.twins),
        "worker_timeout": worker_timeout,
        "worker_timeout_proposed": worker_timeout * 2,
        "container_timeout": f", {own_limit} ms here" if own_limit else "",
        "scoring_timeout": value.get("scoring_timeout_ms", 60_000),
        "queue_wait": value.get("max_request_wait_time", 500),
        "memory": f"{value.get('memory_gb', 0.5):g}",
        "state": evidence.state.lower() or "not known",
        "whose": f": “{running.title}” by {running.person}" if running else "; who began it is not known here",
        "count": hit.count,
        "exception": f" {evidence.raised.sentence}" if evidence.raised else "",
    }


def _action(hit: _Hit, evidence: Evidence) -> tuple[Action | None, str]:
    """What the button opens with what in it, and the sentence that says why just that."""
    signature, does = hit.signature, hit.signature.does
    settings: dict[str, Any] = {}
    packages: tuple[str, ...] = ()
    variables: dict[str, str] = {}
    operation = evidence.operation
    proposal = ""
    if does == "none":
        return None, ""
    if does == "add package":
        packages = (package_of(hit.groups.get("module", "")),)
    elif does == "raise replicas":
        if evidence.compute_type != "AKS":
            return (
                None,
                "A container instance is one replica: give it more CPU, or deploy the service to an AKS cluster.",
            )
        sizing = size(evidence.configuration, evidence.load)
        settings, proposal = dict(sizing.settings), sizing.sentence
    elif does == "raise timeout":
        settings, proposal = _longer(evidence)
        if not settings:
            return None, proposal
    elif does == "raise container timeout":
        variables, settings, proposal = _longer_in_container(hit, evidence)
        if not variables and not settings:
            return None, proposal
    elif does == "raise worker timeout":
        variables = {"WORKER_TIMEOUT": str(_worker_timeout(evidence) * 2)}
    elif does == "raise memory":
        memory = float(_settings(evidence).get("memory_gb") or 0.5)
        settings = {"memory_gb": max(1.0, 2 * memory)}
        proposal = f"{memory:g} → {settings['memory_gb']:g} GB."
        limit = evidence.configuration.get("memory_gb_limit")
        if limit and float(limit) < settings["memory_gb"]:
            settings["memory_gb_limit"] = settings["memory_gb"]
    elif does == "ask for less":
        settings, proposal = _less(hit, evidence)
    elif does == "wait":
        operation = evidence.running.id if evidence.running else operation
    action = Action(
        does=does,
        label=signature.label,
        service=evidence.service,
        settings=settings,
        packages=packages,
        variables=variables,
        operation=operation,
        model_ids=evidence.model_ids,
        group=evidence.raised.group if evidence.raised and signature.id == "run-raised" else "",
    )
    return action, proposal


def _longer(evidence: Evidence) -> tuple[dict[str, Any], str]:
    if evidence.compute_type != "AKS":
        return {}, "on ACI it cannot be set; SCORING_TIMEOUT_MS in the environment sets the container's own."
    present = int(_settings(evidence).get("scoring_timeout_ms") or 60_000)
    proposed = min(2 * present, LONGEST_TIMEOUT_MS)
    if proposed <= present:
        return {}, f"it stands at {present:,} ms, and beyond {LONGEST_TIMEOUT_MS:,} ms gunicorn ends the worker first."
    return {"scoring_timeout_ms": proposed}, f"{present:,} → {proposed:,} ms."


def _longer_in_container(hit: _Hit, evidence: Evidence) -> tuple[dict[str, str], dict[str, Any], str]:
    own = str(evidence.variables.get("SCORING_TIMEOUT_MS") or "")
    if own.isdigit() or evidence.compute_type == "ACI":
        present = int(own) if own.isdigit() else int(hit.groups.get("limit") or 60_000)
        proposed = min(2 * present, LONGEST_TIMEOUT_MS)
        if proposed <= present:
            return {}, {}, f"it stands at {present:,} ms, and gunicorn ends the worker after {LONGEST_TIMEOUT_MS:,} ms."
        return {"SCORING_TIMEOUT_MS": str(proposed)}, {}, f"SCORING_TIMEOUT_MS {present:,} → {proposed:,}."
    settings, proposal = _longer(evidence)
    return {}, settings, proposal


def _less(hit: _Hit, evidence: Evidence) -> tuple[dict[str, Any], str]:
    """Fewer replicas where some fit, else half of what is lacking."""
    value = _settings(evidence)
    lack = hit.groups.get("lack")
    is_scaled = scales(evidence.configuration)
    if evidence.compute_type == "AKS" and evidence.available and evidence.available < (evidence.desired or 0):
        name = "autoscale_min_replicas" if is_scaled else "num_replicas"
        settings: dict[str, Any] = {name: evidence.available}
        if is_scaled:
            settings["autoscale_max_replicas"] = max(evidence.available, 1)
        return settings, f"{evidence.available} of {evidence.desired} replicas fit: ask for as many as do."
    name, unit = ("memory_gb", "GB") if lack == "memory" else ("cpu_cores", "cores")
    present = float(value.get(name) or 0)
    if lack == "nvidia.com/gpu" or present <= 0:
        return {}, "fewer GPUs or another cluster."
    return {name: present / 2}, f"half of the {unit} is filled in, {present:g} → {present / 2:g}."


def _settings(evidence: Evidence) -> dict[str, Any]:
    """The configuration with Azure's defaults beneath."""
    usual = defaults("AKS") if evidence.compute_type == "AKS" else defaults("ACI")
    return {**usual, **{name: value for name, value in evidence.configuration.items() if value is not None}}


def _worker_timeout(evidence: Evidence) -> int:
    own = str(evidence.variables.get("WORKER_TIMEOUT") or "")
    return int(own) if own.isdigit() and int(own) > 0 else WORKER_TIMEOUT_MS // 1000


def package_of(module: str) -> str:
    """The package that brings a module: `scikit-learn` for `sklearn.linear_model`."""
    top, *below = module.split(".")
    if top in FAMILIES:
        # Many packages share the first name: `azure.storage.blob` comes with azure-storage-blob.
        return "-".join([top, *below[:2]]).replace("_", "-")
    return DISTRIBUTIONS.get(top, top.replace("_", "-"))


def _unknown(evidence: Evidence) -> Cause:
    said = "\n\n".join(f"{text.where}:\n{text.text.strip()}" for text in evidence.texts if text.source == "azure")
    codes = _codes(evidence.seen)
    raw = "\n\n".join(part for part in (said, codes) if part) or f"The state is {evidence.state}."
    return Cause(
        id=UNKNOWN,
        service=evidence.service,
        title="Not recognised",
        cause="None of the known failures looks like this one. Here is the raw text.",
        remedy="Read the container's log next to it; if a change went before, going back to what ran then is the quickest "
        "way out.",
        action=None,
        shown_by="; ".join(evidence.unread),
        raw=raw[:LONGEST_RAW],
    )


def _codes(seen: Iterable[Seen]) -> str:
    return ", ".join(f"{one.n:,} × {one.code} ({one.failure or one.source})" for one in seen if _is_failed(one))


def _line_of(text: str, position: int) -> str:
    """The line that holds this position, cut to what one reads."""
    start = text.rfind("\n", 0, position) + 1
    end = text.find("\n", position)
    return text[start : len(text) if end < 0 else end].strip()[:300]
