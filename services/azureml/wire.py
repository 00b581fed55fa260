"""Raw HTTP to Azure ML with deadlines of our own: a read is asked again once when the credential was renewed, a change
is sent exactly once."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from threading import Lock
from typing import Any
from urllib.parse import urlsplit

import httpx2

from services.azureml import translate
from services.azureml.access import Access
from services.azureml.connection import Coordinates
from services.errors import Unavailable

READ_SECONDS = 5.0
CHANGE_SECONDS = 30.0
_LARGEST_ANSWER = 64 * 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class Reply:
    """An answer below 400."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body parsed."""
        try:
            return json.loads(self.body)
        except ValueError:
            raise Unavailable("Azure ML answered with something that is not JSON. Try again in a minute.") from None

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode("utf-8", "replace")

    @property
    def operation_id(self) -> str | None:
        """Azure ML's operation that a change started."""
        location = self.headers.get("operation-location")
        return urlsplit(location).path.rstrip("/").rsplit("/", 1)[-1] if location else None


class Wire:
    """One client for all threads."""

    def __init__(self, access: Access) -> None:
        """Opens nothing yet."""
        self._access = access
        # A proxy from the environment is right for Azure and always wrong for loopback.
        trust = not access.is_local
        self._reads = httpx2.Client(
            trust_env=trust, follow_redirects=True, limits=httpx2.Limits(max_connections=32, keepalive_expiry=20)
        )
        # A change on a connection that died meanwhile leaves open whether it arrived: each gets a fresh one.
        self._changes = httpx2.Client(
            trust_env=trust, limits=httpx2.Limits(max_connections=32, max_keepalive_connections=0)
        )
        self._lock = Lock()
        self._found: tuple[tuple[str, Coordinates], dict[str, str]] | None = None

    def close(self) -> None:
        """Close all connections."""
        self._reads.close()
        self._changes.close()

    def base(self, service: str = "modelmanagement", *, timeout: float = READ_SECONDS) -> str:
        """Base address of one of Azure ML's services by its name in the discovery document, without a slash."""
        key = (self._access.arm_url(), self._access.coordinates())
        with self._lock:
            if self._found and self._found[0] == key:
                return self._found[1][service]
        arm, where = key
        doing = f"find the workspace {where.workspace_name}"
        deadline = time.monotonic() + timeout
        workspace = self.read(f"{arm}{where.path}", doing=doing, params={"api-version": "2022-05-01"}, timeout=timeout)
        address = workspace.json()["properties"]["discoveryUrl"]
        found = self.read(address, doing=doing, timeout=max(0.1, deadline - time.monotonic())).json()
        services = {name: str(url).rstrip("/") for name, url in found.items()}
        with self._lock:
            self._found = (key, services)
        return services[service]

    def mms(self, path: str, *, timeout: float = READ_SECONDS) -> str:
        """Address of a model management resource: `services/diabetes`."""
        base = self.base(timeout=timeout)
        return f"{base}/modelmanagement/v1.0{self._access.coordinates().path}/{path}"

    def read(
        self,
        url: str,
        *,
        doing: str,
        method: str = "GET",
        params: Mapping[str, str] | None = None,
        timeout: float = READ_SECONDS,
    ) -> Reply:
        """Ask; once more when the connection broke or the credential is a new one. POST only for what changes nothing."""
        deadline = time.monotonic() + timeout
        try:
            reply = self._send(self._reads, method, url, deadline=deadline, params=params)
        except httpx2.TransportError as problem:
            self._access.renew()
            if isinstance(problem, httpx2.TimeoutException) or time.monotonic() > deadline - 1:
                raise translate.unreachable(problem, doing=doing) from None
        else:
            if reply.status != 401 or not self._access.renew():
                return _checked(reply, doing=doing)
        try:
            reply = self._send(self._reads, method, url, deadline=deadline, params=params)
        except httpx2.TransportError as problem:
            raise translate.unreachable(problem, doing=doing) from None
        return _checked(reply, doing=doing)

    def fetch(self, url: str, *, doing: str, timeout: float = READ_SECONDS) -> Reply:
        """Get a signed address: our token is none of its business."""
        try:
            reply = self._send(self._reads, "GET", url, deadline=time.monotonic() + timeout, authorize=False)
        except httpx2.TransportError as problem:
            raise translate.unreachable(problem, doing=doing) from None
        return _checked(reply, doing=doing)

    def change(
        self,
        method: str,
        url: str,
        *,
        doing: str,
        document: Any = None,
        content_type: str = "application/json",
        timeout: float = CHANGE_SECONDS,
    ) -> Reply:
        """Send exactly once; `translate.AnswerLost` when it may have been done all the same."""
        try:
            reply = self._send(
                self._changes,
                method,
                url,
                deadline=time.monotonic() + timeout,
                document=document,
                content_type=content_type,
            )
        except httpx2.TransportError as problem:
            raise translate.unreachable(problem, doing=doing, change=True) from None
        return _checked(reply, doing=doing, change=True)

    def _send(
        self,
        client: httpx2.Client,
        method: str,
        url: str,
        *,
        deadline: float,
        params: Mapping[str, str] | None = None,
        document: Any = None,
        content_type: str | None = None,
        authorize: bool = True,
    ) -> Reply:
        headers = {"Accept": "application/json"}
        if authorize:
            headers["Authorization"] = f"Bearer {self._access.token()}"
        if document is not None and content_type:
            headers["Content-Type"] = content_type
        left = deadline - time.monotonic()
        if left <= 0:
            raise httpx2.ReadTimeout("the deadline had passed")
        with client.stream(
            method,
            url,
            params=dict(params) if params else None,
            content=json.dumps(document).encode() if document is not None else None,
            headers=headers,
            timeout=httpx2.Timeout(left),
        ) as answer:
            parts: list[bytes] = []
            size = 0
            for part in answer.iter_bytes():
                parts.append(part)
                size += len(part)
                if size > _LARGEST_ANSWER:
                    raise httpx2.ReadError(f"the answer is larger than {_LARGEST_ANSWER} bytes")
                if time.monotonic() > deadline:  # a trickle keeps every single read in time
                    raise httpx2.ReadTimeout("the answer did not end in time")
            return Reply(
                status=answer.status_code,
                headers={name.lower(): value for name, value in answer.headers.items()},
                body=b"".join(parts),
            )


def _checked(reply: Reply, *, doing: str, change: bool = False) -> Reply:
    if reply.status >= 400:
        raise translate.refused(reply.status, reply.text, doing=doing, change=change, headers=reply.headers)
    return reply
