"""KQL of a person: run it within limits, keep what was asked, save it under a name, open it in the Azure portal.

Rows are raw and may hold what callers sent: running needs the right to it, and every run is in the audit log before it
is sent. What leads out of the workspace is refused (`azuremonitor/refusals.py`).
"""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from services.access import Person
from services.audit import Audit
from services.azureml.access import Access
from services.azureml.log_workspace import LogWorkspace, find_log_resource
from services.azuremonitor import portal, queries, refusals
from services.azuremonitor.client import QUERY_SECONDS, LogAnalytics
from services.azuremonitor.schemas import SCHEMAS, TableSchema
from services.azuremonitor.tables import Table
from services.clock import Clock
from services.errors import DeskError, Forbidden, Invalid, NotFound
from services.live import Live
from services.operations.desk import Operations
from services.scrubbing import scrub
from services.storage import ledger
from services.storage.database import Database

COMMAND = "queries.edit"
MOST_ROWS = 10_000
LONGEST_TEXT = 20_000
LONGEST_NAME = 80
KEPT_ASKED = 100
"""How many of a person's queries the history holds."""
LIMITS = (
    f"A query runs read-only, for at most {QUERY_SECONDS} s, over at most {queries.LONGEST_RANGE.days} days, and gives "
    f"its first {MOST_ROWS:,} rows."
)

_RENDER = re.compile(r"\|\s*render\s+(?P<kind>\w+)[^|]*$", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a query gave."""

    table: Table
    is_cut: bool
    """Whether it has more rows than are given."""
    drawn_as: str
    """What `| render` asks for, for example `timechart`; empty = a table."""


@dataclass(frozen=True, kw_only=True)
class AskedQuery:
    """One line of a person's history."""

    at: datetime
    text: str
    rows: int | None
    took_seconds: float | None
    error: str | None


@dataclass(frozen=True, kw_only=True)
class OwnQuery:
    """A query somebody saved; everybody sees it."""

    id: str
    name: str
    text: str
    person_id: str
    person_name: str
    at: datetime


@dataclass(frozen=True, kw_only=True)
class PortalLink:
    """Where a query opens in the Azure portal, or why it does not."""

    address: str | None
    why_not: str = ""


class Queries:
    """Run, remember, save."""

    def __init__(
        self,
        database: Database,
        live: Live,
        logs: Callable[[], LogAnalytics],
        access: Access,
        operations: Operations,
        audit: Audit,
        *,
        workspace: str,
        clock: Clock,
    ) -> None:
        self._database = database
        self._live = live
        self._logs = logs
        self._access = access
        self._operations = operations
        self._audit = audit
        self._workspace = workspace
        self._clock = clock
        self._resource: LogWorkspace | None = None

    def run(self, person: Person, text: str, *, start: datetime, end: datetime) -> Answer:
        """Run a person's query over a range; it may build on `Requests`, `FrontEnd`, `Scale`, `Start` and `End`."""
        self._operations.check(person, COMMAND, "query", "Log Analytics")
        if len(text) > LONGEST_TEXT:
            raise Invalid(f"The query is longer than {LONGEST_TEXT:,} characters: shorten it.", field="query")
        refusals.check(text)
        self._audit.record_alone(person, COMMAND, "query", "Log Analytics", after={"text": scrub(text)})
        begun = time.monotonic()
        try:
            table = self._live.alone(
                lambda: self._logs().console(limited(text), start=start, end=end),
                what="The answer to your query",
                deadline=QUERY_SECONDS + 5.0,
            )
        except DeskError as error:
            self._keep(person, text, rows=None, seconds=time.monotonic() - begun, error=error.sentence)
            raise
        is_cut = len(table.rows) > MOST_ROWS
        if is_cut:
            table = Table(table.columns, table.rows[:MOST_ROWS], table.partial, table.query, table.took_seconds)
        self._keep(person, text, rows=len(table.rows), seconds=table.took_seconds, error=None)
        return Answer(table=table, is_cut=is_cut, drawn_as=drawn_as(text))

    def history(self, person: Person, *, limit: int = 50) -> list[AskedQuery]:
        """What this person ran, newest first; the same text once."""
        table = ledger.asked_queries
        query = (
            sa.select(table.c.at, table.c.text, table.c.rows, table.c.took_seconds, table.c.error)
            .where(self._asked_by(person))
            .order_by(table.c.id.desc())
        )
        with self._database.reading() as look:
            found: dict[str, AskedQuery] = {}
            for row in look.execute(query):
                found.setdefault(row.text, AskedQuery(**row._mapping))
        return list(found.values())[:limit]

    def own(self) -> list[OwnQuery]:
        """The queries people saved, by name."""
        table = ledger.own_queries
        query = (
            sa.select(*(table.c[name] for name in OwnQuery.__dataclass_fields__))
            .where(table.c.workspace == self._workspace)
            .order_by(sa.func.lower(table.c.name), table.c.at)
        )
        with self._database.reading() as look:
            return [OwnQuery(**row._mapping) for row in look.execute(query)]

    def save(self, person: Person, name: str, text: str) -> str:
        """Save a query under a name; a person's second one of a name replaces the first. Returns its id."""
        self._operations.check(person, COMMAND, "query", name)
        name = name.strip()
        if not name or len(name) > LONGEST_NAME:
            raise Invalid(f"Give the query a name of at most {LONGEST_NAME} characters.", field="name")
        if len(text) > LONGEST_TEXT:
            raise Invalid(f"The query is longer than {LONGEST_TEXT:,} characters: shorten it.", field="query")
        refusals.check(text)
        table, made = ledger.own_queries, uuid.uuid4().hex
        with self._database.writing() as work:
            work.execute(
                sa.delete(table).where(
                    table.c.workspace == self._workspace, table.c.person_id == person.id, table.c.name == name
                )
            )
            work.execute(
                sa.insert(table).values(
                    id=made,
                    workspace=self._workspace,
                    name=name,
                    text=scrub(text),
                    person_id=person.id,
                    person_name=person.name,
                    at=self._clock.now(),
                )
            )
            self._audit.record(work, person, "queries.save", "query", name, after={"text": scrub(text)})
        return made

    def delete(self, person: Person, query_id: str) -> None:
        """Delete a query one saved oneself."""
        self._operations.check(person, COMMAND, "query", query_id)
        table = ledger.own_queries
        with self._database.writing() as work:
            row = work.execute(
                sa.select(table).where(table.c.workspace == self._workspace, table.c.id == query_id)
            ).first()
            if row is None:
                raise NotFound("This query is not there any more: somebody may have deleted or saved it anew.")
            if row.person_id != person.id:
                raise Forbidden(f"{row.person_name} saved this query: only they can delete it. Save it as your own.")
            work.execute(sa.delete(table).where(table.c.id == query_id))
            self._audit.record(work, person, "queries.delete", "query", row.name, before={"text": row.text})

    def tables(self) -> tuple[TableSchema, ...]:
        """The tables a query may read, with their columns."""
        return SCHEMAS

    def shipped(self) -> list[queries.Query]:
        """The desk's own queries, to begin with."""
        return [queries.load(name) for name in queries.names()]

    def portal_link(self, text: str, *, start: datetime, end: datetime) -> PortalLink:
        """The address that opens a query, as it ran, in the Azure portal."""
        if self._access.is_local:
            return PortalLink(
                address=None, why_not="The local workspace is not in the Azure portal: copy the query instead."
            )
        found = self._log_resource()
        if found is None:
            return PortalLink(
                address=None,
                why_not="The Log Analytics workspace is known here by its id only: copy the query and open it there.",
            )
        address = portal.link(text, resource_id=found.resource_id, cloud=self._access.cloud, start=start, end=end)
        if address is None:
            return PortalLink(address=None, why_not="This query is too long for a link: copy it instead.")
        return PortalLink(address=address)

    def _log_resource(self) -> LogWorkspace | None:
        if self._resource is None:
            self._resource = self._live.shared(
                ("log workspace",),
                lambda: find_log_resource(self._access),
                what="The Log Analytics workspace's address",
            )
        named = self._access.logs_workspace_id()
        # A workspace named in the settings may be another than the one the telemetry's component leads to.
        if self._resource is None or (named and named != self._resource.customer_id):
            return None
        return self._resource

    def _keep(self, person: Person, text: str, *, rows: int | None, seconds: float, error: str | None) -> None:
        table = ledger.asked_queries
        with self._database.writing() as work:
            work.execute(
                sa.insert(table).values(
                    workspace=self._workspace,
                    person_id=person.id,
                    at=self._clock.now(),
                    text=scrub(text),
                    rows=rows,
                    took_seconds=seconds,
                    error=error,
                )
            )
            oldest = work.execute(
                sa.select(table.c.id)
                .where(self._asked_by(person))
                .order_by(table.c.id.desc())
                .offset(KEPT_ASKED)
                .limit(1)
            ).scalar()
            if oldest is not None:
                work.execute(sa.delete(table).where(self._asked_by(person), table.c.id <= oldest))

    def _asked_by(self, person: Person) -> sa.ColumnElement[bool]:
        table = ledger.asked_queries
        return sa.and_(table.c.workspace == self._workspace, table.c.person_id == person.id)


def limited(text: str) -> str:
    """The query with a limit on its rows: one more than are given, to tell that there are more."""
    without = _RENDER.sub("", text.rstrip().rstrip(";")).rstrip().rstrip(";")
    return f"{without}\n| take {MOST_ROWS + 1}"


def drawn_as(text: str) -> str:
    """What a query's last `| render` asks for."""
    found = _RENDER.search(text.rstrip().rstrip(";"))
    return found["kind"].lower() if found else ""
