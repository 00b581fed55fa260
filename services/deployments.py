"""Launch and change services: check what is wanted, plan it against what runs, start the operation that does it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

import sqlalchemy as sa

from services.access import Person
from services.azureml.types import ModelVersion, Service, visible_tags
from services.bundles import BESIDE_THE_POINT, Bundle, Bundles, assets_of
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


class Deployments:
    """Check, plan, launch, change, take back."""

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
        self._bundles = Bundles(database, workspace=workspace)
        self._operations = operations
        self._webservices = webservices
        self._registry = registry
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
        live = self._live(wanted.service)
        return plan_change(live, wanted, live_code=self._bundles.code_of(live), redeploy=redeploy)

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
        title: str = "",
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
            title=title or _title(plan, wanted),
            plan=plan.to_json(),
            reason=reason,
            before=None if live is None else {"configuration": live.configuration, "models": list(live.model_ids)},
            after={"configuration": wanted.asked, "models": list(wanted.model_ids), "tags": visible_tags(wanted.tags)},
            operation_id=operation_id,
            secrets=dict(secrets) if secrets else None,
            alongside=partial(_keep_for_good, wanted),
        )

    # What ran before

    def bundle(self, service: str) -> Bundle | None:
        """What ran last as this service, or None when nothing is kept of it."""
        found = self.bundles(service, limit=1)
        return found[0] if found else None

    def bundles(self, service: str, *, limit: int = 50) -> list[Bundle]:
        """What ran as this service, newest first."""
        return self._bundles.of(service, limit=limit)

    def bundle_running(self, service: str) -> Bundle | None:
        """The bundle that describes what runs now; None when none is known to."""
        return self._bundles.running(self._live(service))

    def bundle_before(self, service: str) -> Bundle | None:
        """What ran before what runs now: the newest bundle with which something else would run; None without one."""
        live = self._live(service)
        live_code = self._bundles.code_of(live)
        for bundle in self._bundles.of(service):
            if live is not None and live.compute_type != bundle.wanted.target:
                continue
            changes = plan_change(live, bundle.again(), live_code=live_code).changes
            if any(change.field not in BESIDE_THE_POINT for change in changes):
                return bundle
        return None

    def redeploy_plan(self, service: str, bundle_operation: str) -> Plan:
        """What taking a service back to an earlier bundle would do to what runs now."""
        bundle = self._bundles.get(service, bundle_operation)
        live = self._live(service)
        if not bundle.has_its_code and (live is None or assets_of(live) != bundle.assets):
            why = " ".join(bundle.remarks) or "It was never kept here."
            raise Conflict(
                f"The code of this bundle of {service} is not here, and what runs now is another one. {why} "
                "Choose another bundle, or upload the code on the Deploy screen."
            )
        if bundle.hides_secrets:
            raise Conflict(
                f"The environment of this bundle of {service} holds a secret, which the desk never keeps: launch it on "
                "the Deploy screen with an environment that has it."
            )
        plan = self.plan(bundle.again())
        lost = [bundle.wanted_label(name) for name in bundle.lost_secrets]
        if lost and plan.action in ("create", "redeploy"):
            raise Conflict(
                f"{service} needs {', '.join(lost)} again, which the desk never keeps: launch it on the Deploy screen, "
                "where they can be typed."
            )
        return plan

    def redeploy(
        self,
        person: Person,
        service: str,
        bundle_operation: str,
        *,
        based_on: str,
        reason: str = "",
        operation_id: str | None = None,
    ) -> str:
        """Take a service back to an earlier bundle, exactly, as planned; the present keys stay."""
        if operation_id and self._is_started(operation_id):
            return operation_id
        bundle = self._bundles.get(service, bundle_operation)
        self.redeploy_plan(service, bundle_operation)
        models = ", ".join(bundle.wanted.model_ids)
        return self.launch(
            person,
            bundle.again(),
            based_on=based_on,
            reason=reason,
            operation_id=operation_id,
            title=f"Take {service} back to {models} of {bundle.created_at:%Y-%m-%d %H:%M} UTC",
        )

    def earlier_code(self) -> list[tuple[str, Bundle]]:
        """Code that earlier bundles carry, newest first, each once: what the form offers to use again."""
        found: dict[str, tuple[str, Bundle]] = {}
        for bundle in self._bundles.newest_of_all(limit=500):
            if bundle.wanted.code and bundle.wanted.code.sha256:
                found.setdefault(bundle.wanted.code.sha256, (bundle.wanted.service, bundle))
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
