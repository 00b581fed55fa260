"""Overview: what needs attention, and where everything runs."""

from __future__ import annotations

from dashboard.ui import headings

headings.title("Overview", "What needs attention, and where everything runs.")
