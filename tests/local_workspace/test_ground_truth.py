"""Ground truth: known traffic to real replicas, counted by who sent it, against what the charts' queries count.

Three services get the same calls, with a deployment in the middle: one on a cluster whose Container Insights is on, one
on a cluster where it is off, and one whose Application Insights is off.
"""

from __future__ import annotations

import http.client
import json
import random
import threading
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from services.azuremonitor.client import LogAnalytics
from services.azuremonitor.tables import Table
from tests.local_workspace.scoring_workbench import call
from tests.running_workspace import RunningWorkspace, wait_for

if TYPE_CHECKING:
    from azureml.core import Model, Workspace

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

SCRIPT = """
import json, signal, time

def init():
    pass

def run(raw_data):
    order = json.loads(raw_data)
    time.sleep(order.get("sleep", 0))
    if "deaf" in order:
        signal.signal(signal.SIGALRM, signal.SIG_IGN)
        time.sleep(order["deaf"])
    if "raise" in order:
        raise ValueError(order["raise"])
    if "soft" in order:
        return {"error": order["soft"]}
    return [1]
"""
SCORING_TIMEOUT_MS, QUEUE_WAIT_MS = 1000, 100
SOFT, RAISED, RAN_OUT, KILLED = "soft", "raised", "ran out", "killed"


@dataclass(frozen=True)
class Sent:
    """One call as its sender knows it."""

    request_id: str
    kind: str
    code: int
    run_ms: float | None


@dataclass
class Driver:
    """Sends calls to one service and remembers each of them."""

    service: Any
    sent: list[Sent] = field(default_factory=list)

    def __post_init__(self) -> None:
        url = urlsplit(self.service.scoring_uri)
        self.base, self.path, self.key = f"http://{url.netloc}", url.path, self.service.get_keys()[0]
        self.random = random.Random(7)

    def send(self, order: Any, *, kind: str = "", key: str | None = None) -> int:
        """One call and the code it got."""
        request_id = str(uuid.uuid4())
        headers = {"x-request-id": request_id}
        body = json.dumps(order).encode()
        answer = call(self.base, self.path, body=body, key=key or self.key, headers=headers, timeout=60)
        run = answer.headers.get("x-ms-run-fn-exec-ms")
        self.sent.append(Sent(request_id, kind, answer.status, float(run) if run else None))
        return answer.status

    def send_large(self) -> int:
        """A call that announces a body above the limit."""
        request_id = str(uuid.uuid4())
        connection = http.client.HTTPConnection(urlsplit(self.base).netloc, timeout=60)
        try:
            connection.putrequest("POST", self.path)
            for name, value in {
                "Authorization": f"Bearer {self.key}",
                "Content-Length": str(200 * 1024**2),
                "Expect": "100-continue",
                "x-request-id": request_id,
            }.items():
                connection.putheader(name, value)
            connection.endheaders()
            status = connection.getresponse().status
        finally:
            connection.close()
        self.sent.append(Sent(request_id, "large", status, None))
        return status

    def traffic(self, calls: int) -> None:
        """Successes of 50 to 500 ms, and failures of every kind that leaves the replica alive."""
        for _ in range(calls):
            assert self.send({"sleep": self.random.uniform(0.05, 0.5)}) == 200
        for _ in range(3):
            assert self.send({"soft": "no such column"}, kind=SOFT) == 200
        for number in range(2):
            assert self.send({"raise": f"on purpose {number}"}, kind=RAISED) == 502
        for _ in range(4):
            assert self.send({}, key="wrong") == 401
        assert self.send({"sleep": 3}, kind=RAN_OUT) == 504
        # The replica ends the call a moment after its caller was answered.
        wait_for(lambda: self.send({}) == 200, "the replica to be free", 20)
        slow = threading.Thread(target=self.send, args=({"sleep": 0.9},))
        slow.start()
        wait_for(lambda: self.send({}) == 503, "a call to be refused while another one runs", 20)
        slow.join()
        assert self.send_large() == 413

    def codes(self, *kinds: str) -> Counter[int]:
        """What callers saw, of these kinds or of all."""
        return Counter(each.code for each in self.sent if not kinds or each.kind in kinds)


@pytest.fixture
def logs(local_workspace: RunningWorkspace) -> Iterator[LogAnalytics]:
    known = local_workspace.connection
    client = LogAnalytics(known["logs_url"], lambda: known["read_token"], known["logs_workspace_id"], source="local")
    yield client
    client.close()


@pytest.fixture
def drivers(
    deploy: Callable[..., Any],
    sdk_workspace: Workspace,
    local_workspace: RunningWorkspace,
    register: Callable[..., Model],
    unique: Callable[[str], str],
    tmp_path: Path,
) -> Iterator[tuple[Driver, Driver, Driver]]:
    """The service whose front end is logged, the one whose is not, and the one without telemetry; after the traffic."""
    from azureml.core.compute import AksCompute
    from azureml.core.webservice import AksWebservice

    source = tmp_path / "truth"
    source.mkdir()
    (source / "score.py").write_text(SCRIPT)
    model = register(unique("model"))
    clusters = [unique("logged"), unique("plain")]
    for cluster in clusters:
        body = {"properties": {"computeType": "AKS"}}
        local_workspace.call("PUT", f"{local_workspace.resource_id}/computes/{cluster}", json=body).raise_for_status()
    local_workspace.admin("PUT", f"/admin/computes/{clusters[0]}/container-insights", {"on": True})

    def put(name: str, cluster: str, *, insights: bool = True, **more: Any) -> Any:
        configuration = AksWebservice.deploy_configuration(
            autoscale_enabled=False,
            num_replicas=1,
            cpu_cores=0.1,
            memory_gb=0.5,
            enable_app_insights=insights,
            scoring_timeout_ms=SCORING_TIMEOUT_MS,
            max_request_wait_time=QUEUE_WAIT_MS,
            period_seconds=3,
            failure_threshold=2,
            timeout_seconds=2,
        )
        return deploy(name, [model], configuration, target=AksCompute(sdk_workspace, cluster), source=source, **more)

    names = [unique("truth-logged"), unique("truth-plain"), unique("truth-dark")]
    services = [
        put(names[0], clusters[0]),
        put(names[1], clusters[1]),
        put(names[2], clusters[1], insights=False),
    ]
    made = Driver(services[0]), Driver(services[1]), Driver(services[2])
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda driver: driver.traffic(12), made[:2]))
    assert made[2].send({}) == 200
    for name, cluster in zip(names[:2], clusters, strict=True):
        put(name, cluster, overwrite=True)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda driver: driver.traffic(6), made[:2]))
    yield made
    for service in services:
        service.delete()


def test_charts_count_what_was_sent(
    drivers: tuple[Driver, Driver, Driver], logs: LogAnalytics, local_workspace: RunningWorkspace
) -> None:
    logged, plain, dark = drivers
    start, end = datetime.now(UTC) - timedelta(minutes=30), datetime.now(UTC) + timedelta(minutes=30)
    both = {driver.service.name for driver in (logged, plain)}

    def ask(name: str, driver: Driver) -> Table:
        return logs.ask(name, services=[driver.service.name], start=start, end=end, step=timedelta(hours=2))

    def requests(driver: Driver) -> list[dict[str, Any]]:
        text = f"Requests | where Service == '{driver.service.name}' | project RequestId, ContainerCode, DurationMs, IsSoftFailure"
        return logs.query(text).dicts()

    def in_container(driver: Driver) -> list[Sent]:
        return [each for each in driver.sent if each.code in (200, 502, 504) and each.kind != KILLED]

    def has_arrived() -> bool:
        """Requests are sent within half a second, exceptions within five, lines of the front end within one."""
        text = f"AppExceptions | where AppRoleName in ('{logged.service.name}', '{plain.service.name}') | count"
        wanted = sum(each.kind in (RAISED, RAN_OUT) for driver in (logged, plain) for each in driver.sent)
        return (
            all(len(requests(driver)) >= len(in_container(driver)) for driver in (logged, plain))
            and logs.query(text).rows[0][0] >= wanted
        )

    wait_for(has_arrived, "all telemetry to arrive", 60)
    # Last, since a replica that is killed takes along what it has not sent: calls that do not end.
    for driver in (logged, plain):
        assert driver.send({"deaf": 600}, kind=KILLED) == 504
        wait_for(lambda driver=driver: driver.send({}) == 200, "the replica to be back", 60)  # type: ignore[misc]
    wait_for(has_arrived, "the telemetry of the new replica to arrive", 60)

    for driver in (logged, plain):
        rows = requests(driver)
        truth = Counter(500 if each.code in (502, 504) else 200 for each in in_container(driver))
        assert Counter(row["ContainerCode"] for row in rows) == truth, driver.service.name
        soft = {each.request_id for each in driver.sent if each.kind == SOFT}
        assert {row["RequestId"] for row in rows if row["IsSoftFailure"]} == soft

    def errors(driver: Driver) -> Counter[int]:
        counted: Counter[int] = Counter()
        for row in ask("errors_by_code", driver).dicts():
            counted[row["Code"]] += row["n"]
        return counted

    def expected(driver: Driver, *codes: int) -> Counter[int]:
        return Counter(
            each.code for each in driver.sent if each.code in codes or (each.code == 200 and each.kind == SOFT)
        )

    def all_logged() -> bool:
        return errors(logged) == expected(logged, 401, 413, 502, 503, 504)

    # With the front end's log every code of every call, those of both sources once.
    wait_for(all_logged, f"{expected(logged, 401, 413, 502, 503, 504)} instead of {errors(logged)}", 30)
    # Without it what the containers know: no call that was refused, none whose replica was killed.
    assert errors(plain) == expected(plain, 502, 504) - Counter({504: 1})
    assert {row["Source"] for row in ask("errors_by_code", plain).dicts()} == {"container"}
    assert not {401, 413, 503} & set(errors(plain))

    # No telemetry is not zero: there is no row at all.
    for name in ("request_rate", "errors_by_code", "latency"):
        assert ask(name, dark).rows == ()
    assert both == {row["Service"] for driver in drivers for row in ask("request_rate", driver).dicts()}

    for driver in (logged, plain):
        assert_latencies_are_true(driver, requests(driver))
    measured = {each.request_id: each.run_ms for each in logged.sent if each.run_ms is not None}
    text = (
        f"ContainerLogV2 | where tostring(LogMessage.service) == '{logged.service.name}'"
        " | project id = tostring(LogMessage.request_id), run = todouble(LogMessage.run_ms),"
        " whole = todouble(LogMessage.duration_ms) | where isnotnull(run)"
    )
    lines = logs.query(text).dicts()
    assert {line["id"]: line["run"] for line in lines} == measured
    assert all(line["run"] <= line["whole"] for line in lines)


def assert_latencies_are_true(driver: Driver, rows: list[dict[str, Any]]) -> None:
    """The containers' durations against the header each sender received: 2 ms or 2 %.

    A duration is never below the time of run(), but for its rounding to whole milliseconds. What it is above is the
    server's own work and, on a machine with other things to do, its wait for a processor: so the quarter of the calls
    that waited least is held to it.
    """
    told = {row["RequestId"]: row["DurationMs"] for row in rows}
    pairs = [(each.run_ms, told[each.request_id]) for each in driver.sent if each.run_ms and each.run_ms >= 40]
    assert len(pairs) >= 15
    assert all(shown > ran - 1 for ran, shown in pairs)
    excess = sorted((shown - ran) / max(2.0, 0.02 * ran) for ran, shown in pairs)
    assert excess[len(excess) // 4] <= 1, driver.service.name
