"""One process's way to Azure ML, all of it under one name."""

from __future__ import annotations

from dataclasses import dataclass

from services.azureml.access import Access
from services.azureml.mms import ModelManagement
from services.azureml.registry import Registry
from services.azureml.sdk import Sdk


@dataclass(frozen=True, kw_only=True)
class Gateway:
    """Made once per process by `open_gateway`; safe for many threads."""

    access: Access
    mms: ModelManagement
    """Reads for everyone, and the changes that must be sent exactly once."""
    sdk: Sdk
    """Deployments and updates: the worker's."""
    registry: Registry
    """Models and environments: the worker's."""

    def close(self) -> None:
        """Close all connections."""
        self.mms.close()


def open_gateway(access: Access) -> Gateway:
    """Sends nothing yet, so it works while the workspace is down."""
    mms = ModelManagement(access)
    return Gateway(access=access, mms=mms, sdk=Sdk(access, mms), registry=Registry(access, mms))
