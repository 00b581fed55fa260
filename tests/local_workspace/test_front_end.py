"""What a caller gets from the front end, against a real replica."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.local_workspace.scoring_workbench import PRIMARY, SECONDARY, Answer, Workbench, call, eventually, token

pytestmark = pytest.mark.slow
SCORE = "/api/v1/service/one/score"


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workbench]:
    """One service with one replica, a queue of 500 ms and a scoring timeout of 1 s; slow callers get 2 s."""
    bench = Workbench(tmp_path_factory.mktemp("front-end"), slow_client_seconds=2.0)
    try:
        heard = bench.deploy("one", access={"scoring_timeout_ms": 1000})
        assert heard.end == ("Succeeded", None), heard.lines
        yield bench
    finally:
        bench.close()
    # An exception in one of the front end's callbacks would stand here.
    assert (bench.folder / "data" / "scoring" / "front_end.log").read_text() == ""


@pytest.fixture(autouse=True)
def _idle(bench: Workbench) -> Iterator[None]:
    """Each test ends with a replica that answers."""
    yield
    eventually(lambda: bench.call("one").status == 200)


def raw(bench: Workbench) -> socket.socket:
    address = urlsplit(bench.runtime.front_end_url)
    return socket.create_connection((str(address.hostname), int(address.port or 0)), timeout=15)


def read_all(connection: socket.socket) -> bytes:
    chunks = []
    while chunk := connection.recv(65536):
        chunks.append(chunk)
    return b"".join(chunks)


def start(bench: Workbench, order: Any) -> tuple[threading.Thread, list[Answer]]:
    answers: list[Answer] = []
    thread = threading.Thread(target=lambda: answers.append(bench.call("one", order)))
    thread.start()
    eventually(lambda: (bench.runtime.counters("one") or {})["in_flight"] == 1)
    return thread, answers


def test_either_key_opens_and_nothing_else_does(bench: Workbench) -> None:
    assert bench.call("one").status == 200
    assert bench.call("one", key=SECONDARY).status == 200
    for wrong in (None, "", "wrong", PRIMARY + "x", PRIMARY[:-1], token("one")):
        assert bench.call("one", key=wrong).status == 401


def test_every_answer_carries_the_ids(bench: Workbench) -> None:
    sent = {"x-ms-client-request-id": "app_p_1"}

    answers = [bench.call("one", headers=sent), bench.call("one", headers=sent, key="wrong")]
    answers.append(call(bench.runtime.front_end_url, "/api/v1/service/none/score", headers=sent))

    assert [each.status for each in answers] == [200, 401, 404]
    for answer in answers:
        assert answer.headers["x-ms-client-request-id"] == "app_p_1"
        assert answer.headers["x-request-id"] == answer.headers["x-ms-request-id"]
    assert answers[0].headers["x-ms-run-function-failed"] == "False"
    assert float(answers[0].headers["x-ms-run-fn-exec-ms"]) >= 0


def test_a_callers_own_request_id_is_kept_and_one_too_long_is_refused(bench: Workbench) -> None:
    assert bench.call("one", headers={"x-request-id": "mine"}).headers["x-request-id"] == "mine"
    assert bench.call("one", headers={"x-request-id": "i" * 101}).status == 431
    assert bench.call("one", headers={"x-ms-client-request-id": "i" * 101}).status == 431


def test_a_busy_replica_means_503_once_the_queue_wait_is_over(bench: Workbench) -> None:
    thread, answers = start(bench, {"sleep": 0.9})

    refused = bench.call("one")

    thread.join()
    assert refused.status == 503
    assert 0.45 < refused.seconds < 0.85
    assert answers[0].status == 200


def test_who_waits_shorter_than_the_queue_allows_is_served_first_come_first_served(bench: Workbench) -> None:
    thread, _ = start(bench, {"sleep": 0.3})

    with ThreadPoolExecutor(4) as pool:
        waiting = list(pool.map(lambda _: bench.call("one").status, range(4)))

    thread.join()
    assert waiting == [200, 200, 200, 200]


def test_a_slow_script_means_504_while_its_replica_stays_taken(bench: Workbench) -> None:
    started = time.monotonic()
    slow = bench.call("one", {"sleep": 30})

    assert slow.status == 504
    assert 0.95 < slow.seconds < 1.6
    # The replica's own timeout ends the script 100 ms later, and only then is there room again.
    assert bench.call("one").status == 200
    assert time.monotonic() - started > 1.1


def test_a_script_that_ignores_its_timeout_is_killed_and_the_replica_comes_back(bench: Workbench) -> None:
    before = bench.call("one").json()["pid"]

    assert bench.call("one", {"deaf": 60}).status == 504
    assert bench.call("one").status == 503

    after = eventually(lambda: (answer := bench.call("one")).status == 200 and answer.json()["pid"], within=30)
    assert after != before


def test_an_exception_in_run_means_502_and_says_whose_fault_it_was(bench: Workbench) -> None:
    failed = bench.call("one", {"raise": "a wrong row"})

    assert failed.status == 502
    assert failed.headers["x-ms-run-function-failed"] == "True"
    assert "ValueError: a wrong row" in bench.runtime.logs("one", tail=200, init=False)


def test_a_script_that_exits_means_502_and_the_worker_lives_on(bench: Workbench) -> None:
    before = bench.call("one").json()["pid"]

    failed = bench.call("one", {"exit": 4})

    assert failed.status == 502
    assert "x-ms-run-function-failed" not in failed.headers
    assert bench.call("one").json()["pid"] == before


def test_a_worker_that_dies_means_502_without_the_header_and_another_one_comes(bench: Workbench) -> None:
    before = bench.call("one").json()["pid"]

    lost = bench.call("one", {"crash": 1})

    assert lost.status == 502
    assert "x-ms-run-function-failed" not in lost.headers
    after = eventually(lambda: (answer := bench.call("one")).status == 200 and answer.json()["pid"], within=30)
    assert after != before


def test_a_caller_who_leaves_the_queue_is_not_served(bench: Workbench, tmp_path: Any) -> None:
    witness = tmp_path / "witness"
    body = json.dumps({"touch": str(witness)}).encode()
    thread, _ = start(bench, {"sleep": 0.4})
    with raw(bench) as leaving:
        head = (
            f"POST {SCORE} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {PRIMARY}\r\nContent-Type: application/json\r\n"
        )
        leaving.sendall(head.encode() + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        eventually(lambda: (bench.runtime.counters("one") or {})["waiting"] == 1)

    thread.join()
    assert bench.call("one").status == 200
    assert not witness.exists()
    assert (bench.runtime.counters("one") or {})["codes"]["499"] >= 1


def test_ten_megabytes_go_in_and_out(bench: Workbench) -> None:
    assert bench.call("one", body=json.dumps({"pad": "y" * 10_000_000}).encode()).json()["length"] > 10_000_000
    assert len(bench.call("one", {"size": 10_000_000}).json()) == 10_000_000


def test_a_body_past_the_limit_means_413_before_it_is_sent(bench: Workbench) -> None:
    with raw(bench) as connection:
        head = (
            f"POST {SCORE} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {PRIMARY}\r\nContent-Length: 104857601\r\n\r\n"
        )
        connection.sendall(head.encode() + b"begin")
        answer = read_all(connection)
    assert answer.startswith(b"HTTP/1.1 413 ")


def test_a_chunked_body_and_expect_continue_are_understood(bench: Workbench) -> None:
    head = f"POST {SCORE} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {PRIMARY}\r\nContent-Type: application/json\r\n"
    with raw(bench) as connection:
        connection.sendall(head.encode() + b"Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 100 ")
        connection.sendall(b'5\r\n{"a":\r\n3\r\n 1}\r\n0\r\n\r\n')
        assert b'"length": 8' in connection.recv(65536)


def test_content_length_beside_chunked_is_refused(bench: Workbench) -> None:
    with raw(bench) as connection:
        head = f"POST {SCORE} HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"
        connection.sendall(head.encode() + b"0\r\n\r\n")
        assert read_all(connection).startswith(b"HTTP/1.1 400 ")


def test_two_requests_sent_at_once_on_one_connection_are_answered_in_order(bench: Workbench) -> None:
    def request(name: str) -> bytes:
        return (
            f"POST {SCORE} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {PRIMARY}\r\nContent-Type: application/json\r\n"
            f"x-request-id: {name}\r\nContent-Length: 2\r\n\r\n{{}}"
        ).encode()

    with raw(bench) as connection:
        connection.sendall(request("first") + request("second"))
        received = b""
        while received.count(b"HTTP/1.1 200") < 2:
            chunk = connection.recv(65536)
            assert chunk
            received += chunk
    assert 0 < received.index(b"x-request-id: first") < received.index(b"x-request-id: second")


def test_nonsense_after_a_request_ends_the_connection_and_nothing_else(bench: Workbench) -> None:
    with raw(bench) as connection:
        connection.sendall(b"nonsense\r\n\r\n")
        assert read_all(connection).startswith(b"HTTP/1.1 400 ")
    with raw(bench) as connection:
        head = (
            f"POST {SCORE} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {PRIMARY}\r\nContent-Type: application/json\r\n"
        )
        connection.sendall(head.encode() + b'Content-Length: 14\r\n\r\n{"sleep": 0.3}nonsense\r\n\r\n')
        assert b" 400 " not in read_all(connection)


def test_half_sent_bodies_take_no_replica_and_end_with_408(bench: Workbench) -> None:
    halves = [raw(bench) for _ in range(50)]
    try:
        for connection in halves:
            head = f"POST {SCORE} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {PRIMARY}\r\nContent-Length: 9\r\n\r\n"
            connection.sendall(head.encode() + b"half")
        assert bench.call("one").seconds < 0.5
        assert all(read_all(connection).startswith(b"HTTP/1.1 408 ") for connection in halves)
    finally:
        for connection in halves:
            connection.close()


def test_other_methods_go_through_and_a_preflight_needs_no_key(bench: Workbench) -> None:
    assert bench.call("one", method="HEAD").status == 405
    assert bench.call("one", method="OPTIONS", key=None).status == 200
    assert bench.call("one", method="DELETE").status == 405


def test_the_swagger_document_is_there_for_those_with_a_key(bench: Workbench) -> None:
    path = "/api/v1/service/one/swagger.json"

    document = call(bench.runtime.front_end_url, f"{path}?version=3", method="GET")

    assert document.status == 200
    assert document.json()["info"]["title"] == "one"
    assert call(bench.runtime.front_end_url, path, method="GET", key=None).status == 401


def test_liveness_answers_anyone(bench: Workbench) -> None:
    for path in ("/", "/api/v1/service/one/"):
        alive = call(bench.runtime.front_end_url, path, method="GET", key=None)
        assert (alive.status, alive.body) == (200, b"Healthy")


def test_headers_past_the_limit_mean_431(bench: Workbench) -> None:
    assert bench.call("one", headers={f"x-{number}": "v" * 8000 for number in range(9)}).status == 431


def test_access_changes_take_effect_without_a_restart(bench: Workbench) -> None:
    from tests.local_workspace.scoring_workbench import access_of

    pid = bench.call("one").json()["pid"]
    bench.runtime.set_access("one", access_of(primary_key="fresh", scoring_timeout_ms=300))
    eventually(lambda: bench.call("one").status == 401)
    assert bench.call("one", key="fresh").json()["pid"] == pid
    assert bench.call("one", {"sleep": 5}, key="fresh").seconds < 0.8

    bench.runtime.set_access("one", access_of(auth_enabled=False, aad_auth_enabled=True))
    good = token("one")
    eventually(lambda: bench.call("one", key=good).status == 200)
    tampered = good[:-1] + ("A" if good[-1] != "A" else "B")
    for wrong in (PRIMARY, token("two"), token("one", ends_in=-1), token("one", secret="other"), tampered):
        assert bench.call("one", key=wrong).status == 401
    assert bench.call("one", key=token("one", algorithm="none")).status == 401

    bench.runtime.set_access("one", access_of(auth_enabled=False))
    eventually(lambda: bench.call("one", key=None).status == 200)

    bench.runtime.set_access("one", access_of(scoring_timeout_ms=1000))
    eventually(lambda: bench.call("one", key=None).status == 401)


def test_the_access_log_and_the_counters_know_every_call(bench: Workbench) -> None:
    bench.call("one", headers={"x-request-id": "known", "x-ms-client-request-id": "desk-probe-1"})

    (line,) = [line for line in bench.runtime.access_log("one", most=20_000) if line["request_id"] == "known"]

    assert (line["code"], line["client_request_id"], line["path"]) == (200, "desk-probe-1", "/score")
    assert line["milliseconds"] >= line["run_milliseconds"] >= 0
    assert bench.runtime.access_log("one", after=line["number"], most=20_000) == []
    counters = bench.runtime.counters("one") or {}
    assert counters["slots"] == 1
    assert counters["busy_seconds"] > 0


@pytest.mark.parametrize(
    ("target", "headers"),
    [
        (SCORE, "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQBAAAAAAIAAAAA\r\n"),
        (SCORE, "Connection: Upgrade\r\nUpgrade: websocket\r\n"),
        (f"http://127.0.0.1{SCORE}", ""),
    ],
)
def test_clients_that_hope_for_more_are_answered_as_always(bench: Workbench, target: str, headers: str) -> None:
    request = f"POST {target} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {PRIMARY}\r\nContent-Length: 2\r\n{headers}\r\n{{}}"
    last = "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    with raw(bench) as connection:
        connection.sendall((request * 2 + last).encode())
        answers = read_all(connection)

    assert answers.count(b"HTTP/1.1 200 OK") == 3, answers
