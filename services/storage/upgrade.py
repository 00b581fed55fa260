"""Bring both databases to the schema this version needs; runs alone and first, leaves DBOS's tables to DBOS."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config

from services.errors import Conflict
from services.settings import Settings
from services.storage import ledger, mirror
from services.storage.database import Database, Name

MIGRATIONS = Path(__file__).parent / "migrations"
REVISIONS: dict[Name, str] = {"ledger": ledger.REVISION, "mirror": mirror.REVISION}


def open_databases(settings: Settings) -> tuple[Database, Database]:
    """The ledger and the mirror, at any schema."""
    return Database(settings.ledger_url, name="ledger"), Database(settings.mirror_url, name="mirror")


def open_current(settings: Settings) -> tuple[Database, Database]:
    """The ledger and the mirror at the schema this version needs, else the sentence that names the command."""
    opened = open_databases(settings)
    for database in opened:
        database.require(REVISIONS[database.name])
    return opened


def upgrade(settings: Settings) -> list[str]:
    """Upgrade both; return a line for each."""
    lines = []
    for database in open_databases(settings):
        before = database.schema_version()
        _refuse_newer(database.name, before)
        config = Config()
        # Without it the folder would be split at spaces and commas.
        config.set_main_option("path_separator", "os")
        config.set_main_option("script_location", str(MIGRATIONS))
        config.set_main_option("version_locations", str(MIGRATIONS / database.name))
        config.attributes["database"] = database
        command.upgrade(config, REVISIONS[database.name])
        after = database.schema_version()
        lines.append(f"{database.name}: {after}" + (" (unchanged)" if before == after else f" (was {before or 'new'})"))
        database.close()
    return lines


def _refuse_newer(name: Name, found: str | None) -> None:
    known = {path.stem for path in (MIGRATIONS / name).glob("*.py")}
    if found is not None and found not in known:
        raise Conflict(
            f"The {name} is at schema {found}, which this version of the desk does not know: it was used by a newer one. "
            "Start that one, or put back what was saved before the change."
        )
