"""Telemetry lost on purpose: accepted, acknowledged and dropped, as when an exporter's data never arrives."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from datetime import UTC, datetime

from .envelopes import Envelope
from .normalise import service


class Losses:
    """Which services' telemetry is dropped, and until when; each ends by itself."""

    def __init__(self) -> None:
        """Nothing is lost at first, also after a restart."""
        self._lock = threading.Lock()
        self._until: dict[str | None, datetime] = {}
        self.dropped = 0

    def begin(self, name: str | None, *, until: datetime) -> None:
        """Drop this service's telemetry, or everyone's, until that time."""
        with self._lock:
            self._until[name] = until.astimezone(UTC)

    def end(self, name: str | None = None) -> None:
        """Stop dropping one service's telemetry, or all."""
        with self._lock:
            if name is None:
                self._until.clear()
            else:
                self._until.pop(name, None)

    def active(self, *, now: datetime) -> dict[str | None, datetime]:
        """What is being dropped now, by service (None = all), with its end."""
        with self._lock:
            self._until = {name: until for name, until in self._until.items() if until > now}
            return dict(self._until)

    def keep(self, envelopes: Iterable[Envelope], *, now: datetime) -> list[Envelope]:
        """Return what is not lost."""
        envelopes = list(envelopes)
        active = self.active(now=now)
        if not active:
            return envelopes
        kept = [] if None in active else [envelope for envelope in envelopes if service(envelope) not in active]
        self.dropped += len(envelopes) - len(kept)
        return kept
