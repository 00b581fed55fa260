"""The audit log on screen: filters kept in the address, one entry in full, the check of its chain, the export."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import streamlit as st

from dashboard import context, navigation, reads_operations
from dashboard.ui import filters, tables, times
from dashboard.ui.operation_words import escaped
from services.audit import Entry
from services.planning.plan import show as written

PAGE = 100
ROWS = 15
"""So many are seen without scrolling in the table."""
EXPORT = "/audit.csv"

_SINCE: Mapping[str, timedelta] = {
    "last hour": timedelta(hours=1),
    "last 24 h": timedelta(hours=24),
    "last 7 d": timedelta(days=7),
    "last 30 d": timedelta(days=30),
}
_LOOKS = {
    "done": "✓ done",
    "succeeded": "✓ succeeded",
    "asked": "… asked",
    "refused": "✕ refused",
    "failed": "✕ failed",
}


def wanted() -> dict[str, Any]:
    """Show the filters and give what is wanted, as `Audit.page` takes it."""
    with filters.bar():
        service = filters.text("Service or model", key="object", placeholder="part of its name")
        person = filters.text("Person", key="who", placeholder="part of the name")
        action = filters.text("Action", key="action", placeholder="keys, model.edit", help="Part of the action's name.")
        since = filters.one("When", list(_SINCE), key="since", every="ever")
    return {"service": service, "person": person, "action": action, "since": _since(since)}


def show(asked: dict[str, Any]) -> None:
    """Show the page of the log that is wanted, and the chosen entry in full beneath it."""
    total = reads_operations.audit_count(**asked)
    shown = tables.pages(total, key="entries", size=PAGE, what="entries")
    entries = reads_operations.audit_page(**asked, limit=PAGE, offset=shown.start)
    chosen = tables.choose(
        [_row(entry) for entry in entries],
        key="audit",
        alt="The audit log, newest first",
        columns={
            "at": times.column("When", relative=False),
            "who": tables.text("Who"),
            "action": tables.text("What"),
            "object": tables.text("Object"),
            "result": tables.text("Result"),
            "reason": tables.text("Reason"),
            "changed": tables.text("Before → after", wide=True),
            "role": tables.text("Role"),
            "seq": st.column_config.NumberColumn("Entry", format="%d", help="Its number in the chain."),
        },
        empty="No entry matches these filters: take one away."
        if any(asked.values())
        else "Nothing was recorded yet: every command through this desk writes here.",
        height=tables.ROW * (min(len(entries), ROWS) + 1) + 2,
    )
    if chosen is not None:
        _entry(entries[chosen])


def check() -> None:
    """Offer the check of the chain and the export."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.button("Verify the log", key="verify", icon=":material/verified_user:", on_click=_verify)
        may = context.person().may("audit.export")
        st.link_button(
            "Export as CSV",
            EXPORT,
            icon=":material/download:",
            disabled=not may,
            help="The whole log of this workspace; the export itself is recorded."
            if may
            else "This needs the role admin. Choose another identity, or ask someone who has it.",
        )
    verdict = st.session_state.get("audit-verdict")
    if verdict:
        is_whole, sentence = verdict
        if is_whole:
            st.success(sentence, icon=":material/verified_user:")
        else:
            st.error(
                f"{sentence} Compare with a backup and with the anchor before trusting what is shown below.",
                title="The log was tampered with",
                icon=":material/gpp_bad:",
            )


def _verify() -> None:
    verdict = context.services().audit.verify()
    st.session_state["audit-verdict"] = (
        verdict.is_whole,
        f"{verdict.sentence} Checked {times.absolute(context.now())}.",
    )


def _row(entry: Entry) -> dict[str, Any]:
    return {
        "at": entry.at,
        "who": entry.person_name,
        "action": entry.action,
        "object": entry.object,
        "result": _LOOKS.get(entry.result, entry.result),
        "reason": entry.reason,
        "changed": "; ".join(f"{name}: {before} → {after}" for name, before, after in changes(entry)),
        "role": entry.role,
        "seq": entry.seq,
    }


def _entry(entry: Entry) -> None:
    with st.container(border=True):
        st.markdown(
            f"**Entry {entry.seq}: {escaped(entry.action)} {escaped(entry.object)}**, {escaped(entry.result)}  \n"
            f"{escaped(entry.person_name)} ({escaped(entry.role)}), {times.both(entry.at)}"
            + (f", because: {escaped(entry.reason)}" if entry.reason else "")
        )
        if entry.operation:
            navigation.link("operations", "Open its operation", icon=":material/checklist:", operation=entry.operation)
        tables.show(
            [{"field": name, "before": before, "after": after} for name, before, after in changes(entry)],
            key=f"entry-{entry.seq}",
            alt="What the entry says changed",
            columns={
                "field": tables.text("Field"),
                "before": tables.text("Before", wide=True),
                "after": tables.text("After", wide=True),
            },
            empty="This entry has no before and after.",
        )


def changes(entry: Entry) -> list[tuple[str, str, str]]:
    """What an entry says changed, field by field; what stayed the same is left out."""
    before, after = _flat(entry.before), _flat(entry.after)
    return [
        (name or "value", before.get(name, "–"), after.get(name, "–"))
        for name in dict.fromkeys([*before, *after])
        if before.get(name) != after.get(name)
    ]


def _flat(value: Any, name: str = "") -> dict[str, str]:
    """A document as one level of names: `configuration.cpu_cores`."""
    if value is None:
        return {}
    if isinstance(value, Mapping):
        found: dict[str, str] = {}
        for key, inner in value.items():
            found |= _flat(inner, f"{name}.{key}" if name else str(key))
        return found
    if isinstance(value, list) and any(isinstance(item, Mapping) for item in value):
        return {name: ", ".join(_line(item) for item in value)}
    return {name: written(value)}


def _line(item: Any) -> str:
    """One line of a plan as it stands in a receipt, or whatever else a list may hold."""
    if isinstance(item, Mapping) and {"label", "after"} <= item.keys():
        return f"{item['label']} → {written(item['after'])}"
    return json.dumps(item, ensure_ascii=False)


def _since(chosen: str | None) -> datetime | None:
    # On whole minutes, so that the cached answer is shared.
    return (context.now() - _SINCE[chosen]).replace(second=0, microsecond=0) if chosen else None
