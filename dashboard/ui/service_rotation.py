"""The rotation of both keys without a failed request: where it stands, its proofs, who has not moved yet."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import streamlit as st

from dashboard import actions, context, navigation, reads_services
from dashboard.ui import errors, headings, operation_words, tables, times
from services.azureml.secrets import Slot
from services.keys import Rotation

STEPS = ("renewing idle", "waiting", "renewing other", "done")
_SLOT_KEY = "rotation-idle-slot"


def show(name: str) -> None:
    """Show the rotation that is under way, or the way to start one; and the past ones."""
    headings.section(
        "Rotate both keys",
        "Without a failed request: renew the key nobody uses, wait until the clients have moved to it (days if need be), "
        "then renew the other. One rotation at a time.",
    )
    rotation = context.services().keys.open_rotation(name)
    _watch(name, rotation.state if rotation else None)
    if rotation is None:
        _start(name)
    else:
        _under_way(rotation)
    _past(name)


@st.fragment(run_every="2s")
def _watch(name: str, state: str | None) -> None:
    """Draw the screen anew when the rotation has gone on, by the worker or by somebody else."""
    rotation = context.services().keys.open_rotation(name)
    if (rotation.state if rotation else None) != state:
        reads_services.forget()
        st.rerun()


def _start(name: str) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.segmented_control(
            "Which key is idle?",
            ("secondary", "primary"),
            default="secondary",
            required=True,
            key=_SLOT_KEY,
            help="The key no client uses now. It is renewed first.",
        )
        slot: Slot = "primary" if st.session_state.get(_SLOT_KEY) == "primary" else "secondary"
        actions.button(
            "Start rotating",
            lambda asked: context.services().keys.rotate(
                asked.by, name, idle_slot=slot, reason=asked.reason, operation_id=asked.operation_id
            ),
            key=f"rotate-{name}",
            ask=f"The **{slot}** key is renewed now, and both keys are proved by a probe. "
            f"A client that uses the {slot} key after all is answered 401: look at the list below first.",
            detail=lambda: _consumers(name, slot, since=None),
            confirm="Start",
            reason=True,
            command="keys.rotate",
            started="The rotation has begun.",
            clears=reads_services.CHANGED,
            icon=":material/sync_lock:",
        )


def _under_way(rotation: Rotation) -> None:
    with st.container(border=True):
        _steps(rotation)
        _proofs(rotation)
        if rotation.state == "waiting":
            _wait(rotation)
        leg = rotation.second_leg or rotation.first_leg
        with st.container(horizontal=True, vertical_alignment="center"):
            if rotation.state == "waiting":
                _moved(rotation)
            _stop(rotation)
            navigation.link("operations", "Open its operation", icon=":material/checklist:", operation=leg)


def _steps(rotation: Rotation) -> None:
    other = rotation.other_slot
    labels = (
        f"Renew the {rotation.idle_slot} key and prove both",
        f"Wait until all clients use the {rotation.idle_slot} key",
        f"Renew the {other} key, see the old one refused, prove both",
        "Done",
    )
    now = STEPS.index(rotation.state) if rotation.state in STEPS else 0
    lines = []
    for place, label in enumerate(labels):
        if place < now:
            lines.append(f":green[:material/check_circle:] {label}")
        elif place == now:
            lines.append(f":blue[:material/arrow_circle_right:] **{label}**")
        else:
            lines.append(f":gray[:material/radio_button_unchecked:] {label}")
    st.markdown("  \n".join(lines))
    st.caption(
        f"Started by {operation_words.escaped(rotation.started_by)} {times.both(rotation.started_at)}"
        + (f" · {rotation.idle_slot} key new {times.both(rotation.idle_done_at)}" if rotation.idle_done_at else "")
    )


def _proofs(rotation: Rotation) -> None:
    rows = [
        _proof(f"After the {leg} key was renewed", f"{slot} key", seen)
        for leg, found in (
            (rotation.idle_slot, rotation.checks.get("idle")),
            (rotation.other_slot, rotation.checks.get("other")),
        )
        for slot, seen in (found or {}).items()
    ]
    old = rotation.checks.get("old_key")
    if old:
        rows.append(_proof("The old key after that", f"old {rotation.other_slot} key", old))
    if rows:
        tables.show(
            rows,
            key=f"proofs-{rotation.id}",
            alt="Probes with each key and what was answered.",
            columns={
                "what": tables.text("Proof"),
                "key": tables.text("Probed with"),
                "status": tables.text("Answer"),
                "ms": tables.number("Time", unit="ms", decimals=1),
                "at": times.column("When", relative=False),
            },
        )


def _proof(what: str, key: str, seen: dict[str, Any]) -> dict[str, Any]:
    status = seen.get("status")
    verdict = "refused" if status in (401, 403) else "let through"
    return {
        "what": what,
        "key": key,
        "status": f"{status}, {verdict}" if status else f"none: {seen.get('failure', '')}",
        "ms": seen.get("milliseconds"),
        "at": datetime.fromisoformat(seen["at"]) if seen.get("at") else None,
    }


def _wait(rotation: Rotation) -> None:
    st.markdown(
        f"**Waits for clients.** Give them the new {rotation.idle_slot} key (reveal it above). "
        f"Who still calls with the {rotation.other_slot} key:"
    )
    _consumers(rotation.service, rotation.other_slot, since=rotation.idle_done_at)


def _consumers(name: str, slot: Slot, *, since: datetime | None) -> None:
    """Show who called in the last day and with which key, those on the slot first."""
    with errors.explained():
        found = context.services().monitoring.consumers(name).dicts()
        rows = sorted(found, key=lambda row: (row["Slot"] != slot, row["App"], row["Slot"]))
        tables.show(
            [
                {
                    "app": row["App"] or "does not name itself",
                    "slot": row["Slot"] or "not known",
                    "calls": row["calls"],
                    "seen": row["lastSeen"],
                    "moved": _moved_word(row, slot, since),
                }
                for row in rows
            ],
            key=f"consumers-{name}-{slot}",
            alt="Who called in the last day, with which key, and when last.",
            columns={
                "app": tables.text("Client"),
                "slot": tables.text("Key"),
                "calls": tables.number("Calls", unit="last day"),
                "seen": times.column("Last seen"),
                "moved": tables.text("Standing"),
            },
            empty="No call was recorded in the last day. That does not prove that there is no client: "
            "Application Insights may be off, or a client may call once a month.",
        )
        if rows:
            st.caption(
                "From the client request id `<app>_<p|s>_<random>` of the last day. Clients that do not follow it, and ours "
                "(probes, tests), cannot be told apart by key."
            )


def _moved_word(row: dict[str, Any], slot: Slot, since: datetime | None) -> str:
    if not row["Slot"]:
        return "cannot be told"
    if row["Slot"] != slot:
        return "uses the other key"
    if since is None:
        return f"▲ uses the {slot} key"
    return "▲ still uses it" if row["lastSeen"] > since else "not seen since the new key"


def _moved(rotation: Rotation) -> None:
    actions.button(
        "Clients have moved",
        lambda asked: context.services().keys.clients_have_moved(
            asked.by, rotation.id, operation_id=asked.operation_id
        ),
        key=f"moved-{rotation.id}",
        ask=f"The **{rotation.other_slot}** key is renewed now. Whoever still uses the old one is answered 401.",
        confirm="Renew the other key",
        command="keys.rotate",
        started=f"Renewing the {rotation.other_slot} key has begun.",
        clears=reads_services.CHANGED,
        look="primary",
        icon=":material/done_all:",
    )


def _stop(rotation: Rotation) -> None:
    leg = context.services().operations.get(rotation.second_leg or rotation.first_leg)
    actions.button(
        "Stop rotating",
        lambda asked: context.services().keys.stop_rotation(asked.by, rotation.id, reason=asked.reason),
        key=f"stop-{rotation.id}",
        ask=f"The {rotation.idle_slot} key stays new, the {rotation.other_slot} key stays as it is; both go on working.",
        confirm="Stop",
        reason=True,
        command="keys.rotate",
        started="The rotation is stopped.",
        clears=reads_services.CHANGED,
        disabled=leg.is_open,
        help="It can be stopped while it waits, or after a step failed." if leg.is_open else None,
    )


def _past(name: str) -> None:
    past = [rotation for rotation in reads_services.rotations(name) if rotation.ended_at]
    if not past:
        return
    with st.expander(f"Past rotations ({len(past)})", icon=":material/history:"):
        tables.show(
            [
                {
                    "at": rotation.started_at,
                    "by": rotation.started_by,
                    "idle": rotation.idle_slot,
                    "moved": rotation.moved_by or "–",
                    "state": rotation.state,
                    "took": times.span((rotation.ended_at or rotation.started_at) - rotation.started_at),
                    "old": _old_word(rotation),
                }
                for rotation in past
            ],
            key=f"past-rotations-{name}",
            alt="Rotations of this service's keys that have ended, newest first.",
            columns={
                "at": times.column("Started", relative=False),
                "by": tables.text("By"),
                "idle": tables.text("Renewed first"),
                "moved": tables.text("Clients moved, said"),
                "state": tables.text("Ended"),
                "took": tables.text("Took"),
                "old": tables.text("Old key afterwards"),
            },
        )


def _old_word(rotation: Rotation) -> str:
    old = rotation.checks.get("old_key")
    if not old:
        return "not probed" if rotation.state == "done" else "–"
    return f"{old.get('status')}, {'refused' if old.get('status') in (401, 403) else 'let through'}"
