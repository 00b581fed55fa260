"""How long a page's rerun takes with a large inventory, and what ten times the inventory costs.

One session speaks to the real server as a browser does. The large and the small inventory are served side by side and
asked in turn, so that a busy machine slows both. Beside the time stands the processor time the desk used for one run,
which a busy machine does not change.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
import tempfile
from collections.abc import Sequence
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlencode

from benchmarks.desk_server import Desk, desk, environment_of, running_workspace
from benchmarks.figures import Figure
from benchmarks.filled import FULL, TENTH, Size, model_name, service_name, settings_of
from benchmarks.protocol import Session
from local_workspace.insights.store import Store

ROUNDS = 20
WARMING = 3
CALLS = 10_000_000
DAYS = 30
MOST_MS = 250.0
MOST_GROWTH = 1.5
FIRST_CHART_SECONDS = 2.0
ALL_CHARTS_SECONDS = 6.0
CHARTS = 6

# One in a hundred fails, a few ask twice: as real traffic does, spread over the services of one stage.
MAKE_CALLS = """
INSERT INTO "Requests"
SELECT TIMESTAMP '{end}' - to_microseconds((i * {apart})::BIGINT),
       'application-' || lpad((hash(i) % {services})::VARCHAR, 3, '0') || '-prod', uuid()::VARCHAR, '',
       'replica-' || (hash(i * 7) % 40), '/score',
       CASE hash(i * 3) % 100 WHEN 0 THEN 500 WHEN 1 THEN 503 ELSE 200 END,
       floor(20 - ln(random()) * 40), hash(i * 5) % 200 = 0, i % 60 = 0, 1
FROM range({calls}) AS numbers(i)
"""

PAGES: dict[str, tuple[str, dict[str, str]]] = {
    "Overview": ("", {}),
    "Services": ("services", {}),
    "Service": ("service", {"name": service_name(1)}),
    "Models": ("models", {}),
    "Models, filtered and sorted": ("models", {"q": "week application", "sort": "name", "tag": "stage=dev"}),
    "Model version": ("model", {"id": f"{model_name(1)}:1"}),
    "Operations": ("operations", {}),
    "Deploy": ("deploy", {}),
}


@dataclass
class _Taken:
    """The runs of one page with one inventory."""

    seconds: list[float] = field(default_factory=list)
    cpu_seconds: float = 0.0

    @property
    def p95_ms(self) -> float:
        return 1000 * _p95(self.seconds)

    @property
    def median_ms(self) -> float:
        return 1000 * statistics.median(self.seconds)

    @property
    def cpu_ms(self) -> float:
        return 1000 * self.cpu_seconds / len(self.seconds)


def main() -> list[Figure]:
    """Every page's warm rerun, then Monitoring cold."""
    with tempfile.TemporaryDirectory(prefix="bench-reruns-") as folder, ExitStack() as stack:
        _write_calls(Path(folder) / "large")
        large = stack.enter_context(desk(Path(folder) / "large", FULL))
        small = stack.enter_context(desk(Path(folder) / "small", TENTH))
        return [*asyncio.run(_warm(large, small)), *asyncio.run(_monitoring(large))]


async def _warm(large: Desk, small: Desk) -> list[Figure]:
    figures = []
    for title, (page, query) in PAGES.items():
        taken = await _in_turn(page, query, (large, small))
        figures += _judged(title, taken[0], taken[1], FULL)
        print(f"{title}: {figures[-2].figure}; {figures[-1].figure} (load {os.getloadavg()[0]:.1f})", file=sys.stderr)
    return figures


async def _in_turn(page: str, query: dict[str, str], desks: Sequence[Desk]) -> list[_Taken]:
    taken = [_Taken() for _ in desks]
    async with AsyncExitStack() as stack:
        sessions = [await stack.enter_async_context(Session(each.port, cookie=each.cookie)) for each in desks]
        for session in sessions:
            await session.open(page, urlencode(query))
            for _ in range(WARMING):
                await session.rerun()
        for _ in range(ROUNDS):
            for each, session, found in zip(desks, sessions, taken, strict=True):
                before = each.cpu_seconds()
                found.seconds.append((await session.rerun()).seconds)
                found.cpu_seconds += each.cpu_seconds() - before
    return taken


def _judged(title: str, large: _Taken, small: _Taken, size: Size) -> list[Figure]:
    growth = large.median_ms / small.median_ms
    return [
        Figure(
            name=f"{title}: rerun p95, warm ({size.words})",
            figure=f"{large.p95_ms:.0f} ms (median {large.median_ms:.0f}, processor {large.cpu_ms:.0f})",
            budget=f"≤ {MOST_MS:.0f} ms",
            met=large.p95_ms <= MOST_MS,
        ),
        Figure(
            name=f"{title}: ten times the inventory",
            figure=f"{growth:.2f} times (median {small.median_ms:.0f} → {large.median_ms:.0f} ms)",
            budget=f"≤ {MOST_GROWTH} times",
            met=growth <= MOST_GROWTH,
        ),
    ]


async def _monitoring(large: Desk) -> list[Figure]:
    async with Session(large.port, cookie=large.cookie) as session:
        await session.open("services")
        await session.go("monitoring", urlencode({"range": "30d"}))
        arrived = list(session.charts)
    first, last = (arrived[0], arrived[-1]) if len(arrived) == CHARTS else (float("inf"), float("inf"))
    rows = f"{CALLS / 1e6:g} million requests of {DAYS} days"
    return [
        Figure(
            name=f"Monitoring: first chart, cold ({rows})",
            figure=f"{first:.2f} s",
            budget=f"≤ {FIRST_CHART_SECONDS:g} s",
            met=first <= FIRST_CHART_SECONDS,
        ),
        Figure(
            name=f"Monitoring: all {CHARTS} charts, cold ({rows})",
            figure=f"{last:.2f} s",
            budget=f"≤ {ALL_CHARTS_SECONDS:g} s",
            met=last <= ALL_CHARTS_SECONDS,
        ),
    ]


def _write_calls(folder: Path) -> None:
    """Give the workspace's telemetry its requests before anybody looks: it is made, stopped and filled."""
    settings = settings_of(folder)
    settings.data.mkdir(mode=0o700, parents=True)
    with running_workspace(settings, environment_of(folder)):
        pass
    end, apart = datetime.now(UTC), DAYS * 86_400_000_000 // CALLS
    store = Store(settings.data / "workspace" / "insights" / "telemetry.duckdb")
    store.cursor().execute(
        MAKE_CALLS.format(calls=CALLS, apart=apart, services=FULL.services // 3, end=f"{end:%Y-%m-%d %H:%M:%S}")
    )
    store.checkpoint()
    store.close()


def _p95(seconds: Sequence[float]) -> float:
    return statistics.quantiles(seconds, n=20, method="inclusive")[-1]
