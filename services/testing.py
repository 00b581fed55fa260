"""Test requests a person sends by hand: raw HTTP, one attempt, everything of the answer shown."""

from __future__ import annotations

from services.access import Person
from services.audit import Audit
from services.azureml.mms import ModelManagement
from services.azureml.types import Service
from services.errors import Invalid
from services.live import Live
from services.operations.desk import Operations
from services.probing import Attempt, sample_body, send
from services.webservices import Webservices

LONGEST_WAIT_SECONDS = 120.0
LARGEST_BODY = 5 * 1024 * 1024


class Testing:
    """Send and see."""

    # pytest takes a class of this name for tests of its own.
    __test__ = False

    def __init__(
        self, live: Live, mms: ModelManagement, webservices: Webservices, operations: Operations, audit: Audit
    ) -> None:
        self._live = live
        self._mms = mms
        self._webservices = webservices
        self._operations = operations
        self._audit = audit

    def sample(self, person: Person, name: str) -> str:
        """A body the service should understand, from its own swagger document."""
        self._operations.check(person, "service.test", "service", name)
        service = self._callable(name)
        return self._live.alone(
            lambda: sample_body(service.swagger_uri or "", credential=self._credential(service)),
            what=f"The sample of {name}",
            deadline=10.0,
        )

    def send(self, person: Person, name: str, body: str, *, deadline: float = 30.0) -> Attempt:
        """Send one request with the service's own key or token, which nobody gets to see."""
        self._operations.check(person, "service.test", "service", name)
        if not 0 < deadline <= LONGEST_WAIT_SECONDS:
            raise Invalid(f"Wait between 1 and {LONGEST_WAIT_SECONDS:.0f} s for an answer.", field="deadline")
        if len(body.encode()) > LARGEST_BODY:
            raise Invalid("The body is larger than 5 MB: send that from your own machine (see Consume).", field="body")
        service = self._callable(name)
        self._audit.record_alone(person, "service.test", "service", name)
        return self._live.alone(
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

    def _callable(self, name: str) -> Service:
        service = self._webservices.get(name).service
        if not service.scoring_uri:
            raise Invalid(f"{name} has no address yet: wait until it has started once.")
        return service

    def _credential(self, service: Service) -> str | None:
        if service.auth == "none":
            return None
        return self._mms.token(service.name).token if service.auth == "token" else self._mms.keys(service.name).primary
