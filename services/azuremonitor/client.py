"""Ask Log Analytics, on Azure or in the local workspace: the same client, another address and another credential."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol, cast, runtime_checkable

from azure.core.credentials import AccessToken
from azure.core.exceptions import AzureError, ClientAuthenticationError, ServiceRequestError
from azure.core.pipeline import PipelineRequest
from azure.core.pipeline.policies import SansIOHTTPPolicy
from azure.monitor.query import LogsQueryClient, LogsQueryPartialResult, LogsQueryResult

from services.azuremonitor import queries, refusals
from services.azuremonitor.queries import Source
from services.azuremonitor.tables import Column, Table
from services.errors import DeskError, Forbidden, Invalid, NotFound, Unavailable

QUERY_SECONDS = 30
CONNECT_SECONDS = 5


@runtime_checkable
class Credential(Protocol):
    """A credential of azure-identity."""

    def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        """A token for these scopes."""


class LogAnalytics:
    """One Log Analytics workspace."""

    def __init__(
        self,
        endpoint: str | Callable[[], str],
        credential: Credential | Callable[[], str],
        workspace_id: str,
        *,
        source: Source,
    ) -> None:
        """A credential of azure-identity, or a function that reads the local workspace's token (and one its address)."""
        self._endpoint = endpoint
        self._credential = credential
        self._workspace_id = workspace_id
        self._source = source
        self._lock = threading.Lock()
        self._client: LogsQueryClient | None = None

    def ask(
        self,
        name: str,
        *,
        services: Sequence[str] = (),
        start: datetime,
        end: datetime,
        step: timedelta = timedelta(minutes=5),
        include_ours: bool = False,
        front_end: bool = True,
        together: bool = False,
    ) -> Table:
        """Run one of our queries (queries/NAME.kql); the answer carries the text that ran."""
        text = self.render(
            name,
            services=services,
            start=start,
            end=end,
            step=step,
            include_ours=include_ours,
            front_end=front_end,
            together=together,
        )
        return self.query(text)

    def render(
        self,
        name: str,
        *,
        services: Sequence[str] = (),
        start: datetime,
        end: datetime,
        step: timedelta = timedelta(minutes=5),
        include_ours: bool = False,
        front_end: bool = True,
        together: bool = False,
    ) -> str:
        """The text `ask` would run."""
        return queries.render(
            name,
            source=self._source,
            services=services,
            start=start,
            end=end,
            step=step,
            include_ours=include_ours,
            front_end=front_end,
            together=together,
        )

    def console(self, text: str, *, start: datetime, end: datetime) -> Table:
        """Run a person's own KQL over that range, if it may be sent at all."""
        refusals.check(text)
        return self.query(queries.with_source(text, source=self._source, start=start, end=end), timespan=(start, end))

    def query(self, text: str, *, timespan: tuple[datetime, datetime] | None = None) -> Table:
        """Run KQL as it is; the server gives up after 30 s and nothing is tried twice."""
        begun = time.monotonic()
        try:
            result = self._send(text, timespan)
        except AzureError as error:
            if not self._is_stale(error):
                raise self._translate(error) from error
            # The local workspace was started anew: its address and token are read again, once.
            self._forget()
            try:
                result = self._send(text, timespan)
            except AzureError as again:
                raise self._translate(again) from again
        return _table(result, text, time.monotonic() - begun)

    def close(self) -> None:
        """Close the connections."""
        self._forget()

    def _send(self, text: str, timespan: tuple[datetime, datetime] | None) -> LogsQueryResult | LogsQueryPartialResult:
        return self._connected().query_workspace(
            self._workspace_id,
            text,
            timespan=timespan,
            server_timeout=QUERY_SECONDS,
            connection_timeout=CONNECT_SECONDS,
            read_timeout=QUERY_SECONDS + CONNECT_SECONDS,
        )

    def _connected(self) -> LogsQueryClient:
        with self._lock:
            if self._client is None:
                endpoint = self._endpoint() if callable(self._endpoint) else self._endpoint
                # retry_total: a 504 would be sent three more times, each as slow as the first.
                if isinstance(self._credential, Credential):
                    self._client = LogsQueryClient(self._credential, endpoint=endpoint, retry_total=0)
                else:
                    policy = _LocalToken(self._credential())
                    self._client = LogsQueryClient(
                        _NoCredential(), endpoint=endpoint, authentication_policy=policy, retry_total=0
                    )
            return self._client

    def _forget(self) -> None:
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.close()

    def _is_stale(self, error: AzureError) -> bool:
        if isinstance(self._credential, Credential):
            return False
        return isinstance(error, ServiceRequestError) or getattr(error, "status_code", None) == 401

    def _translate(self, error: AzureError) -> DeskError:
        """One of our five, with what to do next."""
        status = getattr(error, "status_code", None)
        said = _innermost(error)
        if status == 400:
            return Invalid(f"Log Analytics cannot run this query: {said}", field="query", detail=said)
        if status == 404:
            return NotFound(
                f"There is no Log Analytics workspace {self._workspace_id}: check its id under Connection.", detail=said
            )
        # The client wraps a credential's own failure into an error without an answer.
        if status is None and isinstance(error.__context__, ClientAuthenticationError):
            return Forbidden(
                "Azure did not accept the desk's credential: check the service principal and its secret or certificate.",
                detail=said,
            )
        if status in (401, 403):
            return Forbidden(
                "The desk may not read this Log Analytics workspace: give its identity the role Log Analytics Reader.",
                detail=said,
            )
        if status == 429:
            return Unavailable("Log Analytics takes no more queries for now: try again in half a minute.", detail=said)
        if status == 504:
            return Unavailable(
                f"The query took longer than {QUERY_SECONDS} s: choose a shorter range or fewer services.", detail=said
            )
        return Unavailable("The telemetry does not answer: try again, and look under Connection why.", detail=said)


class _LocalToken(SansIOHTTPPolicy):
    """Sends the local workspace's token over loopback HTTP, where azure-core's own policy insists on TLS."""

    def __init__(self, token: str) -> None:
        self._token = token

    def on_request(self, request: PipelineRequest) -> None:
        request.http_request.headers["Authorization"] = f"Bearer {self._token}"


class _NoCredential:
    """The client wants a credential; with a policy of its own it never asks it."""

    def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        raise ClientAuthenticationError(f"The local workspace has no tokens for {', '.join(scopes)}.")


def _table(result: LogsQueryResult | LogsQueryPartialResult, text: str, seconds: float) -> Table:
    if isinstance(result, LogsQueryPartialResult):
        tables, partial = result.partial_data, _partial(result.partial_error)
    else:
        tables, partial = result.tables, None
    if not tables:
        return Table((), (), partial, text, seconds)
    first = tables[0]
    columns = tuple(Column(*pair) for pair in zip(first.columns, first.columns_types, strict=True))
    return Table(columns, tuple(tuple(row) for row in first.rows), partial, text, seconds)


def _partial(error: Any) -> str:
    details = cast(list[dict[str, Any]], getattr(error, "details", None) or [])
    said = next((str(detail["message"]) for detail in details if detail.get("message")), "")
    return said or str(getattr(error, "message", "")) or "Log Analytics answered only in part."


def _innermost(error: AzureError) -> str:
    """What Log Analytics itself said, without the layers around it."""
    model = getattr(error, "model", None)
    return str(getattr(model, "message", None) or getattr(error, "message", None) or error)
