"""Is everything connected? Each step of the way to Azure ML and to the telemetry, tried now, with what to do when it fails."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from services.azureml.gateway import Gateway
from services.azuremonitor.client import LogAnalytics
from services.clock import Clock
from services.errors import DeskError
from services.live import KQL_DEADLINE_SECONDS, Live


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One step: whether it worked, how long it took, and the sentence of its error."""

    step: str
    what: str
    worked: bool
    milliseconds: float
    sentence: str


class Diagnosis:
    """Tries the connection, step by step."""

    def __init__(self, live: Live, gateway: Gateway, logs: Callable[[], LogAnalytics], *, clock: Clock) -> None:
        self._live = live
        self._gateway = gateway
        self._logs = logs
        self._clock = clock

    def run(self) -> list[Finding]:
        """Every step in order; the steps after a failed one are tried too, since they tell where it ends."""
        mms, access = self._gateway.mms, self._gateway.access
        now = self._clock.now()
        steps: list[tuple[str, str, Callable[[], str]]] = [
            ("Credential", "a token is given to us", lambda: (access.token(), access.name)[1]),
            ("Workspace", "it can be found and its services' addresses read", lambda: mms.wire.base()),
            ("Services", "the list can be read", lambda: f"{len(mms.services())} services"),
            (
                "Models",
                "the first page can be read",
                lambda: f"{len(next(iter(mms.model_pages(page_size=20)), []))} on it",
            ),
            ("Compute", "the list can be read", lambda: f"{len(mms.computes())} compute targets"),
            (
                "Telemetry",
                "Log Analytics answers a query",
                lambda: (
                    f"{len(self._logs().ask('last_rows', start=now - timedelta(hours=1), end=now).rows)} services seen in the last hour"
                ),
            ),
        ]
        return [self._try(step, what, ask) for step, what, ask in steps]

    def _try(self, step: str, what: str, ask: Callable[[], str]) -> Finding:
        started = time.perf_counter()
        try:
            sentence, worked = self._live.alone(ask, what=step, deadline=KQL_DEADLINE_SECONDS), True
        except DeskError as error:
            sentence, worked = error.sentence, False
        return Finding(
            step=step,
            what=what,
            worked=worked,
            milliseconds=(time.perf_counter() - started) * 1000,
            sentence=sentence,
        )
