"""The front door: builds the desk's web application around `dashboard/app.py`.

The script Streamlit runs lies in `dashboard/`, not beside `pages/`: beside it, the first deep link after a start would
run a page without the shell around it.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio.to_thread
import streamlit as st

from dashboard import routes, routes_incidents, routes_records, server_log
from dashboard.ui import errors

LOG = logging.getLogger("desk")


def _open() -> None:
    """Load what every screen needs and open the services, so that the first person does not wait for it."""
    import pandas  # noqa: F401
    import plotly.graph_objects  # noqa: F401
    import pyarrow  # noqa: F401

    from dashboard import context
    from services import scratch
    from services.errors import DeskError

    try:
        context.services()
        scratch.settle(context.settings().scratch / scratch.DESK)
    except DeskError as error:
        # Each screen tries again and says this sentence until it works.
        LOG.warning("%s", error.sentence)


def _close() -> None:
    from dashboard import context

    context.services.clear()


@asynccontextmanager
async def lifespan(_app: st.App) -> AsyncIterator[dict[str, Any]]:
    """Open the services once for the process and close them with it."""
    await anyio.to_thread.run_sync(_open)
    print(f"The desk is ready: http://localhost:{st.get_option('server.port')}", flush=True)
    yield {}
    await anyio.to_thread.run_sync(_close)


server_log.set_up()
app = st.App(
    Path(__file__).resolve().parent / "dashboard" / "app.py",
    routes=[*routes.ROUTES, *routes_records.ROUTES, *routes_incidents.ROUTES],
    middleware=routes.MIDDLEWARE,
    exception_handlers=routes.EXCEPTIONS,
    lifespan=lifespan,
    on_script_error=errors.explain,
)
