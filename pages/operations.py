"""Operations: what is running, what ran, and the audit log of who did what."""

from __future__ import annotations

from dashboard.ui import headings

headings.title("Operations", "What is running, what ran, and the audit log of who did what.")
