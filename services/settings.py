"""Where things lie and whom to talk to: read once from the environment and `.env`, never written, never exported.

Every setting has a default that works on a laptop with the local workspace; `.env.example` explains each one.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from services.errors import Invalid

ROOT = Path(__file__).resolve().parent.parent


class Settings(BaseSettings):
    """The settings of the desk, its worker and its samples."""

    model_config = SettingsConfigDict(env_file=".env", env_file_encoding="utf-8", extra="ignore", frozen=True)

    # Places
    desk_data: Path = Path("data")
    """Ledger, mirror, files and, embedded, the local workspace."""
    desk_keys: Path = Path("~/.config/desk")
    """Keys that must not lie with the data: the audit chain's and the sealed envelopes'. 0700."""
    desk_anchor: Path = Path("~/.local/state/desk/anchor")
    """Where the audit chain is anchored: neither with the data nor with the key."""
    desk_ledger_url: str = ""
    """SQLAlchemy URL of the ledger; empty = SQLite in `desk_data`."""
    desk_mirror_url: str = ""
    """SQLAlchemy URL of the mirror; empty = SQLite in `desk_data`."""

    # Which workspace: a subscription named here means Azure, else the local workspace.
    azure_subscription_id: str = ""
    azure_resource_group: str = ""
    azure_workspace_name: str = ""
    azure_config_json: Path | None = None
    """`config.json` as `Workspace.from_config` reads it; wins over the three above."""
    azure_cloud: str = "AzureCloud"
    azure_log_analytics_workspace_id: str = ""
    """Customer id of the Log Analytics workspace; empty = found through the workspace's Application Insights."""
    workspace_connection: Path | None = None
    """`connection.json` of a local workspace; empty = the one in `desk_data/workspace`."""

    # Who we are to Azure. `DESK_AZURE_…` and `WORKER_AZURE_…` each fall back to `AZURE_…`.
    azure_tenant_id: str = ""
    azure_client_id: str = ""
    azure_client_secret: SecretStr = SecretStr("")
    azure_client_certificate_path: Path | None = None
    desk_azure_tenant_id: str = ""
    desk_azure_client_id: str = ""
    desk_azure_client_secret: SecretStr = SecretStr("")
    desk_azure_client_certificate_path: Path | None = None
    worker_azure_tenant_id: str = ""
    worker_azure_client_id: str = ""
    worker_azure_client_secret: SecretStr = SecretStr("")
    worker_azure_client_certificate_path: Path | None = None

    # The worker
    worker_id: str = "worker-0"
    """One live worker per id, held by a lock; its unfinished work is taken up again under the same id."""

    # The desk on a laptop
    desk_samples: bool = True
    """Whether the first start on a local workspace makes the samples and sends them traffic."""
    desk_local_token: Literal["token", "read_token"] = "read_token"  # noqa: S105
    """Which token of `connection.json` the desk itself uses; the worker always uses `token`."""

    @property
    def data(self) -> Path:
        """The data folder, absolute."""
        return self.desk_data.expanduser().resolve()

    @property
    def keys(self) -> Path:
        """The key folder, absolute."""
        return self.desk_keys.expanduser().resolve()

    @property
    def anchor(self) -> Path:
        """The anchor file, absolute."""
        return self.desk_anchor.expanduser().resolve()

    @property
    def files(self) -> Path:
        """Uploads and bundles by hash."""
        return self.data / "files"

    @property
    def scratch(self) -> Path:
        """Temporary files, a folder for each process."""
        return self.data / "scratch"

    @property
    def connection(self) -> Path:
        """The local workspace's `connection.json`."""
        return (self.workspace_connection or self.data / "workspace" / "connection.json").expanduser().resolve()

    @property
    def is_local(self) -> bool:
        """Whether the workspace is the local one: nothing names one on Azure."""
        return not (self.azure_subscription_id or self.azure_config_json)

    @property
    def ledger_url(self) -> str:
        """SQLAlchemy URL of the ledger."""
        return self.desk_ledger_url or f"sqlite:///{self.data / 'ledger.sqlite3'}"

    @property
    def mirror_url(self) -> str:
        """SQLAlchemy URL of the mirror."""
        return self.desk_mirror_url or f"sqlite:///{self.data / 'mirror.sqlite3'}"


def read_settings() -> Settings:
    """The settings; Invalid, with the name of the first that cannot be read."""
    try:
        return Settings()
    except ValidationError as problem:
        first = problem.errors(include_input=False)[0]
        name = "_".join(str(part) for part in first["loc"]).upper()
        # What was set is not repeated: it may be a secret in the wrong line.
        raise Invalid(f"{name} cannot be read: {first['msg'].lower()}. Mend it in `.env` or the environment.") from None
