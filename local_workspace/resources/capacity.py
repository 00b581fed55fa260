"""The sizes of clusters: what their nodes hold, and whether a service could ever find room there."""

from __future__ import annotations

from typing import Any

from local_workspace.resources import computes
from local_workspace.scoring.room import Need, Nodes, lack_when_empty
from local_workspace.state import State

# Cores and memory in GB of the sizes that clusters are most often made of.
SIZES = {
    "standard_d2_v2": (2, 7),
    "standard_d3_v2": (4, 14),
    "standard_d4_v2": (8, 28),
    "standard_d2s_v3": (2, 8),
    "standard_d4s_v3": (4, 16),
    "standard_d8s_v3": (8, 32),
    "standard_ds2_v2": (2, 7),
    "standard_ds3_v2": (4, 14),
    "standard_ds4_v2": (8, 28),
    "standard_nc6": (6, 56),
}
GPU_SIZES = {"standard_nc6": 1}


def nodes(state: State, cluster: str) -> Nodes | None:
    """The nodes of a cluster as it is now; None for one whose size is not known, which is taken to be large enough."""
    document = computes.find(state, cluster)
    if document is None:
        return None
    inner = document["properties"]["properties"]
    size = str(inner["agentVmSize"]).lower()
    if size not in SIZES:
        return None
    cores, memory = SIZES[size]
    return Nodes(
        cluster=document["name"],
        count=int(inner["agentCount"]),
        cpu=cores,
        memory_gb=memory,
        gpus=GPU_SIZES.get(size, 0),
    )


def lack(state: State, document: dict[str, Any]) -> str | None:
    """What the cluster lacks for one replica of this service even when it is empty, in Kubernetes' words; None = nothing."""
    if document["computeType"] != "AKS":
        return None
    there = nodes(state, document["computeName"])
    wanted = document["containerResourceRequirements"]
    need = Need(cpu=wanted["cpu"], memory_gb=wanted["memoryInGB"], gpus=wanted.get("gpu") or 0)
    return (lack_when_empty(there, need) or None) if there else None
