"""Access to one service: who may call it, its keys or tokens, and how keys are renewed."""

from __future__ import annotations

from datetime import UTC, datetime

import streamlit as st

from dashboard import actions, context, reads_services
from dashboard.ui import headings, operation, service_header, service_rotation, service_words, tables, times
from services.azureml.secrets import Keys, ServiceToken, Slot
from services.webservices import ListedService

SLOTS: tuple[Slot, Slot] = ("primary", "secondary")
MASK = "•" * 32


def show(listed: ListedService) -> None:
    """Show it."""
    _who(listed)
    operation.running(subject=listed.service.name, ended=reads_services.forget)
    if listed.service.auth == "token":
        _token(listed.service.name)
    elif listed.service.auth in ("key", "unknown") and not listed.service.broken:
        _keys(listed.service.name)
        service_rotation.show(listed.service.name)


def _who(listed: ListedService) -> None:
    headings.section("Who may call it")
    _, icon, _, sentence = service_words.AUTH[listed.service.auth]
    if listed.service.broken:
        tables.nothing("Not known: Azure's answer about this service cannot be read.")
    elif listed.service.auth == "none":
        st.error(f"**Anonymous.** {sentence} Turn authentication on under Configuration.", icon=icon)
    else:
        st.markdown(f"{icon} {sentence}")
    service_header.open_view("Change it under Configuration", "Configuration", key="access-configuration")


def _keys(name: str) -> None:
    headings.section(
        "Keys", "Both keys work all the time: clients move from one to the other while the first is renewed."
    )
    renewed = context.services().keys.last_renewed(name)
    handle_key = f"keys-shown-{name}"
    if context.services().keys.shown_keys(st.session_state.get(handle_key, ""), name):
        _revealed(name, handle_key)
    else:
        st.session_state.pop(handle_key, None)
        for slot in SLOTS:
            st.code(f"{slot:<9}  {MASK}", language=None)
        actions.button(
            "Reveal keys",
            lambda asked: context.services().keys.reveal(asked.by, name, reason=asked.reason),
            key=f"reveal-{name}",
            ask="Both keys are shown on this screen for a minute. That you looked is written to the audit log first.",
            confirm="Reveal",
            reason=True,
            command="keys.reveal",
            then=lambda handle: st.session_state.update({handle_key: handle}),
            icon=":material/visibility:",
        )
    for slot in SLOTS:
        _slot(name, slot, renewed.get(slot))


def _slot(name: str, slot: Slot, renewed_at: datetime | None) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        age = f"renewed {times.both(renewed_at)}" if renewed_at else "age not known: not renewed through this desk"
        st.markdown(f"**{slot.capitalize()}** :gray[{age}]", width="content")
        actions.button(
            f"Regenerate {slot}",
            lambda asked: context.services().keys.regenerate(
                asked.by, name, slot, reason=asked.reason, operation_id=asked.operation_id
            ),
            key=f"regenerate-{slot}-{name}",
            ask=f"Clients that use the **{slot}** key are answered 401 from then on. "
            "To renew keys without a failed request, rotate them below.",
            confirm="Regenerate",
            reason=True,
            command="keys.regenerate",
            started=f"Regenerating the {slot} key has begun.",
            clears=reads_services.CHANGED,
            icon=":material/autorenew:",
        )
        actions.button(
            f"Set {slot}",
            lambda asked: _set_own(name, slot, asked),
            key=f"set-{slot}-{name}",
            ask=f"The **{slot}** key becomes a value of your own, for example from a key vault. Clients that use the present "
            "one are answered 401 from then on. It travels sealed, is sent once, and is never stored or shown.",
            detail=lambda: _own_value(name, slot),
            confirm="Set",
            reason=True,
            command="keys.set",
            started=f"Setting the {slot} key has begun.",
            clears=reads_services.CHANGED,
            icon=":material/edit:",
        )


def _own_value(name: str, slot: Slot) -> None:
    value = st.text_input(
        "New value",
        key=_own_key(name, slot),
        type="password",
        autocomplete="new-password",
        # The eye beside it takes the focus on Tab, and what was typed would not be sent.
        live=True,
        help="At least 16 characters.",
    )
    for problem in context.services().keys.own_key_problems(value):
        st.markdown(f":red[:material/error: {problem.sentence}]")


def _set_own(name: str, slot: Slot, asked: actions.Asked) -> str:
    # Taken out of the session before anything else: whatever happens, it has to be typed again.
    value = st.session_state.pop(_own_key(name, slot), "")
    return context.services().keys.set_own(
        asked.by, name, slot, value, reason=asked.reason, operation_id=asked.operation_id
    )


def _own_key(name: str, slot: Slot) -> str:
    return f"own-value-{slot}-{name}"


@st.fragment(run_every="1s")
def _revealed(name: str, handle_key: str) -> None:
    shown = context.services().keys.shown_keys(st.session_state.get(handle_key, ""), name)
    if shown is None:
        st.session_state.pop(handle_key, None)
        st.rerun()
    keys: Keys = shown.value
    for slot in SLOTS:
        st.caption(f"{slot} key")
        st.code(keys.of(slot), language=None, wrap_lines=True)
    _countdown(handle_key, shown.until)


def _token(name: str) -> None:
    headings.section("Token", "Azure gives tokens that expire. A client fetches one, and a new one before it expires.")
    handle_key = f"token-shown-{name}"
    if context.services().keys.shown(st.session_state.get(handle_key, "")):
        _token_shown(handle_key)
        return
    st.session_state.pop(handle_key, None)
    actions.button(
        "Fetch a token",
        lambda asked: context.services().keys.token(asked.by, name),
        key=f"token-{name}",
        ask="A fresh token is shown on this screen for a minute. That you fetched it is written to the audit log first.",
        confirm="Fetch",
        command="keys.token",
        then=lambda handle: st.session_state.update({handle_key: handle}),
        icon=":material/token:",
    )


@st.fragment(run_every="1s")
def _token_shown(handle_key: str) -> None:
    shown = context.services().keys.shown(st.session_state.get(handle_key, ""))
    if shown is None:
        st.session_state.pop(handle_key, None)
        st.rerun()
    token: ServiceToken = shown.value
    st.code(token.token, language=None, wrap_lines=True)
    st.markdown(
        f"Expires {_twice(token.expires_at)}  \nRefresh after {_twice(token.refresh_after)}: from then on Azure gives a new one."
    )
    _countdown(handle_key, shown.until)


def _twice(at: datetime) -> str:
    """A time in UTC and in the browser's zone, and how far off it is."""
    texts = dict.fromkeys((times.absolute(at, zone=UTC), times.absolute(at, zone=context.local_zone())))
    return f"{times.ago(at)} ({' · '.join(texts)})"


def _countdown(handle_key: str, until: datetime) -> None:
    left = max(0, round((until - context.now()).total_seconds()))
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(f":material/timer: hidden again in {left} s", width="content")
        st.button("Hide now", key=f"hide-{handle_key}", on_click=_hide, args=(handle_key,))


def _hide(handle_key: str) -> None:
    context.services().keys.hide(st.session_state.pop(handle_key, ""))
    st.rerun()
