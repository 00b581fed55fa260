"""Service: one service: its state, configuration, access, logs, tests and history."""

from __future__ import annotations

from dashboard.ui import headings

headings.title("Service", "One service: its state, configuration, access, logs, tests and history.")
