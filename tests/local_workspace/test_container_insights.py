"""What the front end logs of a cluster whose Container Insights is on: every call with its reason, and the replicas."""

from __future__ import annotations

import contextlib
import http.client
import json
import threading
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from tests.local_workspace.scoring_workbench import OBEDIENT, call
from tests.running_workspace import RunningWorkspace, wait_for

if TYPE_CHECKING:
    from pathlib import Path

    from azureml.core import Model, Workspace

pytestmark = pytest.mark.slow


@pytest.fixture
def cluster(local_workspace: RunningWorkspace, unique: Callable[[str], str]) -> str:
    """A cluster of the tests' own, its Container Insights on."""
    name = unique("logged")
    body = {"properties": {"computeType": "AKS"}}
    local_workspace.call("PUT", f"{local_workspace.resource_id}/computes/{name}", json=body).raise_for_status()
    local_workspace.admin("PUT", f"/admin/computes/{name}/container-insights", {"on": True})
    return name


@pytest.fixture
def service(
    cluster: str,
    deploy: Callable[..., Any],
    sdk_workspace: Workspace,
    register: Callable[..., Model],
    unique: Callable[[str], str],
    tmp_path: Path,
) -> Iterator[Any]:
    """One replica that does what it is told, 1 s for a call, 0.3 s in the queue."""
    from azureml.core.compute import AksCompute
    from azureml.core.webservice import AksWebservice

    source = tmp_path / "obedient"
    source.mkdir()
    (source / "score.py").write_text(OBEDIENT)
    configuration = AksWebservice.deploy_configuration(
        autoscale_enabled=False, num_replicas=1, cpu_cores=0.1, memory_gb=0.5, scoring_timeout_ms=1000,
        max_request_wait_time=300,
    )  # fmt: skip
    made = deploy(
        unique("logs"),
        [register(unique("model"))],
        configuration,
        target=AksCompute(sdk_workspace, cluster),
        source=source,
    )
    yield made
    made.delete()


def lines(workspace: RunningWorkspace, name: str, kind: str) -> list[dict[str, Any]]:
    """What is in ContainerLogV2 about a service, by the query that anyone may ask."""
    known = workspace.connection
    text = (
        f"ContainerLogV2 | where ContainerName == 'azureml-fe' and LogMessage.service == '{name}'"
        f" | where LogMessage['kind'] == '{kind}'"
        " | project TimeGenerated, LogLevel, PodName, status = toint(LogMessage.status),"
        " reason = tostring(LogMessage.reason), request = tostring(LogMessage.request_id),"
        " client = tostring(LogMessage.client_request_id), ms = todouble(LogMessage.duration_ms),"
        " run = todouble(LogMessage.run_ms), replica = tostring(LogMessage.replica),"
        " replicas = toint(LogMessage.replicas), desired = toint(LogMessage.desired), most = toint(LogMessage.max_replicas)"
        " | order by TimeGenerated asc"
    )
    connection = http.client.HTTPConnection(urlsplit(known["logs_url"]).netloc, timeout=30)
    try:
        headers = {"Authorization": f"Bearer {known['read_token']}", "Content-Type": "application/json"}
        path = f"/v1/workspaces/{known['logs_workspace_id']}/query"
        connection.request("POST", path, body=json.dumps({"query": text}), headers=headers)
        answer = json.loads(connection.getresponse().read())
    finally:
        connection.close()
    table = answer["tables"][0]
    names = [column["name"] for column in table["columns"]]
    return [dict(zip(names, row, strict=True)) for row in table["rows"]]


def test_every_call_is_in_the_log_with_its_reason(service: Any, local_workspace: RunningWorkspace) -> None:
    url = urlsplit(service.scoring_uri)
    base, path = f"http://{url.netloc}", url.path
    key = service.get_keys()[0]

    answered: Counter[int] = Counter()

    def score(order: str, **more: Any) -> Any:
        answer = call(base, path, body=order.encode(), **{"key": key, **more})
        answered[answer.status] += 1
        return answer

    measured = score('{"sleep": 0.05}', headers={"x-request-id": "measured", "x-ms-client-request-id": "app_p_1"})
    assert measured.status == 200
    assert score("{}", key="wrong").status == 401
    assert score('{"raise": "on purpose"}').status == 502
    slow = threading.Thread(target=score, args=('{"sleep": 0.9}',))
    slow.start()
    assert wait_for(lambda: score("{}").status == 503, "a call to be refused while another one runs", 10)
    slow.join()
    assert score('{"sleep": 1.5}').status == 504
    assert wait_for(lambda: score('{"crash": 3}').status == 502, "the replica to be free again and die", 20)
    wait_for(lambda: score("{}").status == 200, "the replica to be back", 30)
    leaving = http.client.HTTPConnection(url.netloc, timeout=0.2)
    with contextlib.suppress(TimeoutError):
        leaving.request("POST", path, body='{"sleep": 0.6}', headers={"Authorization": f"Bearer {key}"})
        leaving.getresponse()
    leaving.close()

    def reasons() -> Counter[tuple[int, str]]:
        return Counter((line["status"], line["reason"]) for line in lines(local_workspace, service.name, "access"))

    wait_for(lambda: (499, "caller left") in reasons(), "the last line to arrive", 20)
    found = reasons()
    logged: Counter[int] = Counter()
    for (status, _), number in found.items():
        logged[status] += number
    # Where the machine is slow, a call that waits for the one before it may be out of time as well.
    assert logged == answered + Counter({499: 1})
    assert {
        (401, "bad key"): 1,
        (502, "run() failed"): 1,
        (502, "replica died"): 1,
        (499, "caller left"): 1,
    }.items() <= found.items()
    assert found[504, "scoring timeout"] >= 1
    assert found[503, "queue wait exceeded"] >= 1
    assert all(reason == "" for code, reason in found if code == 200)
    (line,) = [line for line in lines(local_workspace, service.name, "access") if line["request"] == "measured"]
    assert (line["client"], line["PodName"], line["LogLevel"]) == ("app_p_1", "azureml-fe-0", "INFO")
    assert line["run"] == float(measured.headers["x-ms-run-fn-exec-ms"])
    assert line["run"] <= line["ms"] <= measured.seconds * 1000
    assert line["replica"].startswith(service.name)


def test_the_replicas_of_a_service_are_told_every_few_seconds_while_the_switch_is_on(
    service: Any, cluster: str, local_workspace: RunningWorkspace
) -> None:
    switch = f"/admin/computes/{cluster}/container-insights"

    def told() -> list[tuple[int, int, int]]:
        found = lines(local_workspace, service.name, "scale")
        return [(line["replicas"], line["desired"], line["most"]) for line in found]

    # The first lines may be from before it answered.
    wait_for(lambda: (1, 1, 1) in told(), "a line about the replica", 40)
    local_workspace.admin("PUT", switch, {"on": False})
    url = urlsplit(service.scoring_uri)

    def stays_out() -> bool:
        """Whether a call of now is not in the log three seconds later."""
        request_id = str(uuid.uuid4())
        headers = {"x-request-id": request_id}
        assert call(f"http://{url.netloc}", url.path, body=b"{}", key="x", headers=headers).status == 401

        def logged() -> bool:
            return any(line["request"] == request_id for line in lines(local_workspace, service.name, "access"))

        with contextlib.suppress(AssertionError):
            return not wait_for(logged, "the call", 3)
        return True

    wait_for(stays_out, "calls to stay out of the log", 20)


def test_a_service_that_wants_more_replicas_than_there_is_room_for_says_so(
    local_workspace: RunningWorkspace,
    deploy: Callable[..., Any],
    sdk_workspace: Workspace,
    register: Callable[..., Model],
    unique: Callable[[str], str],
    tmp_path: Path,
) -> None:
    from azureml.core.compute import AksCompute
    from azureml.core.webservice import AksWebservice

    cluster = unique("narrow")
    inner = {"agentCount": 1, "clusterPurpose": "DevTest", "agentVmSize": "Standard_D2_v2"}
    body = {"properties": {"computeType": "AKS", "properties": inner}}
    local_workspace.call("PUT", f"{local_workspace.resource_id}/computes/{cluster}", json=body).raise_for_status()
    local_workspace.admin("PUT", f"/admin/computes/{cluster}/container-insights", {"on": True})
    source = tmp_path / "obedient"
    source.mkdir()
    (source / "score.py").write_text(OBEDIENT)
    configuration = AksWebservice.deploy_configuration(
        autoscale_enabled=True, autoscale_min_replicas=1, autoscale_max_replicas=5, cpu_cores=1.5, memory_gb=0.5,
        max_request_wait_time=2000,
    )  # fmt: skip
    name = unique("cramped")
    made = deploy(name, [register(name)], configuration, target=AksCompute(sdk_workspace, cluster), source=source)
    url, key = urlsplit(made.scoring_uri), made.get_keys()[0]

    def score(_: int) -> int:
        return call(f"http://{url.netloc}", url.path, body=b'{"sleep": 0.3}', key=key).status

    def said() -> dict[str, Any] | None:
        with ThreadPoolExecutor(6) as pool:
            list(pool.map(score, range(12)))
        # One more than there is room for waits, whatever the limit; the line before may be from when all were asked for.
        found = [line for line in lines(local_workspace, name, "scale") if line["reason"] and line["desired"] == 2]
        return found[-1] if found else None

    told = wait_for(said, "a line that says what one replica waits for", 90)
    assert (told["replicas"], told["most"], told["LogLevel"]) == (1, 5, "WARNING")
    assert told["reason"].startswith("0/1 nodes are available: 1 Insufficient cpu. Replicas hold 1.5 of 2 cores")
    document = local_workspace.mms("GET", f"/services/{name}").json()
    assert document["state"] == "Healthy"
    assert "Couldn't Schedule" in document["deploymentStatus"]["error"]["message"]
    made.delete()
