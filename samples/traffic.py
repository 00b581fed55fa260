"""Traffic for the samples: `python -m samples.traffic`. Real requests as a client would send them, until switched off.

Each caller names itself in the client request id, `<app>_<p|s>_<random>`, so that the desk can tell which key it uses.
"""

from __future__ import annotations

import json
import logging
import random
import secrets
import signal
import sys
import threading
import time
from dataclasses import dataclass, field

import httpx2

from samples.__main__ import wait_for_desk
from services import bootstrap
from services.azureml.types import Service
from services.errors import DeskError
from services.settings import Settings
from services.switches import SAMPLE_TRAFFIC

log = logging.getLogger("samples.traffic")

REQUESTS_PER_SECOND = 3.0
LOOK_EVERY_SECONDS = 5.0
DEADLINE_SECONDS = 70.0
STRONG_WINES = 0.03
"""Share of wines stronger than the model knows: it refuses them, so that there is something to find."""


@dataclass
class Caller:
    """A client of one service: keeps its key until it is refused, as well-made clients do."""

    desk: bootstrap.Desk
    service: Service
    credential: str | None = None
    client: httpx2.Client = field(default_factory=lambda: httpx2.Client(timeout=DEADLINE_SECONDS, trust_env=False))

    def call(self) -> None:
        """One request; a refused key is read anew, once."""
        answer = self._send()
        if answer.status_code == 401:
            self.credential = None
            self._send()

    def _send(self) -> httpx2.Response:
        if self.credential is None and self.service.auth == "key":
            self.credential = self.desk.gateway.mms.keys(self.service.name).primary
        headers = {
            "Content-Type": "application/json",
            "x-ms-client-request-id": f"{self.service.name}-client_p_{secrets.token_hex(4)}"[:40],
        }
        if self.credential:
            headers["Authorization"] = f"Bearer {self.credential}"
        return self.client.post(self.service.scoring_uri or "", content=body_for(self.service), headers=headers)


def body_for(service: Service) -> str:
    """A plausible input: measurements near those the models were trained on."""
    model = service.model_ids[0].partition(":")[0] if service.model_ids else ""
    if model == "diabetes":
        return json.dumps({"data": [[random.gauss(0, 0.05) for _ in range(10)]]})
    if model == "wine":
        alcohol = 14.5 if random.random() < STRONG_WINES else random.uniform(11.5, 13.9)
        rest = [1.78, 2.14, 11.2, 100.0, 2.65, 2.76, 0.26, 1.28, 4.38, 1.05, 3.4, 1050.0]
        return json.dumps({"data": [[alcohol, *(value * random.uniform(0.8, 1.2) for value in rest)]]})
    # The ONNX model that the package ships takes exactly three flowers with two measurements each.
    flowers = [[random.uniform(4.3, 7.9), random.uniform(2.0, 4.4)] for _ in range(3)]
    return json.dumps({"data": {"float_input": flowers}})


def run(desk: bootstrap.Desk, stopping: threading.Event) -> None:
    """Send at a steady average rate to every sample that is healthy, until told to stop."""
    callers: dict[str, Caller] = {}
    looked_at = 0.0
    is_on = False
    while not stopping.wait(random.expovariate(REQUESTS_PER_SECOND)):
        if time.monotonic() - looked_at > LOOK_EVERY_SECONDS:
            is_on = desk.switches.is_on(SAMPLE_TRAFFIC)
            callers = _callers(desk, callers)
            looked_at = time.monotonic()
        if not is_on or not callers:
            continue
        caller = random.choice(list(callers.values()))
        try:
            caller.call()
        except (httpx2.HTTPError, DeskError) as error:
            log.info("%s: %s", caller.service.name, getattr(error, "sentence", type(error).__name__))


def _callers(desk: bootstrap.Desk, before: dict[str, Caller]) -> dict[str, Caller]:
    found: dict[str, Caller] = {}
    for listed in desk.webservices.all():
        service = listed.service
        is_sample = (service.description or "").startswith("Sample:")
        if is_sample and listed.state == "Healthy" and service.scoring_uri and service.auth != "token":
            known = before.get(service.name)
            found[service.name] = known if known and known.service.auth == service.auth else Caller(desk, service)
    return found


def main() -> int:
    """Run until SIGTERM or SIGINT."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s", stream=sys.stderr)
    logging.getLogger("httpx2").setLevel(logging.WARNING)
    settings = Settings()
    if not settings.is_local or not settings.desk_samples:
        log.info("No sample traffic is wanted here.")
        return 0
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    try:
        run(wait_for_desk(settings), stopping)
    except DeskError as error:
        log.error(error.sentence)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
