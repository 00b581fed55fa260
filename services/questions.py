"""One of our queries with what a person typed in it: Log Analytics takes no parameters, so a value becomes a literal.

Such a query declares each value as an empty text, `let Wanted = "";`, and means "any" by it: it stands, and is judged
by Microsoft's parser, without us.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from services.azuremonitor import literals
from services.azuremonitor.client import LogAnalytics
from services.azuremonitor.tables import Table


def ask(
    logs: LogAnalytics,
    name: str,
    *,
    start: datetime,
    end: datetime,
    step: timedelta = timedelta(minutes=5),
    services: Sequence[str] = (),
    **values: str,
) -> Table:
    """Run `queries/NAME.kql` over our own calls too, with these values in place of its empty ones."""
    text = logs.render(name, services=services, start=start, end=end, step=step, include_ours=True)
    return logs.query(filled(text, **values))


def filled(text: str, **values: str) -> str:
    """The query with each value written where it is declared."""
    for name, value in values.items():
        empty = f'let {name} = "";'
        if empty not in text:
            raise ValueError(f"the query declares no {name}")
        text = text.replace(empty, f"let {name} = {literals.string(value)};", 1)
    return text
