"""Two more ways to find: the audit log newest first, and who ever asked for an operation."""

from __future__ import annotations

from alembic import op

revision = "ledger_0002"
down_revision = "ledger_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Without them a page of a long log sorts all of it."""
    op.create_index("audit_by_number", "audit", ["workspace", "seq"], unique=False)
    op.create_index("operations_by_person", "operations", ["workspace", "person_name", "requested_at"], unique=False)
