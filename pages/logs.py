"""Logs: container logs: tail, init, follow and filter, scrubbed of keys."""

from __future__ import annotations

from dashboard.ui import headings

headings.title("Logs", "Container logs: tail, init, follow and filter, scrubbed of keys.")
