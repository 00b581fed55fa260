"""The first schema of the mirror."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from services.storage.types import UtcDateTime

revision = "mirror_0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make every table."""
    op.create_table(
        "computes",
        sa.Column("workspace", sa.String(length=200), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("content", sa.JSON(), nullable=False),
        sa.Column("read_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("workspace", "name"),
    )
    op.create_table(
        "environments",
        sa.Column("workspace", sa.String(length=200), nullable=False),
        sa.Column("name", sa.String(length=260), nullable=False),
        sa.Column("version", sa.String(length=60), nullable=False),
        sa.Column("content", sa.JSON(), nullable=False),
        sa.Column("read_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("workspace", "name", "version"),
    )
    op.create_table(
        "heartbeats",
        sa.Column("part", sa.String(length=60), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("started_at", UtcDateTime(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("part"),
    )
    op.create_table(
        "models",
        sa.Column("workspace", sa.String(length=200), nullable=False),
        sa.Column("id", sa.String(length=270), nullable=False),
        sa.Column("name", sa.String(length=260), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("framework", sa.String(length=60), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("created_by", sa.String(length=200), nullable=False),
        sa.Column("run_id", sa.String(length=200), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=True),
        sa.Column("is_latest", sa.Boolean(), nullable=False),
        sa.Column("search", sa.Text(), nullable=False),
        sa.Column("content", sa.JSON(), nullable=False),
        sa.Column("sweep", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("workspace", "id"),
    )
    op.create_index("models_by_name", "models", ["workspace", "name", "version"], unique=False)
    op.create_index("models_by_time", "models", ["workspace", "created_at", "id"], unique=False)
    op.create_table(
        "refreshes",
        sa.Column("workspace", sa.String(length=200), nullable=False),
        sa.Column("what", sa.String(length=40), nullable=False),
        sa.Column("succeeded_at", UtcDateTime(), nullable=True),
        sa.Column("failing_since", UtcDateTime(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("took_seconds", sa.Float(), nullable=True),
        sa.Column("marker", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("workspace", "what"),
    )
    op.create_table(
        "service_models",
        sa.Column("workspace", sa.String(length=200), nullable=False),
        sa.Column("service", sa.String(length=64), nullable=False),
        sa.Column("model_id", sa.String(length=270), nullable=False),
        sa.PrimaryKeyConstraint("workspace", "service", "model_id"),
    )
    op.create_index("service_models_by_model", "service_models", ["workspace", "model_id"], unique=False)
    op.create_table(
        "services",
        sa.Column("workspace", sa.String(length=200), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("compute_type", sa.String(length=20), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("state_since", UtcDateTime(), nullable=False),
        sa.Column("application", sa.String(length=200), nullable=False),
        sa.Column("stage", sa.String(length=60), nullable=False),
        sa.Column("broken", sa.Text(), nullable=True),
        sa.Column("content", sa.JSON(), nullable=False),
        sa.Column("configuration_sha256", sa.String(length=64), nullable=False),
        sa.Column("read_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("workspace", "name"),
    )
    op.create_table(
        "state_changes",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("workspace", sa.String(length=200), nullable=False),
        sa.Column("service", sa.String(length=64), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("before", sa.String(length=20), nullable=True),
        sa.Column("after", sa.String(length=20), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("state_changes_by_service", "state_changes", ["workspace", "service", "at"], unique=False)
    op.create_table(
        "summaries",
        sa.Column("workspace", sa.String(length=200), nullable=False),
        sa.Column("service", sa.String(length=64), nullable=False),
        sa.Column("read_at", UtcDateTime(), nullable=False),
        sa.Column("content", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("workspace", "service"),
    )
