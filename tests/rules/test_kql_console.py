"""A person's own KQL: limited, drawn as asked, opened in the portal, with the tables beside it."""

from __future__ import annotations

import base64
import gzip
from datetime import UTC, datetime, timedelta
from urllib.parse import unquote

import pytest

from local_workspace.insights.schema import TABLES
from services.azuremonitor import portal, queries
from services.azuremonitor.schemas import SCHEMAS
from services.queries import MOST_ROWS, drawn_as, limited
from tests.rules.test_kql_queries import RANGE, KustoCheck, kusto_check

__all__ = ["kusto_check"]

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
RESOURCE = "/subscriptions/1/resourceGroups/rg/providers/Microsoft.OperationalInsights/workspaces/logs"


@pytest.mark.parametrize(
    ("text", "drawn"),
    [
        ("Requests", ""),
        ("Requests | take 5;", ""),
        ("let a = 1; Requests | where ContainerCode > a // why", ""),
        ("Requests | summarize count() by bin(TimeGenerated, 1h) | render timechart", "timechart"),
        ("Requests | summarize n=count() by Service\n| render BarChart with (title='x')\n", "barchart"),
        ("Requests | where Path has '| render piechart' | take 3", ""),
        ("print 1", ""),
    ],
)
def test_a_limited_query_is_still_a_query(kusto_check: KustoCheck, text: str, drawn: str) -> None:
    sent = limited(text)

    assert kusto_check(queries.with_source(sent, source="local", **RANGE))[0]["errors"] == []
    assert sent.endswith(f"\n| take {MOST_ROWS + 1}")
    assert "render" not in sent or "has '| render" in sent
    assert drawn_as(text) == drawn


@pytest.mark.parametrize("source", ["local", "azure"])
def test_the_tables_shown_are_the_tables_there_are(kusto_check: KustoCheck, source: queries.Source) -> None:
    for table in SCHEMAS:
        columns = ", ".join(name for name, _ in table.columns)
        text = queries.with_source(f"{table.name} | project {columns}", source=source, **RANGE)
        verdict = kusto_check(text, azure=source == "azure")[0]
        assert verdict["errors"] == [], table.name
        assert [tuple(column) for column in verdict["columns"]] == list(table.columns), table.name
    assert {table.name for table in SCHEMAS} >= set(TABLES)


def test_the_portal_opens_exactly_the_query_that_ran() -> None:
    text = "Requests\n| where Service == 'wine+prod' // 100 %"

    address = portal.link(text, resource_id=RESOURCE, cloud="AzureCloud", start=NOON, end=NOON + timedelta(hours=1))

    assert address is not None
    assert address.startswith("https://portal.azure.com/#blade/")
    parts = address.split("/")
    assert unquote(parts[parts.index("resourceId") + 1]) == RESOURCE
    assert gzip.decompress(base64.b64decode(unquote(parts[parts.index("q") + 1]))).decode() == text
    assert unquote(parts[parts.index("timespan") + 1]) == "2026-11-21T12:00:00.000Z/2026-11-21T13:00:00.000Z"


def test_a_query_too_long_for_an_address_has_none() -> None:
    text = "".join(f"// {number * 7919 % 100_003:x}{number}\n" for number in range(4000))

    assert (
        portal.link(text, resource_id=RESOURCE, cloud="AzureCloud", start=NOON, end=NOON + timedelta(hours=1)) is None
    )


def test_a_chart_fits_into_a_link() -> None:
    for name in queries.names():
        text = queries.render(name, source="azure", services=("wine-prod",), **RANGE)
        assert portal.link(text, resource_id=RESOURCE, cloud="AzureChinaCloud", start=NOON, end=NOON + timedelta(1)), (
            name
        )
