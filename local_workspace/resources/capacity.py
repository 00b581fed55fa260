"""Room on a cluster: what its nodes could hold, told before a service is sent there."""

from __future__ import annotations

from typing import Any

from local_workspace.resources import computes
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


def lack(state: State, document: dict[str, Any]) -> str | None:
    """What the cluster lacks for one replica of this service, in Kubernetes' words; None = there is room.

    A size this workspace does not know is taken to be large enough.
    """
    if document["computeType"] != "AKS":
        return None
    cluster = computes.find(state, document["computeName"])
    if cluster is None:
        return None
    inner = cluster["properties"]["properties"]
    size = str(inner["agentVmSize"]).lower()
    if size not in SIZES:
        return None
    cores, memory = SIZES[size]
    wanted = document["containerResourceRequirements"]
    lacking = []
    if wanted["cpu"] > cores:
        lacking.append("cpu")
    if wanted["memoryInGB"] > memory:
        lacking.append("memory")
    if (wanted.get("gpu") or 0) > GPU_SIZES.get(size, 0):
        lacking.append("nvidia.com/gpu")
    if not lacking:
        return None
    count = inner["agentCount"]
    insufficient = ", ".join(f"{count} Insufficient {what}" for what in lacking)
    return (
        f"0/{count} nodes are available: {insufficient}. Each node of {document['computeName']} has {cores} cores and"
        f" {memory} GB: ask for less, or deploy to a cluster with larger nodes."
    )
