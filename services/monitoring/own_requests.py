"""Our probes and test requests as rows of the charts: they see what a caller sees, refusals of the front end included.

Where a chart has them, its query leaves our requests out: each is counted once, from our own record.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from services.monitoring.code_map import NO_ANSWER, SOFT, failure_of
from services.monitoring.span import Span
from services.probes import ProbeResult

Row = tuple[Any, ...]


def failures(results: Iterable[ProbeResult], span: Span) -> list[Row]:
    """Rows of `errors_by_code`: those that came back with an error, or with another answer than was expected."""
    counted: Counter[tuple[datetime, str, int, str, str]] = Counter()
    for result in results:
        if not is_failure(result):
            continue
        code = result.status or NO_ANSWER
        word = failure_of(result.status) if code == NO_ANSWER or code >= 400 else SOFT
        counted[(span.bin(result.at), result.service, code, word, result.purpose)] += 1
    return [(*key, n) for key, n in sorted(counted.items())]


def is_failure(result: ProbeResult) -> bool:
    """Whether it did not come back as it should."""
    return result.status is None or result.status >= 400 or result.passed is False


def split(results: Iterable[ProbeResult], span: Span) -> list[Row]:
    """Rows of `latency_split`: what `run()` took by the header of the answer, and the rest until it was here."""
    groups: dict[tuple[datetime, str, str], list[tuple[float, float]]] = defaultdict(list)
    for result in results:
        if result.model_milliseconds is not None:
            pair = (result.model_milliseconds, result.milliseconds)
            groups[(span.bin(result.at), result.service, result.purpose)].append(pair)
    rows = []
    for key, pairs in sorted(groups.items()):
        model = sum(pair[0] for pair in pairs) / len(pairs)
        total = sum(pair[1] for pair in pairs) / len(pairs)
        rows.append((*key, len(pairs), model, total - model, total))
    return rows
