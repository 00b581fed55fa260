"""Models: every registered model version, and where each one is deployed."""

from __future__ import annotations

from dashboard.ui import headings

headings.title("Models", "Every registered model version, and where each one is deployed.")
