"""The table of services: its filters, rows and columns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import pandas as pd
import streamlit as st

from dashboard import navigation
from dashboard.ui import service_words, states, tables, times
from services.operations.records import Operation
from services.webservices import ListedService, stage_rank

NO_STAGE = "no stage"
STATE_WIDTH = 125
"""Room for the longest state with its sign."""
FIGURE_WIDTH = 90
"""Room for “not known”, which Streamlit does not count when it fits a column to its contents."""
AUTH_WORDS = tuple(dict.fromkeys(word for word, *_ in service_words.AUTH.values()))


def stages(listed: Sequence[ListedService]) -> list[str]:
    """The stages that occur, production first; a service without one has its own word."""
    found = {row.stage or NO_STAGE for row in listed}
    return sorted(found, key=lambda stage: (stage == NO_STAGE, stage_rank(stage), stage))


def states_of(listed: Sequence[ListedService]) -> list[str]:
    """The states that occur, worst first."""
    return sorted({states.state_of(row.word).word for row in listed}, key=states.rank)


def computes(listed: Sequence[ListedService]) -> list[str]:
    """Where services run."""
    return sorted({service_words.compute(row.service) for row in listed})


def matching(
    listed: Sequence[ListedService],
    *,
    search: str,
    stage: str | None,
    states: Sequence[str],
    auth: str | None,
    compute: str | None,
) -> list[ListedService]:
    """The rows that fit every filter, in their order."""
    search = search.casefold()
    return [
        row
        for row in listed
        if (not search or search in _words(row))
        and (stage is None or stage == (row.stage or NO_STAGE))
        and (not states or _state(row) in states)
        and (auth is None or auth == service_words.auth(row.service))
        and (compute is None or compute == service_words.compute(row.service))
    ]


def show(
    listed: Sequence[ListedService],
    changes: Mapping[str, Operation],
    *,
    empty: str,
    next_step: Callable[[], None] | None,
) -> None:
    """Show them; a click on a name opens that service."""
    wanted = tables.pages(len(listed), key="page", what="services")
    shown = listed[wanted]
    if not shown:
        tables.nothing(empty, next_step=next_step)
        return
    columns = _columns(shown)
    st.dataframe(
        pd.DataFrame([_row(row, changes.get(row.service.name)) for row in shown]),
        hide_index=True,
        column_config=columns,
        column_order=list(columns),
        key="services",
        row_height=tables.ROW,
        # Never zero and never "None" for what nobody knows.
        placeholder=service_words.UNKNOWN,
        alt="Every service with its state, access, traffic of the last hour and last change, worst first.",
    )


def _open() -> None:
    navigation.go("service", name=st.session_state["open-service"]["label"])


def _row(row: ListedService, operation: Operation | None) -> dict[str, Any]:
    service, summary = row.service, row.summary
    what, by, at = service_words.last_change(row, operation)
    return {
        "name": service.name,
        "state": [states.plain(row.word)],
        "application": row.application or "–",
        "stage": row.stage or "–",
        "compute": service_words.compute(service),
        "models": service_words.models(service),
        "auth": [service_words.auth_cell(service)],
        "insights": service_words.insights(service),
        "replicas": service_words.replicas(service),
        "requests": summary.requests if summary else None,
        "errors": None if not summary or summary.error_rate is None else 100 * summary.error_rate,
        "p95": summary.p95_ms if summary else None,
        "change": what,
        "by": by,
        "at": at,
        "age": _created(row),
    }


def _columns(shown: Sequence[ListedService]) -> dict[str, Any]:
    hour = "Of the last hour, from telemetry. Not known = nothing was recorded."
    return {
        "name": st.column_config.ButtonColumn(
            "Service",
            type="tertiary",
            alignment="left",
            pinned=True,
            key="open-service",
            on_click=_open,
            help="Opens the service.",
        ),
        "state": states.column(row.word for row in shown) | {"width": STATE_WIDTH},
        "stage": tables.text("Stage"),
        "requests": tables.number("Requests", unit="1/h", help=hour),
        "errors": tables.number("Errors", unit="%", decimals=1, help=hour) | {"width": FIGURE_WIDTH},
        "p95": tables.number("p95", unit="ms", help=hour) | {"width": FIGURE_WIDTH},
        "auth": _auth_column(),
        "replicas": tables.text("Replicas", help="Answering of wanted. Azure does not count the container of ACI."),
        "models": tables.text("Models"),
        "application": tables.text("Application"),
        "compute": tables.text("Compute"),
        "insights": tables.text("Insights", help="Application Insights: without it there is no telemetry."),
        "change": tables.text("Last change"),
        "by": tables.text("By"),
        "at": times.column("Changed"),
        "age": times.column("Created"),
    }


def _auth_column() -> Any:
    words = {word: "red" if word == "anonymous" else "gray" for word in AUTH_WORDS}
    return st.column_config.MultiselectColumn(
        "Access",
        options=[f"▲ {word}" if word == "anonymous" else word for word in words],
        color=list(words.values()),
        width="small",
        help="How callers prove themselves. Anonymous = anyone who knows the address can call it.",
    )


def _state(row: ListedService) -> str:
    return states.state_of(row.word).word


def _created(row: ListedService) -> datetime | None:
    return row.service.created_at


def _words(row: ListedService) -> str:
    parts = [row.service.name, row.application, row.stage, service_words.models(row.service), *row.service.model_ids]
    return "\n".join(parts).casefold()
