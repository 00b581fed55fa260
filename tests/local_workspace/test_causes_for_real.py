"""What the front end refuses by itself, for real: named right by what callers saw, with no word about it in any log."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import pytest

from services.classifier import Evidence, Seen, Text, classify
from services.monitoring.code_map import SOFT, failure_of
from tests.local_workspace.scoring_workbench import Answer, Workbench

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workbench]:
    """A runtime with one service that is well."""
    made = Workbench(tmp_path_factory.mktemp("causes"))
    assert made.deploy("well").state == "Healthy"
    yield made
    made.close()


def causes(bench: Workbench, answers: Sequence[Answer]) -> list[str]:
    """What the desk makes of answers, with the container's log beside them."""
    log = bench.runtime.logs("well", tail=500, init=False)
    counted = Counter(answer.status for answer in answers)
    seen = [
        Seen(code=code, n=n, source="front end", failure=SOFT if code == 200 else failure_of(code))
        for code, n in counted.items()
    ]
    found = Evidence(
        service="well",
        compute_type="AKS",
        state="Healthy",
        texts=(Text(source="container", text=log, where="The container's log says"),),
        seen=tuple(seen),
    )
    return [cause.id for cause in classify(found)]


def test_a_key_that_does_not_hold(bench: Workbench) -> None:
    assert causes(bench, [bench.call("well", key="wrong") for _ in range(5)]) == ["key-refused"]
    assert causes(bench, [bench.call("well", key="wrong")]) == []


def test_a_call_that_is_too_large(bench: Workbench) -> None:
    large = bench.call("well", headers={"Content-Length": str(101 * 1024 * 1024)}, body=b"")

    assert large.status == 413
    assert causes(bench, [large]) == ["too-large"]


def test_successes_whose_body_is_an_error(bench: Workbench) -> None:
    bench.runtime.set_fault("well", {"kind": "soft-failure"})
    answers = [bench.call("well") for _ in range(5)]
    bench.runtime.set_fault("well", None)

    assert {answer.status for answer in answers} == {200}
    assert all("error" in answer.json() for answer in answers)
    assert causes(bench, answers) == ["says-error"]
