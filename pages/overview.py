"""Overview: what needs attention, what runs now, and where everything is deployed."""

from __future__ import annotations

from dashboard.ui import headings, incident_list, operation, overview_attention, overview_matrix

headings.title("Overview", "What needs attention, and where everything runs.")

incident_list.open_now()
overview_attention.show()
headings.section("Running now")
operation.running(empty="Nothing runs now.")
overview_matrix.show()
overview_matrix.sample_traffic()
