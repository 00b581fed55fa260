"""Seconds from `make run` to a page and to the first healthy service, cold and warm, and back after `kill -9`.

Cold: nothing but the installed desk; the samples are trained and their environments built (packages come from uv's cache
where this machine has one, else from PyPI). Warm: the same again on the data that is there.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa

from benchmarks.figures import Figure
from benchmarks.protocol import Session
from services.settings import Settings
from services.storage import mirror
from services.storage.database import Database
from tests.e2e.stack import Stack

PAGE_BUDGET_SECONDS = 30.0
HEALTHY_BUDGET_SECONDS = 180.0
RECOVERY_ABOUT = {"desk": 5.0, "workspace": 5.0, "worker": 10.0}
PATIENCE_SECONDS = 400.0
LOOK_SECONDS = 0.05


class Started:
    """A supervised desk and what can be seen of it from outside."""

    def __init__(self, folder: Path) -> None:
        self.stack = Stack(folder)
        self.stack.environment |= {
            "DESK_SAMPLES": "true",
            "LOCAL_WORKSPACE_ENVIRONMENTS": str(folder / "environments"),
        }
        settings = Settings(_env_file=None, desk_data=folder / "data")  # type: ignore[call-arg]
        self.connection = settings.connection
        self._mirror_url = settings.mirror_url

    def shows_a_page(self) -> bool:
        """Whether the first screen is drawn to its end."""
        try:
            asyncio.run(self._open())
        except (OSError, RuntimeError):
            return False
        return True

    def has_healthy_service(self, since: datetime) -> bool:
        """Whether the desk has read, since then, that a service is healthy."""
        table = mirror.services
        return self._finds(sa.select(table.c.name).where(table.c.state == "Healthy", table.c.read_at > since))

    def has_worker(self, since: datetime) -> bool:
        """Whether a worker that started since then has said that it is alive."""
        return self._finds(sa.select(mirror.heartbeats.c.part).where(mirror.heartbeats.c.at > since))

    def has_workspace(self) -> bool:
        """Whether the workspace answers anybody: without a token it refuses, which is an answer."""
        try:
            with urllib.request.urlopen(json.loads(self.connection.read_text())["url"], timeout=5):
                return True
        except urllib.error.HTTPError as refused:
            refused.close()
            return True
        except (OSError, ValueError):
            return False

    def has_desk(self) -> bool:
        """Whether the desk's server answers."""
        return self.stack.healthz()[0] != 0

    async def _open(self) -> None:
        async with Session(self.stack.port) as session:
            await session.open("")

    def _finds(self, query: sa.Select[tuple[str]]) -> bool:
        path = sa.make_url(self._mirror_url).database
        if path is None or not Path(path).exists():
            return False
        database = Database(self._mirror_url, name="mirror")
        try:
            with database.reading() as look:
                return look.execute(query).first() is not None
        except sa.exc.OperationalError:
            # The tables are being made just now.
            return False
        finally:
            database.close()


def main() -> list[Figure]:
    """Cold, kills, warm."""
    with tempfile.TemporaryDirectory(prefix="bench-start-") as folder:
        started = Started(Path(folder))
        try:
            figures = _start(started, "cold")
            figures += [_recovery(started, part) for part in RECOVERY_ABOUT]
            started.stack.stop()
            return figures + _start(started, "warm")
        finally:
            started.stack.stop()


def _start(started: Started, how: str) -> list[Figure]:
    since, begun = datetime.now(UTC), time.monotonic()
    started.stack.launch()
    page = _until(started.shows_a_page, begun)
    healthy = _until(lambda: started.has_healthy_service(since), begun)
    print(f"{how}: page {page:.1f} s, healthy {healthy:.1f} s (load {os.getloadavg()[0]:.1f})", file=sys.stderr)
    return [
        Figure(
            name=f"`make run` {how}: first page",
            figure=f"{page:.1f} s",
            budget=f"≤ {PAGE_BUDGET_SECONDS:.0f} s",
            met=page <= PAGE_BUDGET_SECONDS,
        ),
        Figure(
            name=f"`make run` {how}: first healthy service",
            figure=f"{healthy:.1f} s",
            budget=f"≤ {HEALTHY_BUDGET_SECONDS:.0f} s",
            met=healthy <= HEALTHY_BUDGET_SECONDS,
        ),
    ]


def _recovery(started: Started, part: str) -> Figure:
    """Kill one part, and wait until it answers again; the others stay what they are."""
    others = {other: started.stack.pid(other) for other in RECOVERY_ABOUT if other != part}
    since, begun = datetime.now(UTC), time.monotonic()
    killed = started.stack.kill(part)
    answers: dict[str, Callable[[], bool]] = {
        "desk": started.has_desk,
        "workspace": started.has_workspace,
        "worker": lambda: started.has_worker(since),
    }
    seconds = _until(lambda: started.stack.find(part) not in (None, killed) and answers[part](), begun)
    touched = [other for other, pid in others.items() if started.stack.find(other) != pid]
    about = RECOVERY_ABOUT[part]
    return Figure(
        name=f"{part} answers again after kill -9",
        figure=f"{seconds:.1f} s" + (f", and {', '.join(touched)} went with it" if touched else ""),
        budget=f"about {about:.0f} s (≤ {2 * about:.0f}), the others untouched",
        met=seconds <= 2 * about and not touched,
    )


def _until(look: Callable[[], bool], begun: float) -> float:
    """Seconds until it is so; endless when it never is."""
    while not look():
        if time.monotonic() - begun > PATIENCE_SECONDS:
            return float("inf")
        time.sleep(LOOK_SECONDS)
    return time.monotonic() - begun
