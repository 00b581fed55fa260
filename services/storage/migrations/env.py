"""Alembic's entry: run the migrations of the one database it was handed, in one transaction."""

from __future__ import annotations

from alembic import context

database = context.config.attributes["database"]
with database.writing() as connection:
    context.configure(connection=connection, version_table=f"{database.name}_version", transaction_per_migration=False)
    context.run_migrations()
