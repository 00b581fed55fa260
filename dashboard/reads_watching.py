"""Cached reads of what watches the services: alerts and their rules, probes, objectives."""

from __future__ import annotations

from datetime import datetime

import streamlit as st

from dashboard import context, reads, reads_services
from services.alert_rules import Rule
from services.alerts import Alert
from services.objectives import Objective, Standing
from services.probes import Coverage, ProbePlan, ProbeResult


@st.cache_data(ttl=2, show_spinner=False)
def open_alerts() -> list[Alert]:
    """What is open now, oldest first."""
    return context.services().alerts.open()


@st.cache_data(ttl=5, max_entries=200, show_spinner=False)
def recent_alerts(service: str | None = None) -> list[Alert]:
    """What opened in the last week, newest first."""
    return context.services().alerts.recent(service)


@st.cache_data(ttl=5, show_spinner=False)
def rules() -> list[Rule]:
    """Each kind's rule in each stage there is and in every other, as it holds now."""
    stages = sorted({listed.stage for listed in reads_services.listed() if listed.stage})
    return context.services().alerts.rules(stages)


@st.cache_data(ttl=2, max_entries=200, show_spinner=False)
def probe_plan(service: str) -> ProbePlan | None:
    """What is sent to a service by itself."""
    return context.services().probes.plan(service)


@st.cache_data(ttl=2, max_entries=200, show_spinner=False)
def probe_results(service: str, since: datetime, limit: int = 500) -> list[ProbeResult]:
    """Probes and test requests of a service, newest first."""
    return context.services().probes.recent(service, since, limit=limit)


@st.cache_data(ttl=5, max_entries=200, show_spinner=False)
def coverage(service: str) -> Coverage:
    """How much of what was sent in the last hour is in the telemetry."""
    return context.services().probes.coverage(service)


@st.cache_data(ttl=300, max_entries=300, show_spinner=False)
def standing(objective: Objective) -> Standing:
    """Where a service stands with its objective: asked of the telemetry, at most 5 min old."""
    return context.services().objectives.standing(objective)


ALERTS = (open_alerts, recent_alerts, rules, reads.matters)
"""What a change of the rules makes out of date."""
PROBES = (probe_plan, probe_results, coverage)
"""What a changed plan or a request sent makes out of date."""
