"""Model version: one model version: its tags, files and deployments."""

from __future__ import annotations

from dashboard.ui import headings

headings.title("Model version", "One model version: its tags, files and deployments.")
