"""Deploy: launch a service or redeploy one: the plan comes first, then the launch."""

from __future__ import annotations

from dashboard.ui import headings

headings.title("Deploy", "Launch a service or redeploy one: the plan comes first, then the launch.")
