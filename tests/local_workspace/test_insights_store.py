"""The database of the local Azure Monitor: what it keeps, what it forgets, and that writing and reading do not wait."""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from local_workspace.insights import envelopes, kql
from local_workspace.insights.rows import Rows, rows
from local_workspace.insights.store import Store
from local_workspace.insights.writer import LARGEST_QUEUE, Overloaded, Writer
from tests.local_workspace.insights_process import IKEY, scoring_call

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(tmp_path / "telemetry" / "telemetry.duckdb")
    yield opened
    opened.close()


def calls(*moments: datetime, service: str = "wine-prod", response: str = "[1.5]") -> Rows:
    items = [scoring_call(at=moment, service=service, response=response) for moment in moments]
    return rows(envelopes.read(json.dumps(items).encode(), instrumentation_keys={IKEY}).envelopes)


def count(store: Store, table: str = "Requests") -> int:
    return int(kql.run(store, f"{table} | count", span=None, seconds=10).rows[0][0])


def test_the_file_is_its_owners_alone(store: Store) -> None:
    assert store.path.stat().st_mode & 0o777 == 0o600
    assert store.path.parent.stat().st_mode & 0o777 == 0o700


def test_what_is_older_than_the_retention_is_forgotten_everywhere(store: Store) -> None:
    store.append(calls(NOW - timedelta(days=40), NOW - timedelta(days=31), NOW - timedelta(days=29), NOW))

    store.retain(now=NOW)

    assert (count(store), count(store, "AppRequests")) == (2, 2)
    assert store.last_row() == NOW


def test_what_does_not_fit_is_forgotten_oldest_first_while_people_read(store: Store) -> None:
    for day in range(8, 0, -1):
        moments = [NOW - timedelta(days=day, seconds=second) for second in range(500)]
        store.append(calls(*moments, response=secrets.token_hex(3000)))
    store.checkpoint()
    before = store.size()
    reader = store.cursor()
    reader.execute('SELECT "Properties" FROM "AppRequests"')
    first = reader.fetchmany(10)

    store.retain(now=NOW, largest_bytes=before // 2)
    assert len(first) + len(reader.fetchall()) == 4000
    reader.close()
    kept_from = store.retain(now=NOW, largest_bytes=before // 2)

    assert store.size() <= before // 2
    assert 0 < count(store) < 4000
    assert count(store) == count(store, "AppRequests")
    oldest = kql.run(store, "Requests | summarize min(TimeGenerated), max(TimeGenerated)", span=None, seconds=10).rows[
        0
    ]
    assert oldest[0].replace(tzinfo=UTC) >= kept_from
    assert oldest[1].replace(tzinfo=UTC) == NOW - timedelta(days=1)
    store.append(calls(NOW))
    assert store.last_row() == NOW


def test_a_large_answer_and_steady_writing_do_not_wait_for_each_other(store: Store) -> None:
    writer = Writer(store)
    store.append(calls(*(NOW - timedelta(seconds=second) for second in range(5000))))
    stop = threading.Event()
    seen: list[int] = []

    def read() -> None:
        while not stop.is_set():
            seen.append(count(store))

    reader = threading.Thread(target=read)
    reader.start()
    for _ in range(20):
        writer.submit(calls(*[NOW] * 50)).result(10)
    stop.set()
    reader.join()
    writer.close()

    assert count(store) == 6000
    assert seen == sorted(seen)
    assert len(seen) > 3


def test_one_unwritable_batch_does_not_cost_the_others(store: Store) -> None:
    writer = Writer(store)
    broken: Rows = {"Requests": [{**calls(NOW)["Requests"][0], "ContainerCode": 2**40}]}

    futures = [writer.submit(calls(NOW)), writer.submit(broken), writer.submit(calls(NOW))]
    failures = [future.exception(10) for future in futures]
    writer.close()

    assert [failure is None for failure in failures] == [True, False, True]
    assert count(store) == 2


def test_more_than_can_be_written_soon_is_refused(store: Store) -> None:
    writer = Writer(store)
    row = calls(NOW)["Requests"][0]

    with pytest.raises(Overloaded):
        writer.submit({"Requests": [row] * (LARGEST_QUEUE + 1)})

    writer.close()
    assert count(store) == 0


def test_what_was_handed_over_is_written_before_closing(store: Store) -> None:
    writer = Writer(store)
    futures = [writer.submit(calls(NOW)) for _ in range(10)]

    writer.close()

    assert all(future.done() for future in futures)
    assert count(store) == 10


@pytest.mark.parametrize("step", [timedelta(minutes=1), timedelta(minutes=7), timedelta(hours=5), timedelta(days=7)])
def test_bins_begin_where_kustos_begin(store: Store, step: timedelta) -> None:
    moments = [NOW + timedelta(minutes=17 * n, seconds=n) for n in range(500)]
    store.append(calls(*moments))
    width = f"{int(step.total_seconds())}s"

    answer = kql.run(store, f"Requests | summarize by bin(TimeGenerated, {width})", span=None, seconds=10)

    expected = {EPOCH + (moment - EPOCH) // step * step for moment in moments}
    assert {row[0].replace(tzinfo=UTC) for row in answer.rows} == expected


def test_several_percentiles_of_two_columns_are_each_their_own(store: Store) -> None:
    store.append(calls(*(NOW + timedelta(seconds=n) for n in range(101))))
    query = (
        "Requests | extend Second = datetime_diff('second', TimeGenerated, datetime(2026-11-21T12:00:00Z)), One = 1 "
        "| extend Twice = Second * 2 | summarize a=percentile(Second, 50), b=percentile(Twice, 95), "
        "c=percentile(Second, 95), d=percentile(Twice, 50), e=percentile(One, 99)"
    )

    assert kql.run(store, query, span=None, seconds=10).rows == [(50, 190, 95, 100, 1)]
