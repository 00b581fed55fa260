"""The worker's probes, sent for real to a small server on this machine: when they are due, what is kept of them."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import sqlalchemy as sa

from services.azureml.types import Service
from services.probes import ProbePlan, ProbeResult
from services.storage import mirror
from tests.running_workspace import wait_for
from tests.services.test_alerts import OPERATOR, WORKSPACE, Desk, desk, monitor

__all__ = ["desk", "monitor"]


class Scoring(BaseHTTPRequestHandler):
    """Answers as a model would: doubles what it gets."""

    seen: list[str] = []  # noqa: RUF012  # one server at a time, emptied by its fixture

    def do_POST(self) -> None:
        """One request."""
        self.seen.append(self.headers["x-ms-client-request-id"])
        data = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["data"]
        body = json.dumps({"predict": [2 * one for one in data]}).encode()
        self.send_response(200)
        for name, value in (("x-ms-request-id", "r-1"), ("x-ms-run-fn-exec-ms", "1.5")):
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: Any) -> None:
        """Say nothing."""


@pytest.fixture
def address() -> Iterator[str]:
    """Where it listens."""
    Scoring.seen.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Scoring)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/score"
    server.shutdown()
    server.server_close()
    thread.join()


def answers_at(desk: Desk, name: str, address: str) -> None:
    """A service anyone may call, in the mirror."""
    desk.there_is(name)
    service = Service(name=name, compute_type="ACI", scoring_uri=address, configuration={"auth_enabled": False})
    with desk.mirror.writing() as work:
        work.execute(
            sa.update(mirror.services)
            .where(mirror.services.c.workspace == WORKSPACE, mirror.services.c.name == name)
            .values(content=service.to_json())
        )


def results(desk: Desk, count: int) -> list[ProbeResult]:
    """So many probes of the service, once they are kept."""

    def found() -> list[ProbeResult] | None:
        kept = desk.probes.recent("probed")
        return kept if len(kept) >= count else None

    kept: list[ProbeResult] = wait_for(found, f"{count} probes to be kept", 20)
    return kept


def test_a_probe_is_sent_when_it_is_due_and_judged_by_what_is_expected(desk: Desk, address: str) -> None:
    answers_at(desk, "probed", address)
    plan = ProbePlan(service="probed", body='{"data": [1, 2]}', expected_json={"predict": [2, 4]}, is_on=True)
    desk.probes.set_plan(OPERATOR, plan)

    assert desk.arrivals.send_due() == 1
    first = results(desk, 1)[0]
    assert (first.passed, first.status, first.model_milliseconds, first.request_id) == (True, 200, 1.5, "r-1")
    assert first.client_request_id == Scoring.seen[0]
    assert first.client_request_id.startswith("desk-probe-")
    assert desk.arrivals.send_due() == 0

    desk.probes.set_plan(OPERATOR, replace(plan, expected_json={"predict": [3]}))
    desk.watch.time += timedelta(seconds=60)
    assert desk.arrivals.send_due() == 1
    second = next(one for one in results(desk, 2) if one.client_request_id != first.client_request_id)
    assert second.passed is False
    assert second.failure == "Its body differs from what is expected at predict."


def test_nothing_is_sent_to_what_is_off_or_gone(desk: Desk, address: str) -> None:
    answers_at(desk, "probed", address)
    desk.probes.set_plan(OPERATOR, ProbePlan(service="probed", body="{}", is_on=False))
    desk.probes.set_plan(OPERATOR, ProbePlan(service="deleted", body="{}", is_on=True))

    assert desk.arrivals.send_due() == 0
    assert Scoring.seen == []
