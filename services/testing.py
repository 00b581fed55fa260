"""Test requests a person sends by hand: raw HTTP, one attempt, everything of the answer shown."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from services.access import Person
from services.audit import Audit
from services.azureml.mms import ModelManagement
from services.azureml.types import Service
from services.errors import DeskError, Invalid
from services.live import Live, Shown
from services.operations.desk import Operations
from services.probes import Probes
from services.probing import Attempt, sample_body, send
from services.webservices import Webservices

LONGEST_WAIT_SECONDS = 120.0
LARGEST_BODY = 5 * 1024 * 1024
SHORT_BODY = 300

log = logging.getLogger(__name__)

_SAYS_ERROR = re.compile(r"(?i)\b(?:error|exception|traceback)\b")


@dataclass(frozen=True, kw_only=True)
class Meaning:
    """What a status means where the caller sees it, and what happened in the container."""

    at_client: str
    in_container: str
    is_good: bool


@dataclass(frozen=True, kw_only=True)
class Sent:
    """One test request and its answer. The body lies in this process's memory under `body` for a minute."""

    sent_at: datetime
    client_request_id: str
    status: int | None
    milliseconds: float
    model_milliseconds: float | None
    headers: Mapping[str, str]
    failure: str
    meaning: Meaning
    body: str
    is_cut: bool


class Testing:
    """Send and see."""

    # pytest takes a class of this name for tests of its own.
    __test__ = False

    def __init__(
        self,
        live: Live,
        mms: ModelManagement,
        webservices: Webservices,
        operations: Operations,
        audit: Audit,
        probes: Probes,
    ) -> None:
        self._live = live
        self._mms = mms
        self._webservices = webservices
        self._operations = operations
        self._audit = audit
        self._probes = probes

    def sample(self, person: Person, name: str) -> str:
        """A body the service should understand, from its own swagger document."""
        self._operations.check(person, "service.test", "service", name)
        service = self._callable(name)
        found = self._live.alone(
            lambda: sample_body(service.swagger_uri or "", credential=self._credential(service)),
            what=f"The sample of {name}",
            deadline=10.0,
        )
        # One number a line fills a screen: what is short stands in one line.
        short = json.dumps(json.loads(found))
        return short if len(short) <= SHORT_BODY else found

    def send(self, person: Person, name: str, body: str, *, deadline: float = 30.0) -> Attempt:
        """Send one request with the service's own key or token, which nobody gets to see."""
        self._operations.check(person, "service.test", "service", name)
        if not 0 < deadline <= LONGEST_WAIT_SECONDS:
            raise Invalid(f"Wait between 1 and {LONGEST_WAIT_SECONDS:.0f} s for an answer.", field="deadline")
        if len(body.encode()) > LARGEST_BODY:
            raise Invalid("The body is larger than 5 MB: send that from your own machine (see Consume).", field="body")
        service = self._callable(name)
        self._audit.record_alone(person, "service.test", "service", name)
        attempt = self._live.alone(
            lambda: send(
                service.scoring_uri or "",
                body,
                credential=self._credential(service),
                purpose="test",
                deadline=deadline,
            ),
            what=f"The answer of {name}",
            deadline=deadline + 10.0,
        )
        self._keep(name, attempt)
        return attempt

    def try_out(self, person: Person, name: str, body: str, *, deadline: float = 30.0) -> Sent:
        """Send one request; what came of it, its body behind a handle for a minute."""
        attempt = self.send(person, name, body, deadline=deadline)
        return Sent(
            sent_at=attempt.sent_at,
            client_request_id=attempt.client_request_id,
            status=attempt.status,
            milliseconds=attempt.milliseconds,
            model_milliseconds=attempt.model_milliseconds,
            headers=dict(attempt.headers),
            failure=attempt.failure,
            meaning=meaning(attempt),
            body=self._live.show(attempt.body),
            is_cut=attempt.is_cut,
        )

    def object_of(self, body: str) -> dict[str, Any] | None:
        """A body as the object it is, for the lines that call the service; None when it is none, or empty of data."""
        try:
            found = json.loads(body)
        except ValueError:
            return None
        return found if isinstance(found, dict) and any(found.values()) else None

    def body_remark(self, body: str) -> str | None:
        """What is odd about a body before it is sent; it may be sent all the same, to see what the service makes of it."""
        try:
            json.loads(body)
        except ValueError as error:
            return f"This is no JSON ({error}): the service will probably refuse it."
        return None

    def pretty(self, body: str) -> str:
        """A body indented where it is JSON, else as it is."""
        try:
            return json.dumps(json.loads(body), indent=2, ensure_ascii=False)
        except ValueError:
            return body

    def body(self, handle: str) -> Shown | None:
        """The body of an answer, until its minute is over."""
        return self._live.shown(handle)

    def _keep(self, name: str, attempt: Attempt) -> None:
        try:
            self._probes.record(name, attempt, "test")
        except DeskError as error:
            # The answer is there and somebody waits for it: a history with a hole is better than none of both.
            log.warning("A test request of %s could not be kept: %s", name, error.sentence)

    def _callable(self, name: str) -> Service:
        service = self._webservices.get(name).service
        if not service.scoring_uri:
            raise Invalid(f"{name} has no address yet: wait until it has started once.")
        return service

    def _credential(self, service: Service) -> str | None:
        if service.auth == "none":
            return None
        return self._mms.token(service.name).token if service.auth == "token" else self._mms.keys(service.name).primary


def meaning(attempt: Attempt) -> Meaning:
    """What a status means: the front end changes the codes of the container, and answers some requests by itself."""
    status = attempt.status
    if status is None:
        return _bad(attempt.failure, "Not known: no answer came.")
    if status == 200 and _SAYS_ERROR.search(attempt.body):
        return _bad(
            "200, yet the body speaks of an error.", "200: run() returned normally; it may have caught its own error."
        )
    if 200 <= status < 300:
        return Meaning(at_client="It was answered.", in_container=f"{status}: run() returned.", is_good=True)
    if status == 502:
        if attempt.headers.get("x-ms-run-function-failed", "").lower() == "true":
            return _bad("The model raised an error.", "500: run() raised. Its traceback is in the container's log.")
        return _bad(
            "The container ended before it answered.",
            "No code: the replica died or could not be reached. Its log says why; it is started again.",
        )
    found = _MEANINGS.get(status)
    return found or _bad(f"The service answered {status}.", f"{status}, if it came from the container at all.")


def _bad(at_client: str, in_container: str) -> Meaning:
    return Meaning(at_client=at_client, in_container=in_container, is_good=False)


_NOT_REACHED = "Nothing: the front end answered, the container never saw it. It is in no telemetry."
_MEANINGS = {
    400: _bad("The request was not understood.", "400: the server or the script refused the input."),
    401: _bad("The key or token was not accepted.", _NOT_REACHED),
    403: _bad("The key or token may not be used here.", _NOT_REACHED),
    404: _bad("There is no service at this address.", _NOT_REACHED),
    408: _bad("The request did not arrive in time.", _NOT_REACHED),
    413: _bad("The body is larger than the limit of 100 MB.", _NOT_REACHED),
    429: _bad("Too many requests at once.", _NOT_REACHED),
    431: _bad("The headers are too large, or a request id is longer than 100 characters.", "431, or nothing."),
    500: _bad("The server in the container failed.", "500: run() raised, or the server itself has an error."),
    503: _bad(
        "No replica became free within the longest wait in the queue, or none is running.",
        _NOT_REACHED,
    ),
    504: _bad(
        "The script did not answer within the scoring timeout.",
        "It may still be running: a container notices late that nobody waits.",
    ),
}
