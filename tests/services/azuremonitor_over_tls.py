"""Serve the local Azure Monitor over TLS, as Azure's own is: `python -m tests.services.azuremonitor_over_tls FOLDER PORT`."""

from __future__ import annotations

import sys
from pathlib import Path

import uvicorn

from local_workspace.insights.app import Insights
from local_workspace.insights.config import Guard
from local_workspace.insights.store import Store


def main() -> None:
    """Serve until ended."""
    folder, port = Path(sys.argv[1]), int(sys.argv[2])
    app = Insights(Store(folder / "telemetry.duckdb"), Guard(folder / "insights.json")).app()
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=port,
        ssl_certfile=folder / "certificate.pem",
        ssl_keyfile=folder / "key.pem",
        log_level="warning",
        timeout_graceful_shutdown=1,
    )


if __name__ == "__main__":
    main()
