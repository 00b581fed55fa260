"""Charts over a real local Azure Monitor: our own requests among them, trust, versions, and whether data flows."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import sqlalchemy as sa

from services.access import LOCAL_IDENTITIES
from services.audit import Audit
from services.azureml.types import Compute, Service
from services.azuremonitor.client import LogAnalytics
from services.bundles import Bundles
from services.errors import Forbidden, Invalid, NotFound
from services.live import Live
from services.monitoring import Monitoring, Span, charts
from services.planning.wanted import Wanted, digest
from services.probes import Probes
from services.probing import Attempt, Purpose
from services.queries import MOST_ROWS, Queries
from services.storage import ledger, mirror
from services.testing import Testing
from services.webservices import Webservices
from tests.local_workspace.insights_process import InsightsProcess, scoring_call
from tests.services.front_end_lines import access, write_log
from tests.services.test_log_snapshots import WORKSPACE, House, house

__all__ = ["house"]

OPERATOR, VIEWER, ADMIN = (LOCAL_IDENTITIES[name] for name in ("operator", "viewer", "admin"))
NOW = datetime.now(UTC).replace(second=0, microsecond=0)
AT = NOW - timedelta(minutes=10)
SPAN = Span(start=NOW - timedelta(hours=1), end=NOW, step=timedelta(hours=1))


class Desk:
    """The parts that ask telemetry, put together as the desk does it."""

    def __init__(self, house: House, monitor: InsightsProcess) -> None:
        self.house, self.monitor = house, monitor
        self.logs = LogAnalytics(monitor.url, lambda: monitor.read_token, monitor.workspace_id, source="local")
        self.live = Live(house.watch)
        audit = Audit(house.ledger, workspace=WORKSPACE, key=b"k" * 32, anchor=house.anchor, clock=house.watch)
        self.audit = audit
        webservices = Webservices(house.mirror, house.operations, workspace=WORKSPACE, clock=house.watch)
        self.probes = Probes(
            house.ledger, house.mirror, house.operations, audit, workspace=WORKSPACE, clock=house.watch
        )
        # Nobody asks Azure for a key here: the services want none.
        testing = Testing(self.live, None, webservices, house.operations, audit, self.probes)  # type: ignore[arg-type]
        self.monitoring = Monitoring(
            self.live,
            lambda: self.logs,
            webservices,
            house.operations,
            probes=self.probes,
            testing=testing,
            bundles=Bundles(house.ledger, workspace=WORKSPACE),
            clock=house.watch,
        )
        self.queries = Queries(
            house.ledger,
            self.live,
            lambda: self.logs,
            Local(),  # type: ignore[arg-type]
            house.operations,
            audit,
            workspace=WORKSPACE,
            clock=house.watch,
        )

    def service(self, name: str, *, compute: str | None = None, insights: bool = True, address: str = "") -> None:
        """A service, as the inventory would have written it."""
        service = Service(
            name=name,
            compute_type="AKS" if compute else "ACI",
            compute=compute,
            state="Healthy",
            scoring_uri=address or None,
            swagger_uri=address or None,
            configuration={"enable_app_insights": insights, "auth_enabled": False},
        )
        with self.house.mirror.writing() as work:
            work.execute(
                sa.insert(mirror.services).values(
                    workspace=WORKSPACE,
                    name=name,
                    compute_type=service.compute_type,
                    state="Healthy",
                    state_since=NOW,
                    application="",
                    stage="",
                    content=service.to_json(),
                    configuration_sha256="",
                    read_at=NOW,
                )
            )

    def cluster(self, name: str, *, log: bool | None) -> None:
        """A cluster and its switch."""
        content = Compute(name=name, type="AKS", container_insights=log).to_json()
        with self.house.mirror.writing() as work:
            work.execute(
                sa.insert(mirror.computes).values(workspace=WORKSPACE, name=name, content=content, read_at=NOW)
            )

    def probed(self, service: str, status: int, *, purpose: Purpose = "probe", number: int = 0) -> str:
        """One of our own requests, in our record."""
        id_ = f"desk-{purpose}-{service}-{status}-{number}"
        headers = {"x-ms-run-fn-exec-ms": "6.5"} if status == 200 else {}
        attempt = Attempt(sent_at=AT, client_request_id=id_, status=status, milliseconds=10.5, headers=headers)
        self.probes.record(service, attempt, purpose)
        return id_


class Local:
    """Access to the local workspace, as far as a link asks for it."""

    is_local = True


@pytest.fixture(scope="module")
def monitor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InsightsProcess]:
    process = InsightsProcess(tmp_path_factory.mktemp("monitor"))
    process.track(
        [
            scoring_call(at=AT, service="wine", request_id="w1"),
            scoring_call(at=AT, service="wine", code=500, request_id="w2"),
            scoring_call(at=AT, service="wine", code=500, client_request_id="desk-probe-wine-502-0", request_id="p1"),
            scoring_call(at=AT, service="iris", request_id="i1"),
        ]
    )
    write_log(process, [access("wine", at=AT, status=503, request_id="w3", reason="queue wait exceeded")])
    yield process
    process.stop()


@pytest.fixture
def desk(house: House, monitor: InsightsProcess) -> Iterator[Desk]:
    house.watch.time = NOW
    made = Desk(house, monitor)
    yield made
    made.live.close()
    made.logs.close()


def counted(rows: list[dict[str, Any]]) -> dict[tuple[int, str], int]:
    return {(row["Code"], row["Source"]): row["n"] for row in rows}


def test_our_own_failures_join_the_chart_once_from_our_record(desk: Desk) -> None:
    desk.service("wine")
    desk.probed("wine", 502)
    desk.probed("wine", 401, number=1)
    desk.probed("wine", 401, number=2)
    desk.probed("wine", 503, purpose="test")
    desk.probed("iris", 401)

    without = desk.monitoring.errors(SPAN, services=["wine"])
    with_ours = desk.monitoring.errors(SPAN, services=["wine"], include_ours=True)

    assert counted(without.dicts()) == {(502, "container"): 1}
    assert counted(with_ours.dicts()) == {
        (502, "container"): 1,
        (502, "probe"): 1,
        (401, "probe"): 2,
        (503, "test"): 1,
    }
    assert str(with_ours.frame()["n"].dtype) == "Int64"


def test_of_too_many_services_a_chart_draws_those_with_the_most_requests(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.service("wine")
    desk.service("iris")
    assert desk.monitoring.leading(SPAN) is None

    monkeypatch.setattr(charts, "MOST_DRAWN", 1)

    leading = desk.monitoring.leading(SPAN)
    assert leading is not None
    assert (leading.services, leading.of) == (("wine",), 2)


def test_the_front_ends_log_is_read_only_where_a_cluster_keeps_one(desk: Desk) -> None:
    desk.cluster("dark", log=False)
    desk.cluster("lit", log=True)
    desk.service("wine", compute="LIT")
    desk.service("iris", compute="dark")

    lit = desk.monitoring.errors(SPAN, services=["wine"])
    dark = desk.monitoring.errors(SPAN, services=["iris"])

    assert counted(lit.dicts()) == {(502, "container"): 1, (503, "front end"): 1}
    assert "ContainerLogV2" in lit.query
    assert "ContainerLogV2" not in dark.query
    assert "ContainerLogV2" in desk.monitoring.errors(SPAN).query


def test_a_chart_says_what_it_cannot_see_for_which_services(desk: Desk) -> None:
    desk.cluster("lit", log=True)
    desk.service("wine", compute="lit")
    desk.service("iris")

    assert "counted once" in desk.monitoring.blind_spot("errors_by_code", ["wine"])
    assert "is not in this telemetry" in desk.monitoring.blind_spot("errors_by_code", ["iris"])
    both = desk.monitoring.blind_spot("errors_by_code", ["wine", "iris"])
    assert "Without that log (iris): codes as the caller saw them" in both


def test_time_in_run_is_known_from_probes_where_telemetry_has_only_the_total(desk: Desk) -> None:
    desk.service("iris")
    desk.probed("iris", 200)

    rows = {row["Source"]: row for row in desk.monitoring.latency_split(SPAN, services=["iris"]).dicts()}

    assert set(rows) == {"container", "probe"}
    assert (rows["container"]["model"], rows["container"]["total"]) == (None, 12.0)
    assert (rows["probe"]["n"], rows["probe"]["model"], rows["probe"]["rest"]) == (1, 6.5, 4.0)


def test_trust_knows_what_arrived_and_what_is_off(desk: Desk) -> None:
    desk.cluster("lit", log=True)
    desk.service("wine", compute="lit")
    desk.service("dark", insights=False)
    came = desk.probed("wine", 200)
    desk.probed("wine", 200, number=1)
    desk.probed("wine", 401)
    desk.probed("dark", 200)
    desk.probes.seen([came], AT + timedelta(seconds=3))

    trust = desk.monitoring.trust(["wine", "dark"])

    assert trust.last_row_at == AT
    assert (trust.coverage.arrived, trust.coverage.missing, trust.lag) == (1, 1, timedelta(seconds=3))
    assert (trust.insights_off, trust.container_insights_on) == (("dark",), ("wine",))
    assert desk.monitoring.insights_off(["wine", "dark"]) == ["dark"]


def test_versions_are_read_from_the_bundles_that_were_kept(desk: Desk) -> None:
    for number, models in enumerate((("wine:1",), ("wine:2",))):
        wanted = Wanted(service="wine", target="ACI", model_ids=models).to_json()
        with desk.house.ledger.writing() as work:
            work.execute(
                sa.insert(ledger.bundles).values(
                    workspace=WORKSPACE,
                    operation=f"op{number}",
                    service="wine",
                    sha256=digest(wanted),
                    content=wanted,
                    created_at=NOW - timedelta(minutes=40 - 20 * number),
                )
            )

    found = desk.monitoring.versions("wine", SPAN)

    assert [(one.label, one.start, one.end) for one in found] == [
        ("wine:1", NOW - timedelta(minutes=40), NOW - timedelta(minutes=20)),
        ("wine:2", NOW - timedelta(minutes=20), None),
    ]


def test_a_request_is_sent_and_its_row_awaited(desk: Desk) -> None:
    received: list[str] = []

    class Answers(BaseHTTPRequestHandler):
        """A scoring address whose telemetry is sent by the test."""

        def do_POST(self) -> None:
            received.append(self.headers["x-ms-client-request-id"])
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def do_GET(self) -> None:
            self.send_error(404)

        def log_message(self, format: str, *args: Any) -> None:
            """Quietly."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        desk.service("wine", address=f"http://127.0.0.1:{server.server_address[1]}/score")
        desk.house.watch.time = datetime.now(UTC)
        awaited = desk.monitoring.await_data(OPERATOR, "wine")
        before = desk.monitoring.look_for(awaited)
        desk.monitor.track(
            [scoring_call(at=awaited.sent_at, service="wine", client_request_id=awaited.client_request_id)]
        )
        desk.house.watch.time += timedelta(seconds=2)
        after = desk.monitoring.look_for(before)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()

    assert received == [awaited.client_request_id]
    assert (before.seen_at, before.is_over(awaited.sent_at)) == (None, False)
    assert before.is_over(awaited.until)
    assert after.seen_at == desk.house.watch.time
    assert after.is_over(awaited.sent_at)


def test_a_persons_query_runs_is_audited_and_remembered(desk: Desk) -> None:
    found = desk.queries.run(OPERATOR, "Requests | summarize n=count() by Service | render piechart", **RANGE)
    with pytest.raises(Invalid, match="Nope"):
        desk.queries.run(OPERATOR, "Requests | where Nope == 1", **RANGE)

    assert {row["Service"] for row in found.table.dicts()} >= {"wine", "iris"}
    assert (found.drawn_as, found.is_cut) == ("piechart", False)
    newest, first = desk.queries.history(OPERATOR)
    assert (newest.rows, "Nope" in str(newest.error)) == (None, True)
    assert (first.rows, first.error) == (len(found.table.rows), None)
    assert desk.queries.history(ADMIN) == []
    entry = desk.audit.page(limit=1)[0]
    assert (entry.action, entry.after) == ("queries.edit", {"text": "Requests | where Nope == 1"})


RANGE: dict[str, Any] = {"start": SPAN.start, "end": SPAN.end}


def test_more_rows_than_are_given_are_said(desk: Desk) -> None:
    found = desk.queries.run(OPERATOR, f"range n from 1 to {2 * MOST_ROWS} step 1", **RANGE)

    assert found.is_cut
    assert len(found.table.rows) == MOST_ROWS


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "There is no query"),
        ("workspace('x').Requests", "not allowed"),
        ("// " + "x" * 20_001, "longer than 20,000"),
    ],
)
def test_what_may_not_run_is_refused_before_it_is_recorded(desk: Desk, text: str, words: str) -> None:
    before = len(desk.audit.page(limit=50))

    with pytest.raises(Invalid, match=words):
        desk.queries.run(OPERATOR, text, **RANGE)

    assert len(desk.audit.page(limit=50)) == before
    assert desk.queries.history(OPERATOR) == []


def test_a_viewer_runs_no_query_of_their_own(desk: Desk) -> None:
    with pytest.raises(Forbidden, match="needs an operator"):
        desk.queries.run(VIEWER, "Requests", **RANGE)

    assert desk.audit.page(limit=1)[0].result == "refused"


def test_a_saved_query_is_everybodys_to_use_and_its_owners_to_delete(desk: Desk) -> None:
    desk.queries.save(OPERATOR, "slow ones", "Requests | where DurationMs > 500")
    kept = desk.queries.save(OPERATOR, " slow ones ", "Requests | where DurationMs > 900")

    assert [(one.name, one.text, one.person_name) for one in desk.queries.own()] == [
        ("slow ones", "Requests | where DurationMs > 900", OPERATOR.name)
    ]
    with pytest.raises(Forbidden, match="only they can delete it"):
        desk.queries.delete(ADMIN, kept)
    desk.queries.delete(OPERATOR, kept)
    assert desk.queries.own() == []
    with pytest.raises(NotFound, match="not there any more"):
        desk.queries.delete(OPERATOR, kept)


def test_the_local_workspace_has_no_portal_and_says_so(desk: Desk) -> None:
    link = desk.queries.portal_link("Requests", **RANGE)

    assert link.address is None
    assert "copy the query" in link.why_not
