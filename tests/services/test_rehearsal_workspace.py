"""The rehearsal workspace: started when it is needed, without our secrets, and stopped when nobody uses it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.rehearsal_workspace import RehearsalWorkspace
from services.settings import Settings
from tests.running_workspace import processes_on, wait_for

SECRET = "canary-client-secret-of-the-desk"


@pytest.fixture
def rehearsal(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[RehearsalWorkspace]:
    """One of our own, not started."""
    monkeypatch.setenv("AZURE_CLIENT_SECRET", SECRET)
    made = RehearsalWorkspace(settings)
    yield made
    made.close()


def processes(settings: Settings) -> list[Path]:
    """Those that work on its folder."""
    return processes_on(settings.data / "rehearsal")


def test_it_starts_on_demand_without_our_secrets_and_stops_when_idle(
    rehearsal: RehearsalWorkspace, settings: Settings
) -> None:
    assert processes(settings) == []

    with rehearsal.in_use(time.sleep) as gateway:
        assert gateway.mms.services() == []
        assert rehearsal.stop_if_idle(after=0) is False
        running = processes(settings)
        assert running
        assert not any(SECRET.encode() in (entry / "environ").read_bytes() for entry in running)

    assert rehearsal.stop_if_idle() is False
    assert rehearsal.stop_if_idle(after=0) is True
    wait_for(lambda: not processes(settings), "it to end", 30)


def test_it_is_started_again_after_it_died(rehearsal: RehearsalWorkspace, settings: Settings) -> None:
    with rehearsal.in_use(time.sleep) as gateway:
        where = gateway.access.coordinates()
    rehearsal.close()

    with rehearsal.in_use(time.sleep) as gateway:
        assert gateway.mms.services() == []
        assert gateway.access.coordinates() == where
