"""Rules about size and behaviour under load: CPU, memory, replicas, scaling, limits, probes, and what the target has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.azureml.fields import Target, defaults
from services.azureml.types import ModelVersion, Service
from services.planning.models import GB
from services.planning.problems import Problem
from services.planning.wanted import is_scaler_field, scales

MEMORY_PER_MODEL = 1.5
"""Loading a model takes more than its files."""
WORKER_TIMEOUT_MS = 300_000
"""The container's own limit on a call, unless WORKER_TIMEOUT raises it."""
PRODUCTION_NODES = 3


@dataclass(frozen=True, kw_only=True)
class Capacity:
    """What a target offers, as far as it is known; None = not known, and then not judged."""

    nodes: int | None = None
    node_cpu: float | None = None
    node_memory_gb: float | None = None
    node_gpu: int | None = None
    purpose: str | None = None
    """Of an AKS cluster: `DevTest`, or `FastProd` for production."""
    aci_cpu: float = 4.0
    aci_memory_gb: float = 16.0
    """The largest container instance of an ordinary region."""


@dataclass(frozen=True, kw_only=True)
class Observed:
    """What charts and logs say of the service so far; None = not known."""

    p99_ms: float | None = None
    init_seconds: float | None = None


def check(
    asked: Mapping[str, Any],
    *,
    target: Target,
    live: Service | None,
    capacity: Capacity,
    observed: Observed,
    models: Sequence[ModelVersion],
    variables: Mapping[str, str],
) -> list[Problem]:
    """Return what is wrong between fields of resources, scaling, limits and probes."""
    value = {**defaults(target), **asked}
    problems = [*_memory(asked, value, models), *_limits_of_resources(asked, value)]
    if target == "ACI":
        return [*problems, *_aci_size(value, capacity)]
    workers = _whole(variables.get("WORKER_COUNT"), usual=1)
    return [
        *problems,
        *_scaling(asked, value),
        *_concurrency(value, variables, workers),
        *_probes(value, observed, workers),
        *_cluster(asked, value, capacity),
        *_gpu(value, live, capacity),
    ]


def _whole(text: Any, *, usual: int) -> int:
    return int(str(text)) if text is not None and str(text).isdigit() else usual


def _memory(asked: Mapping[str, Any], value: Mapping[str, Any], models: Sequence[ModelVersion]) -> list[Problem]:
    problems = []
    if value["cpu_cores"] < 0.5 and "cpu_cores" not in asked:
        sentence = "The default of 0.1 cores is too little for most models: 0.5 or 1 is a good start."
        problems.append(Problem(field="cpu_cores", sentence=sentence, severity="warning"))
    needed = MEMORY_PER_MODEL * sum(model.bytes or 0 for model in models) / GB
    if needed > value["memory_gb"]:
        sentence = (
            f"The models need about {needed:.1f} GB of memory (1.5 times their files); {value['memory_gb']:g} GB "
            "is likely to end in workers that boot again and again."
        )
        problems.append(Problem(field="memory_gb", sentence=sentence, severity="warning"))
    return problems


def _limits_of_resources(asked: Mapping[str, Any], value: Mapping[str, Any]) -> list[Problem]:
    problems = []
    for request, limit, label in (
        ("cpu_cores", "cpu_cores_limit", "CPU limit"),
        ("memory_gb", "memory_gb_limit", "memory limit"),
    ):
        if limit in asked and asked[limit] < value[request]:
            sentence = (
                f"The {label} ({asked[limit]:g}) must be at least the request ({value[request]:g}): "
                "raise the limit, or lower the request."
            )
            problems.append(Problem(field=limit, sentence=sentence))
    return problems


def _aci_size(value: Mapping[str, Any], capacity: Capacity) -> list[Problem]:
    problems = []
    if value["cpu_cores"] > capacity.aci_cpu:
        sentence = f"A container instance has at most {capacity.aci_cpu:g} cores: ask for fewer, or use AKS."
        problems.append(Problem(field="cpu_cores", sentence=sentence))
    if value["memory_gb"] > capacity.aci_memory_gb:
        sentence = f"A container instance has at most {capacity.aci_memory_gb:g} GB: ask for less, or use AKS."
        problems.append(Problem(field="memory_gb", sentence=sentence))
    return problems


def _scaling(asked: Mapping[str, Any], value: Mapping[str, Any]) -> list[Problem]:
    replicas = asked.get("num_replicas")
    scaler = [name for name in asked if is_scaler_field(name)]
    if asked.get("autoscale_enabled") is False:
        problems = []
        if not replicas:
            sentence = "With automatic scaling off, the number of replicas must be said."
            problems.append(Problem(field="num_replicas", sentence=sentence))
        for name in scaler:
            sentence = "This only counts while replicas are scaled automatically: turn scaling on, or clear it."
            problems.append(Problem(field=name, sentence=sentence))
        return problems
    if replicas and (scaler or asked.get("autoscale_enabled")):
        sentence = "Replicas are either counted or scaled automatically: clear this number, or turn scaling off."
        return [Problem(field="num_replicas", sentence=sentence)]
    problems = []
    fewest, most = value["autoscale_min_replicas"], value["autoscale_max_replicas"]
    if scales(asked) and fewest > most:
        blank = {"autoscale_min_replicas", "autoscale_max_replicas"} - set(asked)
        usual = f" (the default, {most if 'autoscale_max_replicas' in blank else fewest})" if blank else ""
        field = "autoscale_max_replicas" if "autoscale_max_replicas" in blank else "autoscale_min_replicas"
        sentence = f"The fewest replicas ({fewest}) cannot be more than the most ({most}){usual}: change one of them."
        problems.append(Problem(field=field, sentence=sentence))
    if scaler and scales(asked) and value["autoscale_target_utilization"] > 90:
        sentence = "Above 90 % there is no headroom: any burst is answered with 503. 70 % is the default."
        problems.append(Problem(field="autoscale_target_utilization", sentence=sentence, severity="warning"))
    return problems


def _concurrency(value: Mapping[str, Any], variables: Mapping[str, str], workers: int) -> list[Problem]:
    problems = []
    at_once = value["replica_max_concurrent_requests"]
    if at_once > workers:
        sentence = (
            f"A replica gets {at_once} calls at once but has {workers} worker{'s' if workers != 1 else ''}: "
            f"set WORKER_COUNT to {at_once} in the environment, or leave this at {workers}."
        )
        problems.append(Problem(field="replica_max_concurrent_requests", sentence=sentence))
    elif at_once > 1:
        sentence = "Azure advises to leave this at 1 unless its support says otherwise."
        problems.append(Problem(field="replica_max_concurrent_requests", sentence=sentence, severity="warning"))
    limit = _whole(variables.get("WORKER_TIMEOUT"), usual=WORKER_TIMEOUT_MS // 1000) * 1000
    if value["scoring_timeout_ms"] > limit:
        sentence = (
            f"The container itself ends a call after {limit // 1000} s: raise WORKER_TIMEOUT in the environment too, "
            "or this has no effect."
        )
        problems.append(Problem(field="scoring_timeout_ms", sentence=sentence, severity="warning"))
    if value["max_request_wait_time"] >= value["scoring_timeout_ms"]:
        sentence = "A call may wait in the queue longer than it may take: lower this, or raise the scoring timeout."
        problems.append(Problem(field="max_request_wait_time", sentence=sentence, severity="warning"))
    return problems


def _probes(value: Mapping[str, Any], observed: Observed, workers: int) -> list[Problem]:
    problems = []
    if value["success_threshold"] != 1:
        sentence = "Kubernetes accepts only 1 here for liveness probes: leave it at 1."
        problems.append(Problem(field="success_threshold", sentence=sentence, severity="warning"))
    if value["timeout_seconds"] > value["period_seconds"]:
        sentence = "A probe may take longer than the time between two probes: raise the period, or lower the timeout."
        problems.append(Problem(field="timeout_seconds", sentence=sentence, severity="warning"))
    if observed.init_seconds and observed.init_seconds > value["initial_delay_seconds"]:
        sentence = (
            f"init() has taken {observed.init_seconds:.0f} s, and the first probe comes after "
            f"{value['initial_delay_seconds']} s: the replica would be restarted before it is ready. Raise this."
        )
        problems.append(Problem(field="initial_delay_seconds", sentence=sentence, severity="warning"))
    # Probes fail for as long as the only worker is busy; the last one needed decides.
    patience = value["period_seconds"] * (value["failure_threshold"] - 1) + value["timeout_seconds"]
    if observed.p99_ms and workers == 1 and observed.p99_ms / 1000 > patience:
        sentence = (
            f"One call in a hundred takes {observed.p99_ms / 1000:.0f} s, and a busy single worker cannot answer probes: "
            f"it is restarted after about {patience} s. Raise the failures allowed, or WORKER_COUNT."
        )
        problems.append(Problem(field="failure_threshold", sentence=sentence, severity="warning"))
    return problems


def _cluster(asked: Mapping[str, Any], value: Mapping[str, Any], capacity: Capacity) -> list[Problem]:
    problems = []
    if capacity.nodes is not None and capacity.nodes < PRODUCTION_NODES and capacity.purpose:
        production = capacity.purpose.lower() != "devtest"
        sentence = (
            f"A production cluster needs at least {PRODUCTION_NODES} nodes; this one has {capacity.nodes}: add nodes."
            if production
            else f"This dev-test cluster has {_count(capacity.nodes, 'node')}: fine for trying out, not for production."
        )
        problems.append(Problem(field="compute", sentence=sentence, severity="error" if production else "warning"))
    for name, offered, unit in (
        ("cpu_cores", capacity.node_cpu, "cores"),
        ("memory_gb", capacity.node_memory_gb, "GB"),
    ):
        if offered is None:
            continue
        if value[name] > offered:
            sentence = f"No node of the cluster has more than {offered:g} {unit}: ask for less, or add larger nodes."
            problems.append(Problem(field=name, sentence=sentence))
            continue
        fewest = value["autoscale_min_replicas"] if scales(asked) else asked.get("num_replicas", 1)
        if capacity.nodes and fewest > int(offered / value[name] + 1e-9) * capacity.nodes:
            sentence = (
                f"{_count(fewest, 'replica')} with {value[name]:g} {unit} each do not fit on "
                f"{_count(capacity.nodes, 'node')} with {offered:g} {unit}: the service would wait as Unschedulable."
            )
            problems.append(Problem(field=name, sentence=sentence, severity="warning"))
    return problems


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _gpu(value: Mapping[str, Any], live: Service | None, capacity: Capacity) -> list[Problem]:
    wanted = value["gpu_cores"]
    if wanted and capacity.node_gpu is not None and wanted > capacity.node_gpu:
        sentence = f"The nodes of this cluster have {_count(capacity.node_gpu, 'GPU')}: ask for no more than that."
        return [Problem(field="gpu_cores", sentence=sentence)]
    if not wanted and live and live.configuration.get("gpu_cores"):
        sentence = "An update cannot put GPUs back to 0: this takes a redeploy."
        return [Problem(field="gpu_cores", sentence=sentence, severity="warning")]
    return []
