"""Room on the nodes of a cluster: which replica has its place where, and what is missing for one that has none.

As Kubernetes counts it: by what a replica asks for, not by what it uses. A replica keeps its place over crashes and
restarts, and gives it back when it has ended.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

TOLERANCE = 1e-6
"""Sums of tenths of a core are not exact."""


@dataclass(frozen=True, kw_only=True)
class Nodes:
    """The nodes of one cluster, all of one size."""

    cluster: str
    count: int
    cpu: float
    memory_gb: float
    gpus: int = 0


@dataclass(frozen=True, kw_only=True)
class Need:
    """What one replica asks for."""

    cpu: float
    memory_gb: float
    gpus: int = 0

    def lacking(self, *, cpu: float, memory_gb: float, gpus: float) -> list[str]:
        """What is insufficient of this much."""
        pairs = (("cpu", self.cpu, cpu), ("memory", self.memory_gb, memory_gb), ("nvidia.com/gpu", self.gpus, gpus))
        return [name for name, wanted, free in pairs if wanted > free + TOLERANCE]


@dataclass(frozen=True)
class _Place:
    node: int
    need: Need


class Room:
    """The places of every cluster's replicas."""

    def __init__(self, nodes: Callable[[str], Nodes | None]) -> None:
        """`nodes` tells a cluster's size as it is now; None = large enough for everything."""
        self._nodes = nodes
        self._lock = threading.Lock()
        self._places: dict[str, dict[str, _Place]] = {}

    def claim(self, cluster: str, replica: str, need: Need) -> str:
        """Give the replica a place, unless it has one; what the cluster lacks where there is none for it."""
        nodes = self._nodes(cluster) if cluster else None
        if nodes is None:
            return ""
        with self._lock:
            places = self._places.setdefault(cluster, {})
            if replica in places:
                return ""
            lacking: list[str] = []
            for node in range(nodes.count):
                free = _free(nodes, node, places)
                missing = need.lacking(cpu=free.cpu, memory_gb=free.memory_gb, gpus=free.gpus)
                if not missing:
                    places[replica] = _Place(node, need)
                    return ""
                lacking += missing
            return sentence(nodes, need, lacking, taken=[place.need for place in places.values()])

    def release(self, cluster: str, replica: str) -> None:
        """Take the place back."""
        with self._lock:
            self._places.get(cluster, {}).pop(replica, None)


def lack_when_empty(nodes: Nodes, need: Need) -> str:
    """What even an empty cluster lacks for one replica; empty when it would fit."""
    missing = need.lacking(cpu=nodes.cpu, memory_gb=nodes.memory_gb, gpus=nodes.gpus)
    return sentence(nodes, need, missing * nodes.count, taken=[]) if missing else ""


def sentence(nodes: Nodes, need: Need, lacking: list[str], *, taken: list[Need]) -> str:
    """Kubernetes' own words, and what to do about it."""
    counted = ", ".join(f"{lacking.count(name)} Insufficient {name}" for name in sorted(set(lacking)))
    words = f"0/{nodes.count} nodes are available: {counted}."
    if need.lacking(cpu=nodes.cpu, memory_gb=nodes.memory_gb, gpus=nodes.gpus):
        return (
            f"{words} Each node of {nodes.cluster} has {nodes.cpu:g} cores and {nodes.memory_gb:g} GB: ask for less, or"
            " deploy to a cluster with larger nodes."
        )
    cpu, memory = sum(each.cpu for each in taken), sum(each.memory_gb for each in taken)
    return (
        f"{words} Replicas hold {cpu:.3g} of {nodes.count * nodes.cpu:g} cores and {memory:.3g} of"
        f" {nodes.count * nodes.memory_gb:g} GB of {nodes.cluster}: run fewer replicas, ask for less, or add nodes."
    )


def _free(nodes: Nodes, node: int, places: dict[str, _Place]) -> Need:
    here = [place.need for place in places.values() if place.node == node]
    return Need(
        cpu=nodes.cpu - sum(each.cpu for each in here),
        memory_gb=nodes.memory_gb - sum(each.memory_gb for each in here),
        gpus=nodes.gpus - sum(each.gpus for each in here),
    )
