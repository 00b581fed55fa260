"""Who we are to Azure ML and where it is: one frozen value each for the desk and for the worker."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from services.azureml.connection import Coordinates

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential


@dataclass(frozen=True, kw_only=True)
class Access:
    """All that a client of Azure ML or Azure Monitor needs. What may change while we run is a function."""

    name: str
    """Named on screen: `service principal …1234`, `local token (read only)`."""
    is_local: bool
    read_only: bool
    """Whether changes are known to be refused; False = Azure decides."""
    cloud: str
    coordinates: Callable[[], Coordinates]
    arm_url: Callable[[], str]
    """The resource manager, without a slash at the end."""
    token: Callable[[], str]
    """A bearer token for the resource manager and Azure ML."""
    renew: Callable[[], bool]
    """To be called after a 401 or a refused connection: whether another try makes sense."""
    workspace: Callable[[], Any]
    """The SDK's `Workspace`, one per process; the first call takes seconds and may raise `Unavailable`."""
    monitor_credential: TokenCredential
    logs_url: Callable[[], str]
    """Base address of the Log Analytics query API, without a slash at the end."""
    logs_workspace_id: Callable[[], str | None]
    """Customer id of the Log Analytics workspace where settings or connection name it."""
