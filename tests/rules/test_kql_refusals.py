"""What a person's own KQL may not contain."""

from __future__ import annotations

import pytest

from services.azuremonitor import refusals
from services.errors import Invalid


@pytest.mark.parametrize(
    "text",
    [
        "workspace('other').AppRequests",
        "union AppRequests, workspace ('other').AppRequests",
        'WORKSPACE("other").AppRequests',
        "app('other').requests",
        "resource('/subscriptions/1').AppRequests",
        "adx('https://example.kusto.windows.net/db').T",
        "cluster('x').database('y').T",
        "workspace // why not\n ('other').AppRequests",
        "['workspace']('other').AppRequests",
        "[ 'app' ] ('other').requests",
        "externaldata(a:string)['https://example.com/x.csv']",
        "AppRequests | evaluate http_request('https://example.com')",
        "let f = () { AppRequests | evaluate bag_unpack(Properties) }; f()",
        ".show tables",
        "  // harmless\n .drop table AppRequests",
        "print 1; .show tables",
        "AppRequests | where Name == 'never closed",
        r'print "\\" | evaluate x()',
        "",
        "   ",
    ],
)
def test_ways_out_of_the_workspace_are_refused(text: str) -> None:
    with pytest.raises(Invalid):
        refusals.check(text)


@pytest.mark.parametrize(
    "text",
    [
        "Requests | take 10",
        "AppTraces | where Message has 'evaluate' or Message has \"workspace('x')\"",
        "AppTraces | where Message has @'c:\\app(1)\\' // evaluate this later",
        "AppTraces | where Message has 'http://example.com/app(1)'",
        "Requests | extend app = extract('^(.+)_', 1, ClientRequestId) | summarize count() by app",
        "Requests | extend resource = 1, workspace = 2",
        "print h'secret', ```evaluate\n.x```",
        "Requests | where Service == 'it\\'s'",
        "AppRequests | project Properties['Service Name']",
        "Requests | project x = DurationMs / 2.5",
    ],
)
def test_ordinary_queries_pass(text: str) -> None:
    refusals.check(text)
