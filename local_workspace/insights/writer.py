"""Many small posts become few commits: what arrives within 50 ms is one Arrow insert per table.

The exporter is told "accepted" after the commit, so an acknowledged row survives `kill -9`.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from concurrent.futures import Future
from dataclasses import dataclass, field

from .rows import Rows
from .store import Store

log = logging.getLogger(__name__)

COALESCE_SECONDS = 0.05
ENOUGH_FOR_A_COMMIT = 2_000
"""Rows after which a commit no longer waits for more: it costs little more than a small one."""
LARGEST_QUEUE = 200_000
"""Rows that may wait; more are refused, and exporters send them again later."""


class Overloaded(RuntimeError):
    """More rows wait than the writer will catch up with soon."""


@dataclass
class _Submission:
    rows: Rows
    count: int
    done: Future[None] = field(default_factory=Future)


class Writer:
    """The one thread that writes."""

    def __init__(self, store: Store) -> None:
        """Start writing."""
        self._store = store
        self._queue: queue.Queue[_Submission | None] = queue.Queue()
        self._lock = threading.Lock()
        self._waiting = 0
        self.written = 0
        self._thread = threading.Thread(target=self._run, name="telemetry-writer", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Rows accepted and not yet committed."""
        return self._waiting

    def submit(self, rows: Rows) -> Future[None]:
        """Hand over rows; the future is done when they are committed."""
        count = sum(len(batch) for batch in rows.values())
        submission = _Submission(rows, count)
        if not count:
            submission.done.set_result(None)
            return submission.done
        with self._lock:
            if self._waiting + count > LARGEST_QUEUE:
                raise Overloaded(f"{self._waiting} rows wait to be written.")
            self._waiting += count
        self._queue.put(submission)
        return submission.done

    def close(self) -> None:
        """Write what waits, then stop."""
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        last = False
        while not last:
            first = self._queue.get()
            if first is None:
                return
            submissions, last = self._gather(first)
            self._commit(submissions)
            done = sum(submission.count for submission in submissions)
            with self._lock:
                self._waiting -= done

    def _gather(self, first: _Submission) -> tuple[list[_Submission], bool]:
        """What arrives with `first`; true when the writer was asked to stop."""
        submissions, rows = [first], first.count
        deadline = time.monotonic() + COALESCE_SECONDS
        while rows < ENOUGH_FOR_A_COMMIT and (left := deadline - time.monotonic()) > 0:
            try:
                submission = self._queue.get(timeout=left)
            except queue.Empty:
                break
            if submission is None:
                return submissions, True
            submissions.append(submission)
            rows += submission.count
        return submissions, False

    def _commit(self, submissions: list[_Submission]) -> None:
        merged: Rows = {}
        for submission in submissions:
            for table, batch in submission.rows.items():
                merged.setdefault(table, []).extend(batch)
        try:
            self._store.append(merged)
        except Exception as error:
            if len(submissions) == 1:
                log.exception("A batch of %d rows could not be written", submissions[0].count)
                submissions[0].done.set_exception(error)
                return
            # One of them is at fault: the others must not pay for it.
            for submission in submissions:
                self._commit([submission])
            return
        for submission in submissions:
            self.written += submission.count
            submission.done.set_result(None)
