"""The list of incidents: what is open above, then all of them with filters kept in the address."""

from __future__ import annotations

from typing import Any

import streamlit as st

from dashboard import context, navigation, reads, reads_incidents
from dashboard.ui import filters, headings, incident_words, tables, times
from dashboard.ui.operation_words import escaped
from services.incident_records import SEVERITIES, STATUSES, Incident

PAGE = 50


def open_now(*, heading: bool = True) -> None:
    """Show each open incident as a line with the way to it, refreshed by itself; nothing when there is none."""
    _open_now(heading)


@st.fragment(run_every="5s")
def _open_now(heading: bool) -> None:
    found = reads_incidents.open_now()
    if not found:
        return
    if heading:
        count = len(found)
        headings.section(f":red[{incident_words.ICON}] {count} open incident{'s' if count > 1 else ''}")
    for incident in found:
        _card(incident)


def _card(incident: Incident) -> None:
    with st.container(border=True, key=f"open-{incident.id}", gap="xsmall"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            incident_words.badges(incident)
            st.markdown(f"**{incident.id}** {escaped(incident.title)}", width="content")
            st.space("stretch")
            navigation.link("incident", "Open", icon=incident_words.ICON, id=incident.id)
        st.caption(
            f"{incident_words.where(incident)} · began {times.absolute(incident.started_at)} "
            f"({times.ago(incident.started_at)}) · {incident_words.commander(incident)}",
            help=times.hover(incident.started_at),
        )


def wanted() -> dict[str, Any]:
    """Show the filters and give what is wanted, as `Incidents.page` takes it."""
    with filters.bar():
        text = filters.text("Title", key="q", placeholder="part of it")
        status = filters.one("Status", list(STATUSES), key="status")
        severity = filters.one("Severity", [incident_words.severity(number) for number in SEVERITIES], key="severity")
        service = filters.one("Service", sorted(one.service.name for one in reads.services()), key="of")
    return {
        "text": text,
        "status": status or "",
        "severity": int(severity.removeprefix("SEV")) if severity else None,
        "service": service or "",
    }


def show(asked: dict[str, Any]) -> str | None:
    """Show the incidents that are wanted; the id of the chosen one."""
    total = reads_incidents.count(**asked)
    shown = tables.pages(total, key="page", size=PAGE, what="incidents")
    found = reads_incidents.page(**asked, limit=PAGE, offset=shown.start)
    chosen = tables.choose(
        [_row(incident) for incident in found],
        key="incidents",
        alt="All incidents, newest first.",
        columns={
            "id": tables.text("Incident", pinned=True),
            "status": tables.text("Status"),
            "severity": tables.text("Severity"),
            "title": tables.text("What fails"),
            "services": tables.tags("Services"),
            "began": times.column("Began", relative=False),
            "lasted": tables.text("Lasted"),
            "commander": tables.text("Commander"),
        },
        empty="No incident matches these filters: take one away."
        if any(asked.values())
        else "There was no incident yet. One is opened here, from an alert, or on a service's page.",
    )
    return found[chosen].id if chosen is not None else None


def _row(incident: Incident) -> dict[str, object]:
    return {
        "id": incident.id,
        "status": incident.status,
        "severity": incident_words.severity(incident.severity),
        "title": incident.title,
        "services": list(incident.services),
        "began": incident.started_at,
        "lasted": times.span(incident.lasted(context.now())),
        "commander": incident.commander or "",
    }
