"""A link that opens a query in the Azure portal: the Logs blade of the Log Analytics workspace, the query packed in it.

The form of the address is what the portal's own "copy link to query" gives; not verified on Azure.
"""

from __future__ import annotations

import base64
import gzip
from datetime import UTC, datetime
from urllib.parse import quote

PORTALS = {
    "AzureCloud": "https://portal.azure.com",
    "AzureUSGovernment": "https://portal.azure.us",
    "AzureChinaCloud": "https://portal.azure.cn",
}
LONGEST_LINK = 8_000
"""Browsers and what stands between them and the portal take no longer addresses reliably."""


def link(text: str, *, resource_id: str, cloud: str, start: datetime, end: datetime) -> str | None:
    """The address, or None where the query is too long for one."""
    # No time in the archive's header: one query has one address.
    packed = base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode()
    address = (
        f"{PORTALS.get(cloud, PORTALS['AzureCloud'])}/#blade/Microsoft_OperationsManagementSuite_Workspace/Logs.ReactView"
        f"/resourceId/{quote(resource_id, safe='')}/source/LogsBlade.AnalyticsShareLinkToQuery"
        f"/q/{quote(packed, safe='')}/timespan/{quote(f'{_moment(start)}/{_moment(end)}', safe='')}"
    )
    return address if len(address) <= LONGEST_LINK else None


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
