"""Alerts on screen: what is open and what was, and the rules behind them, which an operator changes in a dialog."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from dashboard import actions, context, reads_watching
from dashboard.ui import alert_words, headings, incident_open, operation_words, tables, times
from services.alert_rules import EVERY_OTHER, KINDS, LONGEST_FOR, Rule
from services.alerts import LIMITS, Alert

SILENCE = (
    "While a service is being deployed, updated or deleted, and for 3 min after, no new alert opens for it. "
    "An alert closes when its rule has held again for 30 s."
)


def show() -> None:
    """Show the last week's alerts of all services and the rules, folded away."""
    with st.expander("Alerts: the last 7 days, and the rules", icon=alert_words.ICON, key="alerts-panel"):
        _past(reads_watching.recent_alerts(), key="alerts-past", with_service=True)
        headings.section("Rules", SILENCE)
        rules = reads_watching.rules()
        _rules(rules)
        with st.container(horizontal=True, gap="small"):
            for stage in dict.fromkeys(rule.stage for rule in rules):
                _change([rule for rule in rules if rule.stage == stage], stage)


def of_service(service: str) -> None:
    """Show what is open about one service, first of all; and what was, folded away."""
    for alert in (alert for alert in reads_watching.open_alerts() if alert.service == service):
        _open(alert)
    past = [alert for alert in reads_watching.recent_alerts(service) if not alert.is_open]
    if past:
        with st.expander(f"Alerts of the last 7 days that are over ({len(past)})", icon=alert_words.ICON):
            _past(past, key="service-alerts", with_service=False)


def _open(alert: Alert) -> None:
    with st.container(border=True, gap="xsmall", key=f"alert-{alert.id}"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.badge(f"alert: {alert_words.title(alert)}", icon=alert_words.ICON, color="red")
            st.space("stretch")
            incident_open.button(alert=alert, key=f"alert-incident-{alert.id}")
        sentence = alert.sentence[:1].upper() + alert.sentence[1:]
        st.markdown(operation_words.escaped(f"{sentence}."))
        st.caption(f"since {times.both(alert.opened_at)}", help=times.hover(alert.opened_at))


def _past(alerts: Sequence[Alert], *, key: str, with_service: bool) -> None:
    tables.show(
        [
            {
                "opened": alert.opened_at,
                "service": alert.service,
                "rule": alert_words.title(alert),
                "lasted": times.span((alert.closed_at or context.now()) - alert.opened_at),
                "state": "over" if alert.closed_at else "open",
                "sentence": alert.sentence,
            }
            for alert in alerts
        ],
        key=key,
        alt="Alerts of the last seven days, newest first.",
        columns={
            "opened": times.column("Opened", relative=False),
            "service": tables.text("Service") if with_service else None,
            "rule": tables.text("Rule"),
            "state": tables.text("State"),
            "lasted": tables.text("Lasted"),
            "sentence": tables.text("At its worst", wide=True),
        },
        empty="No alert opened in the last 7 days.",
    )


def _rules(rules: Sequence[Rule]) -> None:
    tables.show(
        [
            {
                "rule": alert_words.KINDS[rule.kind].title,
                "stage": alert_words.stage(rule.stage),
                "limit": alert_words.limit(rule),
                "for": times.span(rule.for_seconds) if rule.for_seconds else "at once",
                "meaning": alert_words.KINDS[rule.kind].meaning,
            }
            for rule in rules
        ],
        key="alert-rules",
        alt="The rules of alerts, per stage.",
        columns={
            "rule": tables.text("Rule"),
            "stage": tables.text("Stage"),
            "limit": tables.text("Limit"),
            "for": tables.text("For"),
            "meaning": tables.text("Meaning", wide=True),
        },
    )


def _change(rules: Sequence[Rule], stage: str) -> None:
    name = stage or "other"
    actions.button(
        f"Rules for {alert_words.stage(stage)}",
        lambda asked: _save(asked, stage, name),
        key=f"alert-rules-{name}",
        ask=f"These rules hold in **{operation_words.escaped(alert_words.stage(stage))}** from the next look on, "
        "15 s at most."
        if stage != EVERY_OTHER
        else "These rules hold wherever a stage has none of its own, from the next look on, 15 s at most.",
        detail=lambda: _fields(rules, name),
        confirm="Save",
        command="alert.rule",
        started="The rules are changed.",
        clears=reads_watching.ALERTS,
        icon=":material/tune:",
        look="tertiary",
    )


def _fields(rules: Sequence[Rule], name: str) -> None:
    for rule in rules:
        words = alert_words.KINDS[rule.kind]
        low, high = (limit * words.factor for limit in LIMITS[rule.kind])
        key = f"rule-{name}-{rule.kind}"
        with st.container(border=True, gap="small"):
            st.toggle(words.title.capitalize(), rule.is_on, key=f"{key}-on", help=words.meaning)
            with st.container(horizontal=True, gap="small"):
                st.number_input(
                    words.limit,
                    low,
                    high,
                    rule.threshold * words.factor,
                    step=words.step,
                    format=f"%.{words.decimals}f",
                    key=f"{key}-limit",
                )
                st.number_input("Broken for (s)", 0, LONGEST_FOR, rule.for_seconds, step=15, key=f"{key}-for")


def _save(asked: actions.Asked, stage: str, name: str) -> None:
    alerts = context.services().alerts
    held = {(rule.kind, rule.stage): rule for rule in alerts.rules([stage] if stage else [])}
    for kind in KINDS:
        key = f"rule-{name}-{kind}"
        wanted = Rule(
            kind=kind,
            stage=stage,
            threshold=float(st.session_state[f"{key}-limit"]) / alert_words.KINDS[kind].factor,
            for_seconds=int(st.session_state[f"{key}-for"]),
            is_on=bool(st.session_state[f"{key}-on"]),
        )
        if wanted != held[(kind, stage)]:
            alerts.set_rule(asked.by, wanted)
