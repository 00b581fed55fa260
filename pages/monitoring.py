"""Monitoring: request rate, latency and errors by true code, with the query beneath each chart."""

from __future__ import annotations

from dashboard.ui import headings

headings.title("Monitoring", "Request rate, latency and errors by true code, with the query beneath each chart.")
