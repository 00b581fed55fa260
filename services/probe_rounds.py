"""The worker's rounds with probes: send what is due, in a few threads, and look which of them telemetry has by now."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime, timedelta

from services.azureml.mms import ModelManagement
from services.azureml.types import Service
from services.azuremonitor.client import LogAnalytics
from services.clock import Clock
from services.errors import DeskError
from services.probes import ProbePlan, Probes, judge
from services.probing import Attempt, send
from services.webservices import Webservices

THREADS = 4
LOOK_BACK = timedelta(minutes=15)
"""For how long a row is waited for."""
AHEAD = timedelta(minutes=1)
"""Clocks differ: a container's may be a little ahead of ours."""

log = logging.getLogger(__name__)


class ProbeRounds:
    """Sends and looks."""

    def __init__(
        self,
        probes: Probes,
        webservices: Webservices,
        mms: ModelManagement,
        logs: Callable[[], LogAnalytics],
        *,
        clock: Clock,
    ) -> None:
        self._probes = probes
        self._webservices = webservices
        self._mms = mms
        self._logs = logs
        self._clock = clock
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="probe")
        self._sent_at: dict[str, datetime] = {}
        self._flights: dict[str, Future[None]] = {}

    def send_due(self) -> int:
        """Send what is due; return how many. A probe that is still under way is not sent again."""
        plans = self._probes.plans()
        if not plans:
            return 0
        now, sent = self._clock.now(), 0
        found = (listed.service for listed in self._webservices.all())
        services = {service.name: service for service in found if service.scoring_uri and not service.broken}
        self._let_go()
        for plan in plans:
            service = services.get(plan.service)
            last = self._sent_at.get(plan.service)
            is_due = last is None or now - last >= timedelta(seconds=plan.every_seconds)
            if service is None or not is_due or plan.service in self._flights:
                continue
            self._sent_at[plan.service] = now
            self._flights[plan.service] = self._pool.submit(self._probe, plan, service)
            sent += 1
        return sent

    def look(self) -> int:
        """Note which probes and tests of the last minutes are in the telemetry by now; return how many came."""
        now = self._clock.now()
        awaited = {result.client_request_id: result for result in self._probes.awaited(now - LOOK_BACK)}
        if not awaited:
            return 0
        start = min(result.at for result in awaited.values()) - AHEAD
        services = sorted({result.service for result in awaited.values()})
        table = self._logs().ask("probe_arrivals", services=services, start=start, end=now + AHEAD, include_ours=True)
        came = [row["ClientRequestId"] for row in table.dicts() if row["ClientRequestId"] in awaited]
        self._probes.seen(came, self._clock.now())
        return len(came)

    def close(self) -> None:
        """Begin no more of them."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _let_go(self) -> None:
        for name, flight in list(self._flights.items()):
            if flight.done():
                del self._flights[name]
                if error := flight.exception():
                    log.error("The probe of %s failed in a way nobody foresaw", name, exc_info=error)

    def _probe(self, plan: ProbePlan, service: Service) -> None:
        try:
            credential = self._credential(service)
        except DeskError as error:
            # Not the service's failure: nothing was sent, and nothing is counted against it.
            log.warning("No probe was sent to %s: %s", service.name, error.sentence)
            return
        attempt = send(
            service.scoring_uri or "",
            plan.body,
            credential=credential,
            purpose="probe",
            deadline=plan.deadline_seconds,
        )
        self._keep(plan, attempt)

    def _keep(self, plan: ProbePlan, attempt: Attempt) -> None:
        failure = judge(plan, attempt)
        try:
            self._probes.record(plan.service, attempt, "probe", passed=not failure, failure=failure)
        except DeskError as error:
            log.warning("The probe of %s could not be kept: %s", plan.service, error.sentence)

    def _credential(self, service: Service) -> str | None:
        if service.auth == "none":
            return None
        if service.auth == "token":
            return self._mms.token(service.name).token
        return self._mms.keys(service.name).primary
