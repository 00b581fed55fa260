"""Results of probes and test requests."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from services.storage.types import UtcDateTime

revision = "mirror_0002"
down_revision = "mirror_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "probe_results",
        sa.Column("id", sa.Integer, autoincrement=True, nullable=False),
        sa.Column("workspace", sa.String(200), nullable=False),
        sa.Column("service", sa.String(64), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("purpose", sa.String(10), nullable=False),
        sa.Column("client_request_id", sa.String(100), nullable=False),
        sa.Column("request_id", sa.String(100), nullable=False),
        sa.Column("status", sa.Integer),
        sa.Column("milliseconds", sa.Float, nullable=False),
        sa.Column("model_milliseconds", sa.Float),
        sa.Column("passed", sa.Boolean),
        sa.Column("failure", sa.Text, nullable=False),
        sa.Column("seen_at", UtcDateTime()),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("probe_results_by_service", "probe_results", ["workspace", "service", "at"], unique=False)
    op.create_index("probe_results_by_time", "probe_results", ["workspace", "at"], unique=False)
