"""Launch and change services: check what is wanted, plan it against what runs, start the operation that does it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import sqlalchemy as sa

from services.access import Person
from services.azureml.types import ModelVersion, Service, visible_tags
from services.clock import Clock
from services.errors import Conflict, Invalid, NotFound
from services.operations.desk import Operations
from services.planning.access_rules import is_anonymous
from services.planning.plan import Plan
from services.planning.plan import plan as plan_change
from services.planning.problems import Problem, refuse
from services.planning.rules import Capacity, Observed, check_wanted
from services.planning.wanted import CodeRef, Wanted, from_service
from services.registry import Registry
from services.storage import ledger
from services.storage.database import Database
from services.webservices import Webservices

ACCESS = ("auth_enabled", "token_auth_enabled")
"""The settings that say how callers prove themselves."""


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """What a deployment by the desk put there: exact models, code, environment and configuration."""

    operation: str
    sha256: str
    wanted: Wanted
    created_at: Any


class Deployments:
    """Check, plan, launch, change."""

    def __init__(
        self,
        database: Database,
        operations: Operations,
        webservices: Webservices,
        registry: Registry,
        *,
        workspace: str,
        clock: Clock,
    ) -> None:
        self._database = database
        self._operations = operations
        self._webservices = webservices
        self._registry = registry
        self._workspace = workspace
        self._clock = clock

    def wanted_now(self, name: str) -> Wanted:
        """What a service is now, as something to ask for again: where every edit starts."""
        return from_service(self._webservices.get(name).service)

    def copy_of(self, name: str) -> Wanted:
        """What a service is, under a name still to be given; an environment of a file comes with its document."""
        wanted = self.wanted_now(name)
        bundle = self.bundle(name)
        environment = wanted.environment
        if environment and environment.version is None and bundle and bundle.wanted.environment:
            # Not registered: the only copy of the whole document is with us.
            environment = bundle.wanted.environment if bundle.wanted.environment.document else environment
        return replace(wanted, service="", environment=environment, anonymous_confirmed=False)

    def resolved(self, code: CodeRef) -> CodeRef:
        """Code "as a service runs it" becomes the upload it came from, where the desk deployed it."""
        if code.source != "service":
            return code
        bundle = self.bundle(code.service)
        if bundle is None or bundle.wanted.code is None or not bundle.wanted.code.sha256:
            return code
        return replace(bundle.wanted.code, entry_script=code.entry_script)

    def check(self, wanted: Wanted) -> list[Problem]:
        """Every rule the wanted service breaks, errors first."""
        live = self._live(wanted.service)
        models, missing = self._models(wanted)
        problems = [
            Problem(field="model_ids", sentence=f"{model_id} is not registered (any more): choose another version.")
            for model_id in missing
        ]
        return problems + check_wanted(
            wanted, live=live, capacity=self._capacity(wanted), observed=self._observed(wanted.service), models=models
        )

    def plan(self, wanted: Wanted, *, redeploy: bool = False) -> Plan:
        """What launching would do to what runs now."""
        bundle = self.bundle(wanted.service)
        code = bundle.wanted.code.sha256 if bundle and bundle.wanted.code else None
        return plan_change(self._live(wanted.service), wanted, live_code=code, redeploy=redeploy)

    def launch(
        self,
        person: Person,
        wanted: Wanted,
        *,
        based_on: str,
        redeploy: bool = False,
        reason: str = "",
        secrets: Mapping[str, str] | None = None,
        operation_id: str | None = None,
    ) -> str:
        """Start what the plan says; refused when the service is no longer the one planned against (`based_on`).

        The same `operation_id` twice is one operation, whatever else has changed since the first click.
        """
        if operation_id and self._is_started(operation_id):
            return operation_id
        refuse(self.check(wanted))
        plan = self.plan(wanted, redeploy=redeploy)
        if plan.based_on != based_on:
            raise Conflict(
                f"{wanted.service} was changed since this plan was made: look at the new plan below and launch again."
            )
        if plan.action == "none":
            raise Invalid(f"{wanted.service} is already as asked: there is nothing to launch.")
        live = self._live(wanted.service)
        if is_anonymous(wanted.configuration, target=wanted.target) and (live is None or live.auth != "none"):
            self._operations.check(person, "service.make_anonymous", "service", wanted.service)
        missing = [name for name in wanted.sealed if name not in (secrets or {})]
        if missing:
            raise Invalid("Type the secret again: it was not sent along.", field=missing[0])
        kind = "service.update" if plan.action == "update" else "service.deploy"
        if wanted.code:
            wanted = replace(wanted, code=self.resolved(wanted.code))
        return self._operations.start(
            person,
            kind,
            wanted.service,
            {"wanted": wanted.to_json(), "target": wanted.target, "action": plan.action},
            title=_title(plan, wanted),
            plan=plan.to_json(),
            reason=reason,
            before=None if live is None else {"configuration": live.configuration, "models": list(live.model_ids)},
            after={"configuration": wanted.asked, "models": list(wanted.model_ids), "tags": visible_tags(wanted.tags)},
            operation_id=operation_id,
            secrets=dict(secrets) if secrets else None,
            alongside=partial(_keep_for_good, wanted),
        )

    def bundle(self, service: str) -> Bundle | None:
        """What the desk deployed last as this service, or None when it never did."""
        found = self.bundles(service, limit=1)
        return found[0] if found else None

    def bundles(self, service: str, *, limit: int = 50) -> list[Bundle]:
        """What the desk deployed as this service, newest first."""
        table = ledger.bundles
        with self._database.reading() as look:
            rows = look.execute(
                sa.select(table)
                .where(table.c.workspace == self._workspace, table.c.service == service)
                .order_by(table.c.created_at.desc())
                .limit(limit)
            )
            return [_bundle(row) for row in rows]

    def earlier_code(self) -> list[tuple[str, Bundle]]:
        """Code that earlier deployments carried, newest first, each once: what the form offers to use again."""
        table = ledger.bundles
        with self._database.reading() as look:
            rows = look.execute(
                sa.select(table)
                .where(table.c.workspace == self._workspace)
                .order_by(table.c.created_at.desc())
                .limit(500)
            )
            found: dict[str, tuple[str, Bundle]] = {}
            for row in rows:
                bundle = _bundle(row)
                if bundle.wanted.code and bundle.wanted.code.sha256:
                    found.setdefault(bundle.wanted.code.sha256, (row.service, bundle))
        return list(found.values())

    def _is_started(self, operation_id: str) -> bool:
        try:
            self._operations.get(operation_id)
        except NotFound:
            return False
        return True

    def _live(self, name: str) -> Service | None:
        listed = self._webservices.find(name)
        return listed.service if listed else None

    def _models(self, wanted: Wanted) -> tuple[list[ModelVersion], list[str]]:
        found, missing = [], []
        for model_id in wanted.model_ids:
            try:
                found.append(self._registry.get(model_id).model)
            except NotFound:
                missing.append(model_id)
        return found, missing

    def _capacity(self, wanted: Wanted) -> Capacity:
        compute = next((found for found in self._webservices.computes() if found.name == wanted.compute), None)
        return Capacity(nodes=compute.nodes, purpose=compute.purpose) if compute else Capacity()

    def _observed(self, name: str) -> Observed:
        listed = self._webservices.find(name)
        return Observed(p99_ms=listed.summary.p99_ms) if listed and listed.summary else Observed()


def _keep_for_good(wanted: Wanted, work: sa.Connection) -> None:
    """What is launched is needed again for a redeploy or a roll-back: its upload does not expire any more."""
    if wanted.code and wanted.code.sha256:
        table = ledger.files
        work.execute(sa.update(table).where(table.c.sha256 == wanted.code.sha256).values(keep_until=None))


def _title(plan: Plan, wanted: Wanted) -> str:
    models = ", ".join(wanted.model_ids)
    if plan.action == "create":
        return f"Deploy {models} as {wanted.service}"
    if plan.action == "redeploy":
        return f"Redeploy {wanted.service} with {models}"
    is_opened = is_anonymous(wanted.configuration, target=wanted.target)
    changes = [change for change in plan.changes if not (is_opened and change.field in ACCESS)]
    labels = ", ".join(dict.fromkeys(change.label.lower() for change in changes))
    if len(changes) == len(plan.changes):
        return f"Change {wanted.service}: {labels}"
    # What a person has to see at a glance in every list.
    return f"Make {wanted.service} anonymous" + (f", change {labels}" if labels else "")


def _bundle(row: Any) -> Bundle:
    return Bundle(
        operation=row.operation, sha256=row.sha256, wanted=Wanted.from_json(row.content), created_at=row.created_at
    )
