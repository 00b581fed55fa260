"""Builds the desk's and the worker's way to Azure ML: local or Azure is decided here and nowhere above.

The service principal's secret or certificate when it is set, and then only that; else what azure-identity finds.
"""

from __future__ import annotations

import base64
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from services.azureml import translate
from services.azureml.access import Access
from services.azureml.authentication import WorkspaceFactory, azure_authentication, local_authentication
from services.azureml.connection import ConnectionFile, Coordinates, TokenName
from services.errors import Invalid
from services.scrubbing import remember
from services.settings import Settings

if TYPE_CHECKING:
    from azure.core.credentials import AccessToken, AccessTokenInfo, TokenCredential

_CLOUDS: Mapping[str, tuple[str, str, str, str]] = {
    # name: sign-in host, resource manager, its audience, Log Analytics
    "AzureCloud": (
        "login.microsoftonline.com",
        "https://management.azure.com",
        "https://management.core.windows.net/",
        "https://api.loganalytics.io",
    ),
    "AzureChinaCloud": (
        "login.chinacloudapi.cn",
        "https://management.chinacloudapi.cn",
        "https://management.core.chinacloudapi.cn/",
        "https://api.loganalytics.azure.cn",
    ),
    "AzureUSGovernment": (
        "login.microsoftonline.us",
        "https://management.usgovcloudapi.net",
        "https://management.core.usgovcloudapi.net/",
        "https://api.loganalytics.us",
    ),
}

_HIJACKS = re.compile(
    r"AZUREML_DEV_URL_.+|AZUREML_MMS_TEST_ENDPOINT|AZUREML_SERVICE_ENDPOINT|AZUREML_EXPERIMENTATION_HOST"
    r"|AZUREML_DISCOVERY_SERVICE_ENDPOINT|ARM_CLOUD_METADATA_URL"
)
"""Each silently sends a part of the SDK's calls to another host, token included."""

_LOOPBACK = ("127.0.0.1", "localhost")


def for_desk(settings: Settings) -> Access:
    """The desk's own way: it only reads."""
    return _access(settings, role="desk", local_token=settings.desk_local_token)


def for_worker(settings: Settings) -> Access:
    """The worker's own way: it makes the changes."""
    return _access(settings, role="worker", local_token="token")  # noqa: S106 – the name of the token, not the token


def for_rehearsal(connection: Path) -> Access:
    """The worker's way to the local workspace of this `connection.json`, whatever workspace it is connected to."""
    return _local(ConnectionFile(connection, token="token"), read_only=False)  # noqa: S106 – the name of the token


def refuse_hijacks(environment: Mapping[str, str]) -> None:
    """Refuse to start while a variable redirects calls of the SDK."""
    found = sorted(name for name, value in environment.items() if value and _HIJACKS.fullmatch(name))
    if found:
        raise Invalid(
            f"The environment sets {', '.join(found)}: that sends calls meant for the workspace, with our token, to "
            "another host. Unset it and start again.",
            field=found[0],
        )


def _access(settings: Settings, *, role: str, local_token: TokenName) -> Access:
    refuse_hijacks(os.environ)
    _bypass_proxy_for_loopback()
    if settings.is_local:
        return _local(ConnectionFile(settings.connection, token=local_token), read_only=local_token == "read_token")  # noqa: S105
    return _azure(settings, role=role)


def _local(file: ConnectionFile, *, read_only: bool) -> Access:
    def coordinates() -> Coordinates:
        return file.now().coordinates

    def arm_url() -> str:
        return file.now().url

    def token() -> str:
        return file.now().token

    return Access(
        name="local token (read only)" if read_only else "local token",
        is_local=True,
        read_only=read_only,
        cloud="AzureLocal",
        coordinates=coordinates,
        arm_url=arm_url,
        token=token,
        renew=file.renew,
        workspace=WorkspaceFactory(
            coordinates=coordinates,
            arm_url=arm_url,
            token=token,
            authentication=lambda: local_authentication(file),
            ca_bundle=lambda: file.now().ca_bundle,
        ),
        monitor_credential=LocalCredential(file),
        logs_url=lambda: file.now().logs_url,
        logs_workspace_id=lambda: file.now().logs_workspace_id,
    )


def _azure(settings: Settings, *, role: str) -> Access:
    cloud = settings.azure_cloud
    if cloud not in _CLOUDS:
        raise Invalid(
            f"AZURE_CLOUD is {cloud!r}, which is none of {', '.join(_CLOUDS)}: set one of these.", field="azure_cloud"
        )
    authority, arm, audience, logs = _CLOUDS[cloud]
    where = azure_coordinates(settings, role=role)
    credential, name = _credential(settings, role=role, authority=authority)

    def token_for(resource: str) -> str:
        # The audience keeps its slash: `https://management.core.windows.net//.default` is how v1 audiences are asked for.
        with translate.errors("sign in to Azure"):
            return credential.get_token(f"{resource}/.default").token

    def token() -> str:
        return token_for(audience)

    return Access(
        name=name,
        is_local=False,
        read_only=False,
        cloud=cloud,
        coordinates=lambda: where,
        arm_url=lambda: arm,
        token=token,
        renew=lambda: False,
        workspace=WorkspaceFactory(
            coordinates=lambda: where,
            arm_url=lambda: arm,
            token=token,
            authentication=lambda: azure_authentication(token_for, cloud=cloud),
            ca_bundle=lambda: None,
        ),
        monitor_credential=credential,
        logs_url=lambda: logs,
        logs_workspace_id=lambda: settings.azure_log_analytics_workspace_id or None,
    )


def azure_coordinates(settings: Settings, *, role: str = "") -> Coordinates:
    """Which workspace on Azure: from `config.json` as the SDK reads it when there is one, else from the settings."""
    tenant = _own(settings, role, "azure_tenant_id") if role else settings.azure_tenant_id
    if settings.azure_config_json:
        return _from_config(settings.azure_config_json.expanduser(), tenant=tenant)
    named = {
        "azure_subscription_id": settings.azure_subscription_id,
        "azure_resource_group": settings.azure_resource_group,
        "azure_workspace_name": settings.azure_workspace_name,
    }
    for field, value in named.items():
        if not value:
            raise Invalid(
                f"{field.upper()} is not set: set it in `.env`, it is needed to find the workspace on Azure.",
                field=field,
            )
    return Coordinates(
        subscription_id=settings.azure_subscription_id,
        resource_group=settings.azure_resource_group,
        workspace_name=settings.azure_workspace_name,
        tenant_id=tenant,
    )


def _from_config(path: Path, *, tenant: str) -> Coordinates:
    if path.is_dir():
        candidates = [path / ".azureml" / "config.json", path / "aml_config" / "config.json", path / "config.json"]
        path = next((candidate for candidate in candidates if candidate.is_file()), candidates[-1])
    try:
        document = json.loads(path.read_text(encoding="utf-8-sig"))
        scope = re.fullmatch(
            r"/subscriptions/([^/]+)/resource[gG]roups/([^/]+)/providers/[^/]+/(?:workspaces|accounts)/([^/]+)/?.*",
            document.get("Scope", ""),
        )
        parts = scope.groups() if scope else None
        subscription, group, name = parts or (
            document["subscription_id"],
            document["resource_group"],
            document["workspace_name"],
        )
    except FileNotFoundError:
        raise Invalid(
            f"There is no file {path}: set AZURE_CONFIG_JSON to the config.json of the workspace.",
            field="azure_config_json",
        ) from None
    except (ValueError, KeyError, AttributeError):
        raise Invalid(
            f"{path} does not name a workspace: download config.json anew from the workspace's page in the studio.",
            field="azure_config_json",
        ) from None
    return Coordinates(subscription_id=subscription, resource_group=group, workspace_name=name, tenant_id=tenant)


def _credential(settings: Settings, *, role: str, authority: str) -> tuple[TokenCredential, str]:
    """The credential and what to call it on screen."""
    from azure.identity import CertificateCredential, ClientSecretCredential, DefaultAzureCredential

    tenant, client = _own(settings, role, "azure_tenant_id"), _own(settings, role, "azure_client_id")
    secret, certificate = _secret_or_certificate(settings, role)
    if secret or certificate:
        for field, value in (("azure_tenant_id", tenant), ("azure_client_id", client)):
            if not value:
                raise Invalid(
                    f"{field.upper()} is not set, but a secret or certificate is: set it in `.env`, the service principal needs all three.",
                    field=field,
                )
    if secret:
        remember(secret)
        return (
            ClientSecretCredential(tenant, client, secret, authority=authority),
            f"service principal …{client[-4:]}",
        )
    if certificate:
        if not certificate.is_file():
            raise Invalid(
                f"There is no certificate at {certificate}: set AZURE_CLIENT_CERTIFICATE_PATH to the PEM or PFX file.",
                field="azure_client_certificate_path",
            )
        return (
            CertificateCredential(tenant, client, str(certificate), authority=authority),
            f"service principal …{client[-4:]} (certificate)",
        )
    return DefaultAzureCredential(authority=authority), "default Azure credential"


def _own(settings: Settings, role: str, name: str) -> str:
    """`desk_azure_…` or `worker_azure_…`, else `azure_…`."""
    return getattr(settings, f"{role}_{name}") or getattr(settings, name)


def _secret_or_certificate(settings: Settings, role: str) -> tuple[str, Path | None]:
    """Of the role's own pair whichever is set; only when neither is, of the shared pair."""
    for prefix in (f"{role}_", ""):
        secret: SecretStr = getattr(settings, f"{prefix}azure_client_secret")
        certificate: Path | None = getattr(settings, f"{prefix}azure_client_certificate_path")
        if secret.get_secret_value() or certificate:
            return secret.get_secret_value(), certificate.expanduser() if certificate else None
    return "", None


def _bypass_proxy_for_loopback() -> None:
    """A proxy in the environment also catches loopback, and the workspace comes back silently empty."""
    for name in ("NO_PROXY", "no_proxy"):
        hosts = [host.strip() for host in os.environ.get(name, "").split(",") if host.strip()]
        os.environ[name] = ",".join([*hosts, *(host for host in _LOOPBACK if host not in hosts)])


class LocalCredential:
    """The local workspace's token, as the clients of Azure Monitor take one."""

    def __init__(self, file: ConnectionFile) -> None:
        """`file` is asked for each token: it may have been written anew."""
        self._file = file

    def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        """The token of the moment and when it expires."""
        from azure.core.credentials import AccessToken

        token = self._file.now().token
        return AccessToken(token, _expiry(token))

    def get_token_info(self, *scopes: str, options: Any = None) -> AccessTokenInfo:
        """The same, as the newer clients ask for it."""
        from azure.core.credentials import AccessTokenInfo

        token = self._file.now().token
        return AccessTokenInfo(token, _expiry(token))


def _expiry(token: str) -> int:
    payload = token.split(".")[1]
    return int(json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["exp"])
