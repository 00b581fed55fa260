"""Logs: container logs and those kept before, failures by cause, one request, a search over all, and a KQL console."""

from __future__ import annotations

from dashboard.ui import (
    filters,
    headings,
    logs_container,
    logs_failures,
    logs_previous,
    logs_queries,
    logs_request,
    logs_search,
    logs_ways,
)

VIEWS = {
    logs_ways.LOG: logs_container.show,
    logs_ways.PREVIOUS: logs_previous.show,
    logs_ways.FAILURES: logs_failures.show,
    logs_ways.REQUEST: logs_request.show,
    logs_ways.SEARCH: logs_search.show,
    logs_ways.QUERIES: logs_queries.show,
}

headings.title("Logs", "What services wrote, now and before, and what went wrong in them; keys and tokens are hidden.")
VIEWS[filters.view("View", list(VIEWS))]()
