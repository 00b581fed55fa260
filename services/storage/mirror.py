"""The mirror: what Azure said last, read by every list on screen. Rebuildable: it may be deleted at any time."""

from __future__ import annotations

import sqlalchemy as sa

from services.storage.types import UtcDateTime

REVISION = "mirror_0002"

metadata = sa.MetaData()

services = sa.Table(
    "services",
    metadata,
    sa.Column("workspace", sa.String(200), primary_key=True),
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("compute_type", sa.String(20), nullable=False),
    sa.Column("state", sa.String(20), nullable=False),
    sa.Column("state_since", UtcDateTime, nullable=False),
    sa.Column("application", sa.String(200), nullable=False),
    sa.Column("stage", sa.String(60), nullable=False),
    sa.Column("broken", sa.Text),
    sa.Column("content", sa.JSON, nullable=False),
    sa.Column("configuration_sha256", sa.String(64), nullable=False),
    sa.Column("read_at", UtcDateTime, nullable=False),
)

service_models = sa.Table(
    "service_models",
    metadata,
    sa.Column("workspace", sa.String(200), primary_key=True),
    sa.Column("service", sa.String(64), primary_key=True),
    sa.Column("model_id", sa.String(270), primary_key=True),
    sa.Index("service_models_by_model", "workspace", "model_id"),
)

state_changes = sa.Table(
    "state_changes",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("workspace", sa.String(200), nullable=False),
    sa.Column("service", sa.String(64), nullable=False),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("before", sa.String(20)),
    sa.Column("after", sa.String(20)),
    sa.Column("error", sa.Text),
    sa.Index("state_changes_by_service", "workspace", "service", "at"),
)

models = sa.Table(
    "models",
    metadata,
    sa.Column("workspace", sa.String(200), primary_key=True),
    sa.Column("id", sa.String(270), primary_key=True),
    sa.Column("name", sa.String(260), nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("framework", sa.String(60), nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("created_by", sa.String(200), nullable=False),
    sa.Column("run_id", sa.String(200), nullable=False),
    sa.Column("size", sa.BigInteger),
    sa.Column("is_latest", sa.Boolean, nullable=False),
    sa.Column("search", sa.Text, nullable=False),
    sa.Column("content", sa.JSON, nullable=False),
    sa.Column("sweep", sa.Integer, nullable=False, default=0),
    sa.Index("models_by_time", "workspace", "created_at", "id"),
    sa.Index("models_by_name", "workspace", "name", "version"),
)

environments = sa.Table(
    "environments",
    metadata,
    sa.Column("workspace", sa.String(200), primary_key=True),
    sa.Column("name", sa.String(260), primary_key=True),
    sa.Column("version", sa.String(60), primary_key=True),
    sa.Column("content", sa.JSON, nullable=False),
    sa.Column("read_at", UtcDateTime, nullable=False),
)

computes = sa.Table(
    "computes",
    metadata,
    sa.Column("workspace", sa.String(200), primary_key=True),
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("content", sa.JSON, nullable=False),
    sa.Column("read_at", UtcDateTime, nullable=False),
)

summaries = sa.Table(
    "summaries",
    metadata,
    sa.Column("workspace", sa.String(200), primary_key=True),
    sa.Column("service", sa.String(64), primary_key=True),
    sa.Column("read_at", UtcDateTime, nullable=False),
    sa.Column("content", sa.JSON, nullable=False),
)

refreshes = sa.Table(
    "refreshes",
    metadata,
    sa.Column("workspace", sa.String(200), primary_key=True),
    sa.Column("what", sa.String(40), primary_key=True),
    sa.Column("succeeded_at", UtcDateTime),
    sa.Column("failing_since", UtcDateTime),
    sa.Column("error", sa.Text),
    sa.Column("took_seconds", sa.Float),
    sa.Column("marker", sa.Text),
)

heartbeats = sa.Table(
    "heartbeats",
    metadata,
    sa.Column("part", sa.String(60), primary_key=True),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("started_at", UtcDateTime, nullable=False),
    sa.Column("detail", sa.Text, nullable=False, default=""),
)

probe_results = sa.Table(
    "probe_results",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("workspace", sa.String(200), nullable=False),
    sa.Column("service", sa.String(64), nullable=False),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("purpose", sa.String(10), nullable=False),
    sa.Column("client_request_id", sa.String(100), nullable=False),
    sa.Column("request_id", sa.String(100), nullable=False),
    sa.Column("status", sa.Integer),
    sa.Column("milliseconds", sa.Float, nullable=False),
    sa.Column("model_milliseconds", sa.Float),
    sa.Column("passed", sa.Boolean),
    sa.Column("failure", sa.Text, nullable=False),
    sa.Column("seen_at", UtcDateTime),
    sa.Index("probe_results_by_service", "workspace", "service", "at"),
    sa.Index("probe_results_by_time", "workspace", "at"),
)
