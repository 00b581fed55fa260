"""The ledger: what must never be lost. Operations, audit, leases, rotations, sessions, sealed secrets, files.

Every row that is about Azure carries the workspace, though one is connected. Times are aware UTC, stored as text in
SQLite. DBOS keeps its own tables beside these.
"""

from __future__ import annotations

import sqlalchemy as sa

from services.storage.types import UtcDateTime

REVISION = "ledger_0003"

metadata = sa.MetaData()

operations = sa.Table(
    "operations",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("workspace", sa.String(200), nullable=False),
    sa.Column("kind", sa.String(40), nullable=False),
    sa.Column("subject_kind", sa.String(20), nullable=False),
    sa.Column("subject", sa.String(260), nullable=False),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("arguments", sa.JSON, nullable=False),
    sa.Column("plan", sa.JSON),
    sa.Column("reason", sa.Text, nullable=False, default=""),
    sa.Column("person_id", sa.String(200), nullable=False),
    sa.Column("person_name", sa.String(200), nullable=False),
    sa.Column("role", sa.String(20), nullable=False),
    sa.Column("requested_at", UtcDateTime, nullable=False),
    sa.Column("started_at", UtcDateTime),
    sa.Column("ended_at", UtcDateTime),
    sa.Column("state", sa.String(20), nullable=False),
    sa.Column("waits_for", sa.Text),
    sa.Column("error_kind", sa.String(20)),
    sa.Column("error", sa.Text),
    sa.Column("receipt", sa.JSON),
    sa.Column("version", sa.String(40), nullable=False),
    sa.Column("leg", sa.Integer, nullable=False, default=1),
    sa.Column("follows", sa.String(64)),
    sa.Index("operations_by_time", "workspace", "requested_at"),
    sa.Index("operations_by_subject", "workspace", "subject_kind", "subject", "requested_at"),
    sa.Index("operations_by_state", "workspace", "state", "requested_at"),
    sa.Index("operations_by_person", "workspace", "person_name", "requested_at"),
)

operation_steps = sa.Table(
    "operation_steps",
    metadata,
    sa.Column("operation", sa.ForeignKey("operations.id"), primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True),
    sa.Column("name", sa.String(40), nullable=False),
    sa.Column("label", sa.Text, nullable=False),
    sa.Column("state", sa.String(20), nullable=False),
    sa.Column("started_at", UtcDateTime),
    sa.Column("ended_at", UtcDateTime),
    sa.Column("attempts", sa.Integer, nullable=False, default=0),
    sa.Column("detail", sa.Text),
    sa.Column("result", sa.JSON),
)

operation_lines = sa.Table(
    "operation_lines",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("operation", sa.ForeignKey("operations.id"), nullable=False),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("source", sa.String(20), nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Index("operation_lines_by_operation", "operation", "id"),
)

service_leases = sa.Table(
    "service_leases",
    metadata,
    sa.Column("workspace", sa.String(200), primary_key=True),
    sa.Column("service", sa.String(64), primary_key=True),
    sa.Column("operation", sa.String(64), nullable=False),
    sa.Column("until", UtcDateTime, nullable=False),
)

rotations = sa.Table(
    "rotations",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("workspace", sa.String(200), nullable=False),
    sa.Column("service", sa.String(64), nullable=False),
    sa.Column("idle_slot", sa.String(10), nullable=False),
    sa.Column("state", sa.String(20), nullable=False),
    sa.Column("started_by", sa.String(200), nullable=False),
    sa.Column("started_at", UtcDateTime, nullable=False),
    sa.Column("idle_done_at", UtcDateTime),
    sa.Column("moved_by", sa.String(200)),
    sa.Column("moved_at", UtcDateTime),
    sa.Column("ended_at", UtcDateTime),
    sa.Column("remind_at", UtcDateTime),
    sa.Column("first_leg", sa.String(64)),
    sa.Column("second_leg", sa.String(64)),
    sa.Column("checks", sa.JSON),
    # One rotation at a time per service: an open one blocks the next.
    sa.Index(
        "rotations_one_open",
        "workspace",
        "service",
        unique=True,
        sqlite_where=sa.text("ended_at IS NULL"),
        postgresql_where=sa.text("ended_at IS NULL"),
    ),
)

audit = sa.Table(
    "audit",
    metadata,
    sa.Column("seq", sa.Integer, primary_key=True),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("workspace", sa.String(200), nullable=False),
    sa.Column("person_id", sa.String(200), nullable=False),
    sa.Column("person_name", sa.String(200), nullable=False),
    sa.Column("action", sa.String(60), nullable=False),
    sa.Column("object_kind", sa.String(20), nullable=False),
    sa.Column("object", sa.String(260), nullable=False),
    sa.Column("result", sa.String(20), nullable=False),
    sa.Column("operation", sa.String(64)),
    sa.Column("event", sa.String(160), unique=True),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("previous_mac", sa.String(64), nullable=False),
    sa.Column("mac", sa.String(64), nullable=False),
    sa.Index("audit_by_time", "workspace", "at"),
    sa.Index("audit_by_number", "workspace", "seq"),
    sa.Index("audit_by_object", "workspace", "object_kind", "object", "at"),
)

sessions = sa.Table(
    "sessions",
    metadata,
    sa.Column("hash", sa.String(64), primary_key=True),
    sa.Column("person_id", sa.String(200), nullable=False),
    sa.Column("person_name", sa.String(200), nullable=False),
    sa.Column("role", sa.String(20), nullable=False),
    sa.Column("is_local", sa.Boolean, nullable=False),
    sa.Column("started_at", UtcDateTime, nullable=False),
    sa.Column("seen_at", UtcDateTime, nullable=False),
    sa.Column("ended_at", UtcDateTime),
)

sealed_secrets = sa.Table(
    "sealed_secrets",
    metadata,
    sa.Column("operation", sa.String(64), primary_key=True),
    sa.Column("sealed", sa.LargeBinary, nullable=False),
    sa.Column("expires_at", UtcDateTime, nullable=False),
)

files = sa.Table(
    "files",
    metadata,
    sa.Column("sha256", sa.String(64), primary_key=True),
    sa.Column("name", sa.String(260), primary_key=True),
    sa.Column("workspace", sa.String(200), nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("purpose", sa.String(20), nullable=False),
    sa.Column("person_id", sa.String(200), nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("keep_until", UtcDateTime),
)

bundles = sa.Table(
    "bundles",
    metadata,
    sa.Column("workspace", sa.String(200), primary_key=True),
    sa.Column("operation", sa.String(64), primary_key=True),
    sa.Column("service", sa.String(64), nullable=False),
    sa.Column("sha256", sa.String(64), nullable=False),
    sa.Column("content", sa.JSON, nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Index("bundles_by_service", "workspace", "service", "created_at"),
)

takers = sa.Table(
    "takers",
    metadata,
    sa.Column("workspace", sa.String(200), primary_key=True),
    sa.Column("matter", sa.String(300), primary_key=True),
    sa.Column("person_id", sa.String(200), nullable=False),
    sa.Column("person_name", sa.String(200), nullable=False),
    sa.Column("at", UtcDateTime, nullable=False),
)

switches = sa.Table(
    "switches",
    metadata,
    sa.Column("workspace", sa.String(200), primary_key=True),
    sa.Column("name", sa.String(60), primary_key=True),
    sa.Column("is_on", sa.Boolean, nullable=False),
    sa.Column("person_name", sa.String(200), nullable=False),
    sa.Column("at", UtcDateTime, nullable=False),
)

objectives = sa.Table(
    "objectives",
    metadata,
    sa.Column("workspace", sa.String(200), primary_key=True),
    sa.Column("service", sa.String(64), primary_key=True),
    sa.Column("availability", sa.Float),
    sa.Column("latency_ms", sa.Float),
    sa.Column("latency_share", sa.Float, nullable=False),
    sa.Column("window_days", sa.Integer, nullable=False),
    sa.Column("person_name", sa.String(200), nullable=False),
    sa.Column("at", UtcDateTime, nullable=False),
)

alert_rules = sa.Table(
    "alert_rules",
    metadata,
    sa.Column("workspace", sa.String(200), primary_key=True),
    sa.Column("kind", sa.String(20), primary_key=True),
    sa.Column("stage", sa.String(60), primary_key=True),
    sa.Column("threshold", sa.Float, nullable=False),
    sa.Column("for_seconds", sa.Integer, nullable=False),
    sa.Column("is_on", sa.Boolean, nullable=False),
    sa.Column("person_name", sa.String(200), nullable=False),
    sa.Column("at", UtcDateTime, nullable=False),
)

alerts = sa.Table(
    "alerts",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("workspace", sa.String(200), nullable=False),
    sa.Column("service", sa.String(64), nullable=False),
    sa.Column("kind", sa.String(20), nullable=False),
    sa.Column("stage", sa.String(60), nullable=False),
    sa.Column("opened_at", UtcDateTime, nullable=False),
    sa.Column("closed_at", UtcDateTime),
    sa.Column("worst", sa.Float, nullable=False),
    sa.Column("threshold", sa.Float, nullable=False),
    sa.Column("sentence", sa.Text, nullable=False),
    sa.Index("alerts_by_time", "workspace", "opened_at"),
    # One open alert of a kind per service.
    sa.Index(
        "alerts_one_open",
        "workspace",
        "service",
        "kind",
        unique=True,
        sqlite_where=sa.text("closed_at IS NULL"),
        postgresql_where=sa.text("closed_at IS NULL"),
    ),
)

probe_plans = sa.Table(
    "probe_plans",
    metadata,
    sa.Column("workspace", sa.String(200), primary_key=True),
    sa.Column("service", sa.String(64), primary_key=True),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("every_seconds", sa.Integer, nullable=False),
    sa.Column("deadline_seconds", sa.Float, nullable=False),
    sa.Column("expected_status", sa.Integer, nullable=False),
    sa.Column("expected_json", sa.JSON),
    sa.Column("is_on", sa.Boolean, nullable=False),
    sa.Column("person_name", sa.String(200), nullable=False),
    sa.Column("at", UtcDateTime, nullable=False),
)

own_queries = sa.Table(
    "own_queries",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("workspace", sa.String(200), nullable=False),
    sa.Column("name", sa.String(200), nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("person_id", sa.String(200), nullable=False),
    sa.Column("person_name", sa.String(200), nullable=False),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Index("own_queries_by_name", "workspace", "name"),
)

asked_queries = sa.Table(
    "asked_queries",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("workspace", sa.String(200), nullable=False),
    sa.Column("person_id", sa.String(200), nullable=False),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("rows", sa.Integer),
    sa.Column("took_seconds", sa.Float),
    sa.Column("error", sa.Text),
    sa.Index("asked_queries_by_person", "workspace", "person_id", "at"),
)

failure_groups = sa.Table(
    "failure_groups",
    metadata,
    sa.Column("workspace", sa.String(200), primary_key=True),
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("type", sa.String(200), nullable=False),
    sa.Column("message", sa.Text, nullable=False),
    sa.Column("place", sa.Text, nullable=False),
    sa.Column("first_seen", UtcDateTime, nullable=False),
    sa.Column("last_seen", UtcDateTime, nullable=False),
    sa.Column("first_service", sa.String(64), nullable=False),
    sa.Column("first_operation", sa.String(64)),
    sa.Column("sample_request", sa.String(100), nullable=False),
    sa.Column("assigned_to", sa.String(200)),
    sa.Column("muted_until", UtcDateTime),
)

log_snapshots = sa.Table(
    "log_snapshots",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("workspace", sa.String(200), nullable=False),
    sa.Column("service", sa.String(64), nullable=False),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("why", sa.String(20), nullable=False),
    sa.Column("state", sa.String(20), nullable=False),
    sa.Column("operation", sa.String(64)),
    sa.Column("is_init", sa.Boolean, nullable=False),
    sa.Column("sha256", sa.String(64), nullable=False),
    sa.Column("lines", sa.Integer, nullable=False),
    sa.Column("size", sa.Integer, nullable=False),
    sa.Index("log_snapshots_by_service", "workspace", "service", "at"),
)

incidents = sa.Table(
    "incidents",
    metadata,
    sa.Column("workspace", sa.String(200), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("severity", sa.Integer, nullable=False),
    sa.Column("status", sa.String(20), nullable=False),
    sa.Column("commander", sa.String(200)),
    sa.Column("is_focused", sa.Boolean, nullable=False),
    sa.Column("alert", sa.String(64)),
    sa.Column("opened_by", sa.String(200), nullable=False),
    sa.Column("started_at", UtcDateTime, nullable=False),
    sa.Column("detected_at", UtcDateTime, nullable=False),
    sa.Column("stable_at", UtcDateTime),
    sa.Column("closed_at", UtcDateTime),
    sa.Column("review", sa.JSON),
    sa.Index("incidents_by_time", "workspace", "started_at"),
)

incident_services = sa.Table(
    "incident_services",
    metadata,
    sa.Column("workspace", sa.String(200), primary_key=True),
    sa.Column("incident", sa.Integer, primary_key=True),
    sa.Column("service", sa.String(64), primary_key=True),
)

incident_notes = sa.Table(
    "incident_notes",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("workspace", sa.String(200), nullable=False),
    sa.Column("incident", sa.Integer, nullable=False),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("person_name", sa.String(200), nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Index("incident_notes_by_incident", "workspace", "incident", "at"),
)

incident_actions = sa.Table(
    "incident_actions",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("workspace", sa.String(200), nullable=False),
    sa.Column("incident", sa.Integer, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("owner", sa.String(200), nullable=False),
    sa.Column("due", sa.Date),
    sa.Column("done_at", UtcDateTime),
    sa.Index("incident_actions_by_incident", "workspace", "incident"),
)

drafts = sa.Table(
    "drafts",
    metadata,
    sa.Column("workspace", sa.String(200), primary_key=True),
    sa.Column("person_id", sa.String(200), primary_key=True),
    sa.Column("place", sa.String(80), primary_key=True),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("at", UtcDateTime, nullable=False),
)
