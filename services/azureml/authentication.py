"""The SDK's authentication classes, filled with our own tokens, and the `Workspace` made with them."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable
from threading import Lock
from typing import Any

import httpx2

from services.azureml import deadline, translate, trust
from services.azureml.connection import ConnectionFile, Coordinates
from services.azureml.quiet import quiet

_Subscription = namedtuple("_Subscription", "subscription_name subscription_id")


def local_authentication(file: ConnectionFile) -> Any:
    """The documented base class, filled for a local workspace; each call takes the token of the moment."""
    with quiet():
        from azureml._vendor.azure_cli_core.cloud import Cloud, CloudEndpoints, CloudSuffixes
        from azureml.core.authentication import AbstractAuthentication

    base = file.now().url

    class LocalAuthentication(AbstractAuthentication):
        def __init__(self) -> None:
            # A known name, or the SDK asks management.azure.com for its list of clouds.
            super().__init__(cloud="AzureCloud")
            self._cloud_type = Cloud(
                "AzureLocal",
                endpoints=CloudEndpoints(
                    management=base,
                    resource_manager=base,
                    active_directory=base,
                    active_directory_resource_id=base,
                    active_directory_graph_resource_id=base,
                    microsoft_graph_resource_id=base,
                    gallery=base,
                    portal=base,
                ),
                suffixes=CloudSuffixes(
                    storage_endpoint="local",
                    keyvault_dns=".vault.local",
                    acr_login_server_endpoint=".azurecr.local",
                ),
            )

        def _get_arm_token(self) -> str:
            deadline.check()
            return file.now().token

        def _get_graph_token(self) -> str:
            return self._get_arm_token()

        def _get_azureml_client_token(self) -> str:
            return self._get_arm_token()

        def _get_all_subscription_ids(self) -> tuple[list[Any], str]:
            where = file.now().coordinates
            return [_Subscription("local", where.subscription_id)], where.tenant_id

        def _get_workspace(self, subscription_id: str, resource_group: str, name: str) -> None:
            return None

    return LocalAuthentication()


def azure_authentication(token_for: Callable[[str], str], *, cloud: str) -> Any:
    """`TokenAuthentication` for a named cloud over `token_for(audience)`."""
    with quiet():
        from azureml.core.authentication import TokenAuthentication

    def token(audience: str) -> str:
        deadline.check()
        return token_for(audience)

    return TokenAuthentication(token, cloud=cloud)


class WorkspaceFactory:
    """Makes the SDK's `Workspace` once, and again when the address has changed."""

    def __init__(
        self,
        *,
        coordinates: Callable[[], Coordinates],
        arm_url: Callable[[], str],
        token: Callable[[], str],
        authentication: Callable[[], Any],
        ca_bundle: Callable[[], str | None],
    ) -> None:
        """`ca_bundle` is set for the whole process: None leaves it alone."""
        self._coordinates = coordinates
        self._arm_url = arm_url
        self._token = token
        self._authentication = authentication
        self._ca_bundle = ca_bundle
        self._lock = Lock()
        self._made: tuple[str, Coordinates, Any] | None = None

    def __call__(self) -> Any:
        """The workspace, reachable when it was made."""
        url, where = self._arm_url(), self._coordinates()
        bundle = self._ca_bundle()
        if bundle:
            trust.hold(bundle)
        with self._lock:
            if self._made and self._made[:2] == (url, where):
                return self._made[2]
            # `Workspace(...)` swallows a refused connection and hands out an object with nothing behind it.
            self._knock(url, where)
            with translate.errors("open the workspace"), quiet():
                from azureml.core import Workspace

                workspace = Workspace(
                    where.subscription_id,
                    where.resource_group,
                    where.workspace_name,
                    auth=self._authentication(),
                )
            self._made = (url, where, workspace)
            return workspace

    def _knock(self, url: str, where: Coordinates) -> None:
        doing = f"open the workspace {where.workspace_name}"
        try:
            reply = httpx2.get(
                f"{url}{where.path}",
                params={"api-version": "2022-05-01"},
                headers={"Authorization": f"Bearer {self._token()}"},
                timeout=5.0,
            )
        except httpx2.TransportError as problem:
            raise translate.unreachable(problem, doing=doing) from None
        if reply.status_code >= 400:
            raise translate.refused(reply.status_code, reply.text, doing=doing, headers=reply.headers)
