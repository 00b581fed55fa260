"""Connection: which workspace, which credential, and what it may do."""

from __future__ import annotations

from dashboard.ui import headings

headings.title("Connection", "Which workspace, which credential, and what it may do.")
