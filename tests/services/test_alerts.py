"""Alerts end to end below the screens: real requests in a real local Azure Monitor, judged as the worker judges them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from services.access import LOCAL_IDENTITIES, SYSTEM
from services.alert_rounds import AlertRounds
from services.alert_rules import Rule
from services.alerts import Alert, Alerts
from services.audit import Audit
from services.azureml.types import Service
from services.azuremonitor.client import LogAnalytics
from services.errors import DeskError, Forbidden, Invalid
from services.live import Live
from services.marker_verdicts import MarkerVerdicts
from services.operations.desk import Operations
from services.operations.kinds import KINDS
from services.operations.leases import Leases
from services.probe_rounds import ProbeRounds
from services.probes import ProbePlan, Probes
from services.probing import Attempt
from services.sealed import Sealed
from services.storage import ledger, mirror
from services.storage.upgrade import open_current
from services.webservices import Webservices
from tests.local_workspace.insights_process import InsightsProcess, scoring_call
from tests.services.conftest import settings_in
from tests.services.test_files import Watch

OPERATOR, VIEWER = LOCAL_IDENTITIES["operator"], LOCAL_IDENTITIES["viewer"]
WORKSPACE = "w"


class Desk:
    """The parts that watch, on databases and a telemetry of their own, with a clock set by hand."""

    def __init__(self, folder: Path, monitor: InsightsProcess) -> None:
        settings = settings_in(folder)
        self.ledger, self.mirror = open_current(settings)
        self.watch = Watch()
        self.watch.time = datetime.now(UTC)
        self.monitor = monitor
        self.is_silent = False
        audit = Audit(self.ledger, workspace=WORKSPACE, key=b"k" * 32, anchor=settings.anchor, clock=self.watch)
        self.audit = audit
        self.operations = Operations(
            self.ledger,
            workspace=WORKSPACE,
            kinds=KINDS,
            audit=audit,
            sealed=Sealed(self.ledger, folder=settings.keys, clock=self.watch),
            leases=Leases(self.ledger, workspace=WORKSPACE, clock=self.watch),
            clock=self.watch,
        )
        webservices = Webservices(self.mirror, self.operations, workspace=WORKSPACE, clock=self.watch)
        self.probes = Probes(self.ledger, self.mirror, self.operations, audit, workspace=WORKSPACE, clock=self.watch)
        self.alerts = Alerts(self.ledger, self.operations, audit, workspace=WORKSPACE, clock=self.watch)
        # A port where nothing listens: telemetry that does not answer.
        self.logs = LogAnalytics(
            lambda: "http://127.0.0.1:9" if self.is_silent else monitor.url,
            lambda: monitor.read_token,
            monitor.workspace_id,
            source="local",
        )
        self.rounds = AlertRounds(
            self.alerts, self.probes, webservices, self.operations, lambda: self.logs, clock=self.watch
        )
        self.arrivals = ProbeRounds(
            self.probes,
            webservices,
            None,
            lambda: self.logs,
            clock=self.watch,  # type: ignore[arg-type]
        )
        self.live = Live(self.watch)
        self.verdicts = MarkerVerdicts(self.live, lambda: self.logs, self.operations, clock=self.watch)

    def close(self) -> None:
        """Give everything back."""
        self.live.close()
        self.arrivals.close()
        self.logs.close()
        self.operations.close()
        self.ledger.close()
        self.mirror.close()

    def there_is(self, name: str, *, stage: str = "prod") -> None:
        """A service in the mirror."""
        service = Service(name=name, compute_type="ACI", state="Healthy", tags={"stage": stage})
        with self.mirror.writing() as work:
            work.execute(
                sa.insert(mirror.services).values(
                    workspace=WORKSPACE,
                    name=name,
                    compute_type="ACI",
                    state="Healthy",
                    state_since=self.watch.now(),
                    application="",
                    stage=stage,
                    broken=None,
                    content=service.to_json(),
                    configuration_sha256="",
                    read_at=self.watch.now(),
                )
            )

    def called(self, name: str, count: int, *, failed: int = 0, milliseconds: int = 20, back: float = 0.0) -> None:
        """Calls within half a minute that ended `back` seconds ago; the first ones failed."""
        end = self.watch.now() - timedelta(seconds=back)
        calls = [
            scoring_call(
                at=end - timedelta(seconds=30 * n / count),
                service=name,
                code=500 if n < failed else 200,
                milliseconds=milliseconds,
            )
            for n in range(count)
        ]
        assert self.monitor.track(calls)["errors"] == []

    def looks(self, *, after: float) -> list[Alert]:
        """What is open once the worker has looked after so many seconds."""
        self.watch.time += timedelta(seconds=after)
        self.rounds.turn()
        return self.alerts.open()

    def changes(self, name: str, *, ended: bool, began: timedelta = timedelta(0)) -> str:
        """A deployment of a service, under way or just over."""
        at = self.watch.now()
        id_ = f"deploy{at.timestamp():.0f}{name}".replace("-", "")
        with self.ledger.writing() as work:
            work.execute(
                sa.insert(ledger.operations).values(
                    id=id_,
                    workspace=WORKSPACE,
                    kind="service.deploy",
                    subject_kind="service",
                    subject=name,
                    title=f"Deploy {name}",
                    arguments={},
                    person_id=OPERATOR.id,
                    person_name=OPERATOR.name,
                    role="operator",
                    requested_at=at - began,
                    started_at=at - began,
                    ended_at=at if ended else None,
                    state="succeeded" if ended else "running",
                    version="1",
                    leg=1,
                )
            )
        return id_


@pytest.fixture(scope="module")
def monitor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InsightsProcess]:
    """An empty local Azure Monitor."""
    process = InsightsProcess(tmp_path_factory.mktemp("monitor"))
    yield process
    process.stop()


@pytest.fixture
def desk(upgraded: Path, tmp_path: Path, monitor: InsightsProcess) -> Iterator[Desk]:
    """Empty databases; one service, named as no other test's."""
    shutil.copytree(upgraded / "data", tmp_path / "data")
    made = Desk(tmp_path, monitor)
    yield made
    made.close()


def test_an_alert_opens_when_it_lasts_and_closes_when_it_is_over(desk: Desk) -> None:
    desk.there_is("opens")
    desk.called("opens", 100, failed=40)

    assert desk.looks(after=0) == []
    alert = desk.looks(after=61)[0]
    assert (alert.service, alert.kind, alert.stage, alert.threshold) == ("opens", "errors", "prod", 0.05)
    assert alert.sentence.startswith("40.0 % of 100 requests failed in 5 min")
    assert desk.looks(after=15) == [alert]

    # A minute and a half later all is well.
    desk.watch.time += timedelta(seconds=90)
    desk.called("opens", 100)
    assert desk.looks(after=1) == [alert]
    assert desk.looks(after=31) == []
    over = desk.alerts.recent("opens")[0]
    assert over.id == alert.id
    assert over.closed_at == desk.watch.now()
    entries = desk.audit.page(service="opens")
    assert [(entry.action, entry.person_id) for entry in entries] == [
        ("alert.close", SYSTEM.id),
        ("alert.open", SYSTEM.id),
    ]


def test_nothing_opens_while_a_service_is_deployed_nor_right_after(desk: Desk) -> None:
    desk.there_is("quiet")
    desk.changes("quiet", ended=True)
    desk.called("quiet", 50, failed=50)

    assert desk.looks(after=0) == []
    assert desk.looks(after=100) == []
    desk.called("quiet", 50, failed=50)
    # Three minutes are over: now it counts, and has to last.
    assert desk.looks(after=85) == []
    assert [alert.service for alert in desk.looks(after=61)] == ["quiet"]


def test_without_telemetry_nothing_opens_or_closes_but_probes_still_count(desk: Desk) -> None:
    desk.there_is("blind")
    desk.called("blind", 50, failed=50)
    desk.looks(after=0)
    assert [alert.kind for alert in desk.looks(after=61)] == ["errors"]
    desk.probes.set_plan(OPERATOR, ProbePlan(service="blind", body="{}", is_on=True))
    for number in range(2):
        attempt = Attempt(
            sent_at=desk.watch.now(), client_request_id=f"desk-probe-{number}", status=503, milliseconds=9.0
        )
        desk.probes.record("blind", attempt, "probe", passed=False, failure="It answered 503 instead of 200.")

    desk.logs.close()
    desk.is_silent = True
    with pytest.raises(DeskError):
        desk.looks(after=600)

    assert sorted(alert.kind for alert in desk.alerts.open()) == ["errors", "probe"]


def test_a_rule_is_changed_by_an_operator_alone_and_its_alert_ends_when_it_is_off(desk: Desk) -> None:
    desk.there_is("ruled", stage="dev")
    desk.called("ruled", 50, failed=8)
    wanted = Rule(kind="errors", stage="dev", threshold=0.02, for_seconds=0)
    with pytest.raises(Forbidden):
        desk.alerts.set_rule(VIEWER, wanted)
    with pytest.raises(Invalid):
        desk.alerts.set_rule(OPERATOR, Rule(kind="errors", stage="dev", threshold=4.0, for_seconds=0))
    desk.alerts.set_rule(OPERATOR, wanted)
    assert wanted in desk.alerts.rules(["dev"])

    assert [alert.threshold for alert in desk.looks(after=0)] == [0.02]
    desk.alerts.set_rule(OPERATOR, Rule(kind="errors", stage="dev", threshold=0.02, for_seconds=0, is_on=False))
    assert desk.looks(after=1) == []


def test_an_alert_of_a_service_that_is_gone_ends(desk: Desk) -> None:
    desk.alerts.begin(
        "gone",
        Rule(kind="probe", stage="prod", threshold=2, for_seconds=0),
        stage="prod",
        value=2.0,
        sentence="2 failed",
    )

    assert desk.looks(after=0) == []


def test_a_probe_that_arrives_in_the_telemetry_is_noted_with_its_lag(desk: Desk) -> None:
    for id_ in ("desk-probe-came", "desk-probe-lost"):
        desk.probes.record(
            "probed", Attempt(sent_at=desk.watch.now(), client_request_id=id_, status=200, milliseconds=9.0), "probe"
        )
    call = scoring_call(at=desk.watch.now(), service="probed", client_request_id="desk-probe-came")
    assert desk.monitor.track([call])["errors"] == []

    desk.watch.time += timedelta(seconds=7)
    assert desk.arrivals.look() == 1
    desk.watch.time += timedelta(minutes=6)
    assert desk.arrivals.look() == 0

    coverage = desk.probes.coverage("probed")
    assert (coverage.arrived, coverage.missing, coverage.share) == (1, 1, 0.5)
    assert coverage.lag == timedelta(seconds=7)
    desk.watch.time += timedelta(days=31)
    desk.probes.clean_up()
    assert desk.probes.recent("probed") == []


def test_a_deployment_that_made_it_slower_gets_the_verdict_worse(desk: Desk) -> None:
    desk.watch.time -= timedelta(minutes=10)
    desk.called("judged", 300, failed=3, milliseconds=40, back=120)
    operation = desk.changes("judged", ended=True, began=timedelta(minutes=1))
    desk.watch.time += timedelta(minutes=6)
    desk.called("judged", 300, failed=3, milliseconds=80)
    desk.watch.time += timedelta(minutes=1)

    found = desk.verdicts.of_id(operation)

    assert (found.verdict.word, found.verdict.latency.word) == ("worse", "worse")
    assert (found.verdict.errors.n_before, found.verdict.errors.n_after) == (300, 300)
    assert (found.verdict.latency.before, found.verdict.latency.after) == (40.0, 80.0)
    assert "after it is shorter than 30 min" in found.note
    assert all("marker" not in query and "Refused" in query for query in found.queries)
