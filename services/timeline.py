"""The timeline of an incident: what the desk recorded anyway, put in order. Each entry leads to where it came from.

Pure: it turns operations, changes of state, alerts, failed requests, saved logs, notes and audit entries into entries.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, get_args

from services.alerts import Alert
from services.audit import Entry as AuditEntry
from services.incident_records import Incident, Note
from services.log_snapshots import LogSnapshot
from services.onset import FirstBad
from services.operations.records import Operation
from services.suspects import Signature
from services.webservices import StateChange

EntryKind = Literal["change", "state", "alert", "request", "failure", "log", "note", "incident", "record"]
ENTRY_KINDS: tuple[EntryKind, ...] = get_args(EntryKind)
BAD_STATES = ("Failed", "Unhealthy", "Unschedulable")
_NOT_A_CHANGE = frozenset({"model.download"})
_WORDS: Mapping[str, str] = {
    "keys.reveal": "revealed the keys",
    "keys.token": "got a token",
    "service.test": "sent a test request",
    "traces.unmask": "unmasked a request",
    "attention.take": "took it",
}


@dataclass(frozen=True, kw_only=True)
class Link:
    """Where an entry came from: a screen of the desk and what it is asked for."""

    screen: str
    query: tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One thing that happened."""

    at: datetime
    kind: EntryKind
    text: str
    """Plain text; a note's is Markdown."""
    person: str = ""
    state: str = ""
    """The word of the state badge, where there is one."""
    ended_at: datetime | None = None
    link: Link | None = None


def in_order(entries: Iterable[Entry]) -> list[Entry]:
    """Entries as they happened; of one moment what was done comes before what came of it."""
    return sorted(entries, key=lambda one: (one.at, ENTRY_KINDS.index(one.kind)))


def of_operation(operation: Operation) -> Entry:
    """A change made through the desk."""
    reason = f" (“{operation.reason}”)" if operation.reason else ""
    return Entry(
        at=operation.started_at or operation.requested_at,
        kind="change",
        text=f"{operation.title}{reason}",
        person=operation.person_name,
        state=operation.state,
        ended_at=operation.ended_at,
        link=Link(screen="operations", query=(("operation", operation.id),)),
    )


def is_change(operation: Operation) -> bool:
    """Whether an operation can have changed how something runs."""
    return operation.kind not in _NOT_A_CHANGE


def of_state(service: str, change: StateChange) -> Entry:
    """A service's state changed."""
    if change.after is None:
        text = f"{service} is gone"
    elif change.before is None:
        text = f"{service} was first seen, {change.after.lower()}"
    else:
        text = f"{service}: {change.before.lower()} → {change.after.lower()}"
    return Entry(
        at=change.at,
        kind="state",
        text=text,
        state=change.after if change.after in BAD_STATES else "",
        link=Link(screen="service", query=(("name", service),)),
    )


def of_first_bad(first: FirstBad) -> Entry:
    """The first failed request."""
    asked = (("view", "Request"), ("request", first.request_id)) if first.request_id else (("of", first.service),)
    return Entry(
        at=first.at,
        kind="request",
        text=f"First bad request: {first.service} answered {first.code}, {first.failure}",
        state="failing",
        link=Link(screen="logs", query=asked),
    )


def of_alert(alert: Alert) -> Entry:
    """A rule was broken, from when to when."""
    return Entry(
        at=alert.opened_at,
        kind="alert",
        text=f"Alert: {alert.service}: {alert.sentence}",
        state="failing" if alert.is_open else "",
        ended_at=alert.closed_at,
        link=Link(screen="service", query=(("name", alert.service),)),
    )


def of_snapshot(snapshot: LogSnapshot) -> Entry:
    """A log that was kept."""
    which = "init container's log" if snapshot.is_init else "log"
    return Entry(
        at=snapshot.at,
        kind="log",
        text=f"{snapshot.service}: {which} kept, {snapshot.lines:,} lines ({snapshot.why})",
        link=Link(screen="logs", query=(("view", "Previous"), ("of", snapshot.service), ("snapshot", snapshot.id))),
    )


def of_signature(signature: Signature) -> Entry:
    """An error that was never seen before."""
    return Entry(
        at=signature.first_seen,
        kind="failure",
        text=f"New error: {signature.words}",
        state="failing",
        link=Link(screen="logs", query=(("view", "Failures"), ("group", signature.id))),
    )


def of_note(incident: Incident, note: Note) -> Entry:
    """What somebody wrote."""
    return Entry(
        at=note.at,
        kind="note",
        text=note.text,
        person=note.person_name,
        link=Link(screen="incident", query=(("id", incident.id),)),
    )


def of_course(incident: Incident, entries: Sequence[AuditEntry]) -> list[Entry]:
    """What was done with the incident itself, from the audit log; notes speak for themselves."""
    found = []
    for entry in entries:
        text = _course(incident, entry)
        if text and entry.result == "done":
            found.append(
                Entry(
                    at=entry.at,
                    kind="incident",
                    text=text,
                    person=entry.person_name,
                    link=Link(
                        screen="operations",
                        query=(("view", "Audit log"), ("object", incident.id)),
                    ),
                )
            )
    return found


def of_record(entry: AuditEntry) -> Entry | None:
    """What somebody did to a service without an operation, such as revealing its keys."""
    if entry.operation is not None or entry.action.startswith("alert."):
        # Operations and alerts have entries of their own.
        return None
    done = _WORDS.get(entry.action, entry.action)
    text = f"{entry.object}: {done}" + (" – refused" if entry.result == "refused" else "")
    return Entry(
        at=entry.at,
        kind="record",
        text=text,
        person=entry.person_name,
        link=Link(screen="operations", query=(("view", "Audit log"), ("object", entry.object))),
    )


def _course(incident: Incident, entry: AuditEntry) -> str:
    if entry.action == "incident.open":
        return f"{incident.id} opened: {(entry.after or {}).get('title', incident.title)}"
    if entry.action == "incident.stable":
        return "Said to be stable"
    if entry.action == "incident.reopen":
        return "Opened again"
    if entry.action == "incident.close":
        return "Closed with its review"
    if entry.action == "incident.action":
        after = entry.after or {}
        if "done" in after:
            return f"Action {'done' if after['done'] else 'not done after all'}: {after.get('text', '')}"
        return f"Action for {after.get('owner', 'nobody')}: {after.get('text', '')}"
    if entry.action == "incident.change":
        return "; ".join(_changed(name, value) for name, value in (entry.after or {}).items())
    return ""


def _changed(name: str, value: Any) -> str:
    if name == "commander":
        return f"Commander: {value}" if value else "Nobody commands it"
    if name == "severity":
        return f"Severity {value}"
    if name == "services":
        return f"Affected: {', '.join(value) if value else 'no service named'}"
    if name == "incident_mode":
        return "Incident mode on" if value else "Incident mode off"
    if name == "started_at":
        return f"Began at {value[:19].replace('T', ' ')} UTC"
    return f"{name.capitalize()}: {value}"
