"""The first schema of the mirror.

Written from the table definitions as they stand; a later change is a migration of its own.
"""

from __future__ import annotations

from alembic import op

from services.storage import mirror

revision = "mirror_0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make every table."""
    mirror.metadata.create_all(op.get_bind())
