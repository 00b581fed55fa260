"""Service: one service: its state, configuration, access, logs, tests and history."""

from __future__ import annotations

from dashboard import navigation, reads_services
from dashboard.ui import (
    filters,
    headings,
    service_access,
    service_configuration,
    service_consume,
    service_delete,
    service_header,
    service_history,
    service_logs,
    service_metrics,
    service_summary,
    service_tests,
    tables,
)

VIEWS = {
    "Summary": service_summary.show,
    "Configuration": service_configuration.show,
    "Access": service_access.show,
    "Metrics": service_metrics.show,
    "Logs": service_logs.show,
    "Tests": service_tests.show,
    "History": service_history.show,
    "Consume": service_consume.show,
    "Delete": service_delete.show,
}

name = filters.wanted("name")
listed = reads_services.find(name) if name else None


def back() -> None:
    """The way on from an address that leads nowhere."""
    navigation.link("services", "All services", icon=":material/dns:")


if name and listed:
    service_header.show(listed)
    VIEWS[filters.view("View", list(VIEWS))](listed)
elif name:
    headings.title(name, "One service: its state, configuration, access, logs, tests and history.")
    tables.nothing(f"There is no service named **{name}** here: it may have been deleted meanwhile.", next_step=back)
    service_history.gone(name)
else:
    headings.title("Service", "One service: its state, configuration, access, logs, tests and history.")
    tables.nothing("This address does not say which service: choose one from the list.", next_step=back)
