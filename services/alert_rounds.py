"""The worker's rounds with the alert rules: measure every service, open what is broken, close what is over."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from services import alert_rules
from services.alert_rules import KINDS, QUIET_AFTER_CHANGE, Kind, Measures, Rule, Standing, rule_for
from services.alerts import Alert, Alerts
from services.azuremonitor.client import LogAnalytics
from services.clock import Clock
from services.errors import DeskError
from services.operations.desk import Operations
from services.probes import ProbeResult, Probes
from services.webservices import ListedService, Webservices

LOOK_BACK = timedelta(minutes=10)
"""How late telemetry may be and still count: on Azure it comes minutes after the request."""
AHEAD = timedelta(minutes=1)
CHANGING_KINDS = ("service.deploy", "service.update", "service.delete")
LONGEST_CHANGE = timedelta(hours=2)
PROBES_BACK = timedelta(hours=3)


class AlertRounds:
    """Measures and decides."""

    def __init__(
        self,
        alerts: Alerts,
        probes: Probes,
        webservices: Webservices,
        operations: Operations,
        logs: Callable[[], LogAnalytics],
        *,
        clock: Clock,
    ) -> None:
        self._alerts = alerts
        self._probes = probes
        self._webservices = webservices
        self._operations = operations
        self._logs = logs
        self._clock = clock
        self._standings: dict[tuple[str, Kind], Standing] = {}
        """Lost with the worker: a rule then has to be broken for its whole time anew."""

    def turn(self) -> None:
        """Look at every service once. Without telemetry the rules about it stay as they are; probes still count."""
        services = [listed for listed in self._webservices.all() if not listed.service.broken]
        probes = self._probe_measures()
        try:
            rows: dict[str, dict[str, Any]] | None = self._rows()
        except DeskError:
            self._judge(services, None, probes)
            raise
        self._judge(services, rows, probes)

    def _judge(
        self,
        services: Sequence[ListedService],
        rows: dict[str, dict[str, Any]] | None,
        probes: dict[str, tuple[int, str]],
    ) -> None:
        now = self._clock.now()
        set_ = self._alerts.rules_set()
        changing = self._changing(now)
        standing = {(alert.service, alert.kind): alert for alert in self._alerts.open()}
        for listed in services:
            name = listed.service.name
            measures = measured((rows or {}).get(name), probes.get(name))
            for kind in KINDS:
                if rows is None and kind != "probe":
                    standing.pop((name, kind), None)
                    continue
                rule = rule_for(kind, listed.stage, set_)
                self._one(listed, rule, measures, standing.pop((name, kind), None), now=now, quiet=name in changing)
        for alert in standing.values():
            self._alerts.end(alert, why="the service is gone")
            self._standings.pop((alert.service, alert.kind), None)

    def _one(
        self, listed: ListedService, rule: Rule, measures: Measures, alert: Alert | None, *, now: datetime, quiet: bool
    ) -> None:
        key = (listed.service.name, rule.kind)
        reading = alert_rules.read(rule, measures)
        standing = alert_rules.after(self._standings.get(key, Standing()), reading, now)
        if alert is not None:
            self._standings[key] = standing
            if alert_rules.closes(rule, standing, now):
                self._alerts.end(alert, why=reading.sentence if rule.is_on else "the rule was switched off")
            elif reading.value is not None and reading.value > alert.worst:
                self._alerts.worsen(alert, value=reading.value, sentence=reading.sentence)
            return
        # What a change stirs up while it lasts, and a little longer, is looked at by the person who made it.
        self._standings[key] = Standing() if quiet else standing
        if not quiet and reading.value is not None and alert_rules.opens(rule, standing, now):
            self._alerts.begin(
                listed.service.name, rule, stage=listed.stage, value=reading.value, sentence=reading.sentence
            )

    def _changing(self, now: datetime) -> set[str]:
        """The services that are being changed, or were until a moment ago."""
        recent = self._operations.page(subject_kind="service", since=now - LONGEST_CHANGE, limit=500)
        return {
            operation.subject
            for operation in (*self._operations.running(), *recent)
            if operation.kind in CHANGING_KINDS
            and (
                operation.is_open or (operation.ended_at is not None and now - operation.ended_at < QUIET_AFTER_CHANGE)
            )
        }

    def _rows(self) -> dict[str, dict[str, Any]]:
        now = self._clock.now()
        table = self._logs().ask("alert_windows", start=now - LOOK_BACK, end=now + AHEAD)
        return {row["Service"]: row for row in table.dicts()}

    def _probe_measures(self) -> dict[str, tuple[int, str]]:
        """For every service that is probed: how many failed in a row, and what the newest says."""
        now = self._clock.now()
        return {
            plan.service: failed_in_a_row(self._probes.recent(plan.service, now - PROBES_BACK, limit=200))
            for plan in self._probes.plans()
        }


def failed_in_a_row(newest_first: Sequence[ProbeResult]) -> tuple[int, str]:
    """How many of the newest probes failed without one that passed in between, and why the newest did."""
    probes = [result for result in newest_first if result.purpose == "probe"]
    count = next((n for n, result in enumerate(probes) if result.passed), len(probes))
    return count, probes[0].failure if count else ""


def measured(row: dict[str, Any] | None, probes: tuple[int, str] | None) -> Measures:
    """What is known about one service: a row of `alert_windows`, and its probes."""
    failed_probes, failure = probes if probes is not None else (None, "")
    if row is None:
        return Measures(failed_probes=failed_probes, probe_failure=failure)
    return Measures(
        requests=row["n"],
        failed=row["failed"],
        soft=row["soft"],
        p95_ms=row["p95"],
        last_minute_requests=row["shortN"],
        last_minute_failed=row["shortFailed"],
        last_minute_p95_ms=row["shortP95"],
        failed_probes=failed_probes,
        probe_failure=failure,
    )
