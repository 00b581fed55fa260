"""What the page tests of models and operations begin with: real versions in the workspace, operations in the ledger."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from dashboard import context
from services.access import LOCAL_IDENTITIES
from services.azureml.credentials import for_worker
from services.azureml.gateway import Gateway, open_gateway
from services.azureml.types import ModelVersion
from services.inventory import Inventory
from services.operations.desk import new_id
from services.operations.journal import Journal
from services.sealed import Sealed
from tests.running_workspace import ROOT

if TYPE_CHECKING:
    from services.bootstrap import Desk

OPERATOR = LOCAL_IDENTITIES["operator"]

_MAKE_TABLES = """
from services.bootstrap import worker
made = worker()
made.engine.launch()
made.engine.close()
"""


@contextmanager
def gateway() -> Iterator[Gateway]:
    """The way to the workspace that may change it, as the worker has it."""
    opened = open_gateway(for_worker(context.settings()))
    try:
        yield opened
    finally:
        opened.close()


def register(desk: Desk, name: str, folder: Path, **details: object) -> ModelVersion:
    """Register a version in the workspace and read the lists anew."""
    file = folder / "model.txt"
    file.write_text("a model")
    with gateway() as azure:
        made = azure.registry.register_model(name, {"model.txt": file}, mark=new_id(), **details)  # type: ignore[arg-type]
    read_models(desk)
    return made


def read_models(desk: Desk) -> None:
    """Read the models as the worker does each minute."""
    inventory(desk).sweep_models()


def inventory(desk: Desk) -> Inventory:
    """What reads the lists."""
    return Inventory(
        desk.databases[1],
        desk.gateway.mms,
        environments=list,
        model_bytes=lambda model: model.bytes,
        workspace=desk.workspace,
        clock=desk.clock,
    )


def journal(desk: Desk) -> Journal:
    """The worker's pen, for operations whose course a test tells itself."""
    ledger = desk.databases[0]
    return Journal(
        ledger,
        audit=desk.audit,
        sealed=Sealed(ledger, folder=context.settings().keys, clock=desk.clock),
        clock=desk.clock,
    )


def prepare_queue(desk: Desk) -> None:
    """Make the tables of the queue, as the first start of a worker does, so that operations can be asked for."""
    statements = _queue(context.settings().connection)
    connection = sqlite3.connect(desk.settings.data / "ledger.sqlite3", timeout=10)
    there = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
    for name, statement in statements:
        if name not in there:
            connection.execute(statement)
    connection.commit()
    connection.close()


@cache
def _queue(connection_file: Path) -> tuple[tuple[str, str], ...]:
    """Names and statements of all tables and indexes of a ledger on which a worker was started once, tables first."""
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        data.mkdir()
        environment = os.environ | {
            "WORKSPACE_CONNECTION": str(connection_file),
            "DESK_DATA": str(data),
            "DESK_KEYS": str(Path(folder) / "keys"),
            "DESK_ANCHOR": str(Path(folder) / "anchor"),
        }
        for command in (["-m", "services.storage", "upgrade"], ["-c", _MAKE_TABLES]):
            subprocess.run(
                [sys.executable, *command], cwd=ROOT, env=environment, check=True, capture_output=True, timeout=120
            )
        connection = sqlite3.connect(data / "ledger.sqlite3")
        statements = tuple(
            connection.execute(
                "SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' "
                "ORDER BY type = 'table' DESC, rowid"
            )
        )
        connection.close()
    return statements
