"""The few calls of model management that the SDK makes badly: lists that survive a broken row, operations by id, logs
and keys with a deadline, and changes that must be sent exactly once.

Everything but the methods under "Changes" works with a credential that may only read.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

from services.azureml import payloads
from services.azureml.access import Access
from services.azureml.secrets import Keys, ServiceToken, Slot, service_token
from services.azureml.types import MARK, Compute, EnvironmentVersion, ModelVersion, Operation, Service
from services.azureml.wire import CHANGE_SECONDS, READ_SECONDS, Reply, Wire
from services.errors import DeskError, NotFound, Unavailable
from services.scrubbing import remember, scrub

logger = logging.getLogger(__name__)

LIST_SECONDS = 30.0
CLUSTER_SECONDS = 3.0
CLUSTER_VERSION = "2023-08-01"
MODELS_PER_PAGE = 255
_MOST_PAGES = 1000
_PATCH = "application/json-patch+json"


class ModelManagement:
    """Model management over raw HTTP; one for all threads."""

    def __init__(self, access: Access) -> None:
        """Opens nothing yet."""
        self._access = access
        self.wire = Wire(access)

    def close(self) -> None:
        """Close all connections."""
        self.wire.close()

    # Services

    def services(self, *, timeout: float = LIST_SECONDS) -> list[Service]:
        """All services; one that cannot be read is a row with `broken` set."""
        deadline = time.monotonic() + timeout
        url: str | None = self.wire.mms("services", timeout=timeout)
        params: Mapping[str, str] | None = {"expand": "true"}
        rows: list[Service] = []
        for _ in range(_MOST_PAGES):
            if url is None:
                return rows
            page = self._json(url, doing="list the services", params=params, timeout=_left(deadline))
            rows += [payloads.service_row(row) for row in page.get("value") or ()]
            url, params = page.get("nextLink"), None
        raise Unavailable("Azure ML's list of services does not end. Try again in a minute.")

    def service(self, name: str, *, timeout: float = READ_SECONDS) -> Service:
        """One service; `NotFound` when there is none."""
        return payloads.service_row(self.service_document(name, timeout=timeout))

    def find_service(self, name: str, *, timeout: float = READ_SECONDS) -> Service | None:
        """One service, or None."""
        try:
            return self.service(name, timeout=timeout)
        except NotFound:
            return None

    def service_document(self, name: str, *, timeout: float = READ_SECONDS) -> dict[str, Any]:
        """One service as it is on the wire, for a redeploy: not scrubbed, so not to be stored."""
        url = self._service_url(name, timeout=timeout)
        return self._json(url, doing=f"read the service {name}", params={"expand": "true"}, timeout=timeout)

    def logs(self, name: str, *, tail: int = 5000, init: bool = False, timeout: float = READ_SECONDS) -> str:
        """The newest lines of the container's log, or of the init container's, scrubbed."""
        page = self._json(
            self._service_url(name, "logs", timeout=timeout),
            doing=f"read the log of {name}",
            params={"tail": str(tail), "init": str(init)},
            timeout=timeout,
        )
        return scrub(page.get("content") or "")

    def keys(self, name: str, *, timeout: float = READ_SECONDS) -> Keys:
        """Both keys. The audit entry comes first."""
        found = self._json(
            self._service_url(name, "listkeys", timeout=timeout),
            doing=f"read the keys of {name}",
            method="POST",
            timeout=timeout,
        )
        return Keys(primary=found.get("primaryKey") or "", secondary=found.get("secondaryKey") or "")

    def token(self, name: str, *, timeout: float = READ_SECONDS) -> ServiceToken:
        """A token of a service with token authentication. The audit entry comes first."""
        found = self._json(
            self._service_url(name, "token", timeout=timeout),
            doing=f"fetch a token for {name}",
            method="POST",
            timeout=timeout,
        )
        return service_token(found)

    # Operations

    def operation(self, operation_id: str, *, offset: int | None = None, timeout: float = READ_SECONDS) -> Operation:
        """One of Azure ML's operations; with `offset` also the new part of its log (see `Operation.next_offset`)."""
        found = self._json(
            self.wire.mms(f"operations/{quote(operation_id, safe='')}", timeout=timeout),
            doing="read how far Azure ML is",
            params=None if offset is None else {"offset": str(offset)},
            timeout=timeout,
        )
        return payloads.operation(found, offset=offset or 0)

    def operation_log(self, operation_id: str, *, timeout: float = READ_SECONDS) -> str:
        """The whole log of an operation, scrubbed; empty when it has none. Its signed address is used and forgotten."""
        doing = "read the log of the operation"
        url = self.wire.mms(f"operations/{quote(operation_id, safe='')}", timeout=timeout)
        address = self._json(url, doing=doing, timeout=timeout).get("operationLog")
        return scrub(self.wire.fetch(address, doing=doing, timeout=timeout).text) if address else ""

    # Models

    def model_pages(
        self,
        *,
        name: str | None = None,
        properties: Mapping[str, str] | None = None,
        page_size: int = MODELS_PER_PAGE,
        timeout: float = LIST_SECONDS,
    ) -> Iterator[list[ModelVersion]]:
        """All versions, newest first, page by page; `timeout` is for each page."""
        params = {"count": str(page_size), "orderBy": "CreatedAtDesc", "latestVersionOnly": "false"}
        if name:
            params["name"] = name
        if properties:
            params["properties"] = ",".join(f"{key}={value}" for key, value in properties.items())
        url = self.wire.mms("models", timeout=timeout)
        for _ in range(_MOST_PAGES * 10):
            page = self._json(url, doing="list the models", params=params, timeout=timeout)
            yield payloads.readable(page.get("value"), payloads.model_version)
            following = parse_qs(urlsplit(page.get("nextLink") or "").query)
            step = {key: following[key][0] for key in ("$skipToken", "offset") if key in following}
            if not step:
                return
            params |= step

    def model(self, model_id: str, *, timeout: float = READ_SECONDS) -> ModelVersion:
        """One version by `name:version`; `NotFound` when there is none."""
        url = self.wire.mms(f"models/{quote(model_id, safe=':')}", timeout=timeout)
        return payloads.model_version(self._json(url, doing=f"read the model {model_id}", timeout=timeout))

    def find_model(self, model_id: str, *, timeout: float = READ_SECONDS) -> ModelVersion | None:
        """One version, or None."""
        try:
            return self.model(model_id, timeout=timeout)
        except NotFound:
            return None

    def model_of_operation(self, name: str, mark: str, *, timeout: float = READ_SECONDS) -> ModelVersion | None:
        """The version that one of our operations registered, or None."""
        for page in self.model_pages(name=name, properties={MARK: mark}, timeout=timeout):
            for version in page:
                if version.operation == mark:
                    return version
        return None

    # Environments

    def environments(self, *, timeout: float = LIST_SECONDS) -> list[EnvironmentVersion]:
        """The newest version of each; the SDK's own list fails as a whole at one it cannot read."""
        deadline = time.monotonic() + timeout
        url = self._environment_url("", timeout=timeout)
        params: dict[str, str] = {}
        rows: list[EnvironmentVersion] = []
        for _ in range(_MOST_PAGES):
            page = self._json(url, doing="list the environments", params=params or None, timeout=_left(deadline))
            rows += payloads.readable(page.get("value"), payloads.environment)
            if not page.get("continuationToken"):
                return rows
            params = {"continuation": str(page["continuationToken"])}
        raise Unavailable("Azure ML's list of environments does not end. Try again in a minute.")

    def find_environment(self, name: str, version: str, *, timeout: float = READ_SECONDS) -> EnvironmentVersion | None:
        """One version, or None."""
        url = self._environment_url(f"{quote(name, safe='')}/versions/{quote(version, safe='')}", timeout=timeout)
        try:
            return payloads.environment(self._json(url, doing=f"read the environment {name}", timeout=timeout))
        except NotFound:
            return None

    # Computes

    def computes(self, *, timeout: float = LIST_SECONDS) -> list[Compute]:
        """All compute targets; an AKS cluster says itself whether Container Insights watches it."""
        deadline = time.monotonic() + timeout
        path = f"/rp/workspaces{self._access.coordinates().path}/computes"
        url: str | None = self.wire.base("api", timeout=timeout) + path
        params: Mapping[str, str] | None = {"api-version": "2020-02-02"}
        rows: list[Compute] = []
        for _ in range(_MOST_PAGES):
            if url is None:
                return [self._with_container_insights(row, deadline) for row in rows]
            page = self._json(url, doing="list the computes", params=params, timeout=_left(deadline))
            rows += payloads.readable(page.get("value"), payloads.compute)
            url, params = page.get("nextLink"), None
        raise Unavailable("Azure ML's list of computes does not end. Try again in a minute.")

    def _with_container_insights(self, row: Compute, deadline: float) -> Compute:
        """The switch is the cluster's own, not the workspace's: to read it needs a right on the cluster."""
        if row.type != "AKS" or not row.resource_id:
            return row
        url = f"{self._access.arm_url()}{row.resource_id}"
        params = {"api-version": CLUSTER_VERSION}
        try:
            document = self._json(
                url, doing=f"read the cluster {row.name}", params=params, timeout=min(CLUSTER_SECONDS, _left(deadline))
            )
        except DeskError as error:
            logger.debug("Whether Container Insights watches %s is not known: %s", row.name, error)
            return row
        return replace(row, container_insights=payloads.has_container_insights(document))

    # Changes: each is sent exactly once; `AnswerLost` = look before trying again.

    def regenerate_key(
        self, name: str, slot: Slot, *, value: str | None = None, timeout: float = CHANGE_SECONDS
    ) -> str | None:
        """Replace one key, by a made-up one or by `value`; the id of Azure ML's operation."""
        if value:
            remember(value)
        document = {"keyType": slot.capitalize(), "keyValue": value}
        url = self._service_url(name, "regenerateKeys", timeout=timeout)
        doing = f"regenerate the {slot} key of {name}" if value is None else f"set the {slot} key of {name}"
        return self.wire.change("POST", url, doing=doing, document=document, timeout=timeout).operation_id

    def patch_service(
        self, name: str, patch: Sequence[Mapping[str, Any]], *, timeout: float = CHANGE_SECONDS
    ) -> str | None:
        """Apply a JSON Patch; the id of Azure ML's operation, or None when it was done at once."""
        url = self._service_url(name, timeout=timeout)
        reply = self.wire.change(
            "PATCH", url, doing=f"change {name}", document=list(patch), content_type=_PATCH, timeout=timeout
        )
        return operation_of(reply)

    def delete_service(self, name: str, *, timeout: float = CHANGE_SECONDS) -> str | None:
        """Delete a service; the id of Azure ML's operation, or None when it is gone already."""
        url = self._service_url(name, timeout=timeout)
        try:
            return operation_of(self.wire.change("DELETE", url, doing=f"delete {name}", timeout=timeout))
        except NotFound:
            return None

    def create_asset(self, name: str, *, prefix: str, timeout: float = CHANGE_SECONDS) -> str:
        """Make an asset of uploaded files; its id. A second one of the same files does no harm."""
        document = {"name": name, "artifacts": [{"prefix": prefix}]}
        url = self.wire.mms("assets", timeout=timeout)
        doing = f"register the files of {name}"
        return str(self.wire.change("POST", url, doing=doing, document=document, timeout=timeout).json()["id"])

    def create_model(self, document: Mapping[str, Any], *, timeout: float = CHANGE_SECONDS) -> ModelVersion:
        """Register a version; each call makes a new one."""
        url = self.wire.mms("models", timeout=timeout)
        doing = f"register {document['name']}"
        reply = self.wire.change("POST", url, doing=doing, document=dict(document), timeout=timeout)
        return payloads.model_version(reply.json())

    def patch_model(
        self, model_id: str, patch: Sequence[Mapping[str, Any]], *, timeout: float = CHANGE_SECONDS
    ) -> ModelVersion:
        """Apply a JSON Patch to a version; the version after."""
        url = self.wire.mms(f"models/{quote(model_id, safe=':')}", timeout=timeout)
        doing = f"change {model_id}"
        reply = self.wire.change("PATCH", url, doing=doing, document=list(patch), content_type=_PATCH, timeout=timeout)
        return payloads.model_version(reply.json())

    def delete_model(self, model_id: str, *, timeout: float = CHANGE_SECONDS) -> None:
        """Delete a version; it is no error when it is gone."""
        url = self.wire.mms(f"models/{quote(model_id, safe=':')}", timeout=timeout)
        try:
            self.wire.change("DELETE", url, doing=f"delete {model_id}", timeout=timeout)
        except NotFound:
            return

    def _service_url(self, name: str, action: str = "", *, timeout: float) -> str:
        return self.wire.mms(f"services/{quote(name, safe='')}" + (f"/{action}" if action else ""), timeout=timeout)

    def _environment_url(self, path: str, *, timeout: float) -> str:
        base = self.wire.base("experimentation", timeout=timeout)
        return f"{base}/environment/v1.0{self._access.coordinates().path}/environments/{path}"

    def _json(
        self,
        url: str,
        *,
        doing: str,
        method: str = "GET",
        params: Mapping[str, str] | None = None,
        timeout: float,
    ) -> dict[str, Any]:
        found = self.wire.read(url, doing=doing, method=method, params=params, timeout=timeout).json()
        if not isinstance(found, dict):
            raise Unavailable(
                f"Could not {doing}: Azure ML's answer has another form than expected. Try again in a minute."
            )
        return found


def operation_of(reply: Reply) -> str | None:
    """The operation a change started: named in a header, or in the service that came back."""
    if reply.operation_id or reply.status == 204 or not reply.body:
        return reply.operation_id
    document = reply.json()
    return document.get("operationId") if isinstance(document, dict) and reply.status == 202 else None


def _left(deadline: float) -> float:
    return max(0.1, deadline - time.monotonic())
