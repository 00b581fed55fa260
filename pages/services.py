"""Services: every web service of the workspace, worst first."""

from __future__ import annotations

from dashboard.ui import headings

headings.title("Services", "Every web service of the workspace, worst first.")
