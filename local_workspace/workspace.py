"""The running workspace as one value: what every resource is handed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from local_workspace.blobs import Blobs
from local_workspace.faults import Faults
from local_workspace.identity import Identity
from local_workspace.rollouts import Rollouts
from local_workspace.scoring.interface import Scoring
from local_workspace.sealing import Seal
from local_workspace.state import State
from local_workspace.tokens import Doorman


@dataclass(frozen=True, kw_only=True)
class Workspace:
    """Identity, memory, bytes, what runs, and what goes wrong on purpose."""

    data: Path
    identity: Identity
    doorman: Doorman
    state: State
    blobs: Blobs
    seal: Seal
    scoring: Scoring
    rollouts: Rollouts
    faults: Faults
