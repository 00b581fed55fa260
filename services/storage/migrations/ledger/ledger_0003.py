"""What watching needs: objectives, alerts, probes, queries, failures, log snapshots, incidents."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from services.storage.types import UtcDateTime

revision = "ledger_0003"
down_revision = "ledger_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "objectives",
        sa.Column("workspace", sa.String(200), nullable=False),
        sa.Column("service", sa.String(64), nullable=False),
        sa.Column("availability", sa.Float),
        sa.Column("latency_ms", sa.Float),
        sa.Column("latency_share", sa.Float, nullable=False),
        sa.Column("window_days", sa.Integer, nullable=False),
        sa.Column("person_name", sa.String(200), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("workspace", "service"),
    )
    op.create_table(
        "alert_rules",
        sa.Column("workspace", sa.String(200), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("stage", sa.String(60), nullable=False),
        sa.Column("threshold", sa.Float, nullable=False),
        sa.Column("for_seconds", sa.Integer, nullable=False),
        sa.Column("is_on", sa.Boolean, nullable=False),
        sa.Column("person_name", sa.String(200), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("workspace", "kind", "stage"),
    )
    op.create_table(
        "alerts",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("workspace", sa.String(200), nullable=False),
        sa.Column("service", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("stage", sa.String(60), nullable=False),
        sa.Column("opened_at", UtcDateTime(), nullable=False),
        sa.Column("closed_at", UtcDateTime()),
        sa.Column("worst", sa.Float, nullable=False),
        sa.Column("threshold", sa.Float, nullable=False),
        sa.Column("sentence", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("alerts_by_time", "alerts", ["workspace", "opened_at"], unique=False)
    op.create_index(
        "alerts_one_open",
        "alerts",
        ["workspace", "service", "kind"],
        unique=True,
        sqlite_where=sa.text("closed_at IS NULL"),
        postgresql_where=sa.text("closed_at IS NULL"),
    )
    op.create_table(
        "probe_plans",
        sa.Column("workspace", sa.String(200), nullable=False),
        sa.Column("service", sa.String(64), nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("every_seconds", sa.Integer, nullable=False),
        sa.Column("deadline_seconds", sa.Float, nullable=False),
        sa.Column("expected_status", sa.Integer, nullable=False),
        sa.Column("expected_json", sa.JSON),
        sa.Column("is_on", sa.Boolean, nullable=False),
        sa.Column("person_name", sa.String(200), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("workspace", "service"),
    )
    op.create_table(
        "own_queries",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("workspace", sa.String(200), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("person_id", sa.String(200), nullable=False),
        sa.Column("person_name", sa.String(200), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("own_queries_by_name", "own_queries", ["workspace", "name"], unique=False)
    op.create_table(
        "asked_queries",
        sa.Column("id", sa.Integer, autoincrement=True, nullable=False),
        sa.Column("workspace", sa.String(200), nullable=False),
        sa.Column("person_id", sa.String(200), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("rows", sa.Integer),
        sa.Column("took_seconds", sa.Float),
        sa.Column("error", sa.Text),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("asked_queries_by_person", "asked_queries", ["workspace", "person_id", "at"], unique=False)
    op.create_table(
        "failure_groups",
        sa.Column("workspace", sa.String(200), nullable=False),
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("type", sa.String(200), nullable=False),
        sa.Column("message", sa.Text, nullable=False),
        sa.Column("place", sa.Text, nullable=False),
        sa.Column("first_seen", UtcDateTime(), nullable=False),
        sa.Column("last_seen", UtcDateTime(), nullable=False),
        sa.Column("first_service", sa.String(64), nullable=False),
        sa.Column("first_operation", sa.String(64)),
        sa.Column("sample_request", sa.String(100), nullable=False),
        sa.Column("assigned_to", sa.String(200)),
        sa.Column("muted_until", UtcDateTime()),
        sa.PrimaryKeyConstraint("workspace", "id"),
    )
    op.create_table(
        "log_snapshots",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("workspace", sa.String(200), nullable=False),
        sa.Column("service", sa.String(64), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("why", sa.String(20), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("operation", sa.String(64)),
        sa.Column("is_init", sa.Boolean, nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("lines", sa.Integer, nullable=False),
        sa.Column("size", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("log_snapshots_by_service", "log_snapshots", ["workspace", "service", "at"], unique=False)
    op.create_table(
        "incidents",
        sa.Column("workspace", sa.String(200), nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("severity", sa.Integer, nullable=False),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("commander", sa.String(200)),
        sa.Column("is_focused", sa.Boolean, nullable=False),
        sa.Column("alert", sa.String(64)),
        sa.Column("opened_by", sa.String(200), nullable=False),
        sa.Column("started_at", UtcDateTime(), nullable=False),
        sa.Column("detected_at", UtcDateTime(), nullable=False),
        sa.Column("stable_at", UtcDateTime()),
        sa.Column("closed_at", UtcDateTime()),
        sa.Column("review", sa.JSON),
        sa.PrimaryKeyConstraint("workspace", "number"),
    )
    op.create_index("incidents_by_time", "incidents", ["workspace", "started_at"], unique=False)
    op.create_table(
        "incident_services",
        sa.Column("workspace", sa.String(200), nullable=False),
        sa.Column("incident", sa.Integer, nullable=False),
        sa.Column("service", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("workspace", "incident", "service"),
    )
    op.create_table(
        "incident_notes",
        sa.Column("id", sa.Integer, autoincrement=True, nullable=False),
        sa.Column("workspace", sa.String(200), nullable=False),
        sa.Column("incident", sa.Integer, nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("person_name", sa.String(200), nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("incident_notes_by_incident", "incident_notes", ["workspace", "incident", "at"], unique=False)
    op.create_table(
        "incident_actions",
        sa.Column("id", sa.Integer, autoincrement=True, nullable=False),
        sa.Column("workspace", sa.String(200), nullable=False),
        sa.Column("incident", sa.Integer, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("owner", sa.String(200), nullable=False),
        sa.Column("due", sa.Date),
        sa.Column("done_at", UtcDateTime()),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("incident_actions_by_incident", "incident_actions", ["workspace", "incident"], unique=False)
    op.create_table(
        "drafts",
        sa.Column("workspace", sa.String(200), nullable=False),
        sa.Column("person_id", sa.String(200), nullable=False),
        sa.Column("place", sa.String(80), nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("workspace", "person_id", "place"),
    )
