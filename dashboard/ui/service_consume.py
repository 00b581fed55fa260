"""How to call one service: curl, Python and C#, the secret never inlined."""

from __future__ import annotations

from typing import Any

import streamlit as st

from dashboard import context
from dashboard.ui import errors, headings, service_tests, tables
from services.planning.snippets import app_name, snippets
from services.webservices import ListedService

SLOTS = ("primary", "secondary")
_SECRETS = {
    "key": "The key is read from the environment variable SCORING_KEY: fetch it under Access, keep it in a vault.",
    "token": "The token is read from the environment variable SCORING_TOKEN; it expires, so clients fetch a new one in time.",
    "none": "This service asks for no key: anyone who knows the address can do the same.",
    "unknown": "Azure does not say how callers prove themselves: these lines try a key.",
}


def show(listed: ListedService) -> None:
    """Show the same call in three languages."""
    service = listed.service
    headings.section("Call it from your application", _SECRETS[service.auth])
    if not service.scoring_uri:
        tables.nothing("It has no address yet: wait until it has started once.")
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        app = st.text_input(
            "Your application's name",
            app_name(service.name),
            key=f"consume-app-{service.name}",
            max_chars=25,
            width=260,
            help="Stands in the client request id, so that the desk can say who still uses which key.",
        )
        slot = "primary"
        if service.auth in ("key", "unknown"):
            slot = st.segmented_control(
                "Key", SLOTS, default="primary", required=True, key=f"consume-slot-{service.name}"
            )
    body = _body(listed)
    with errors.explained():
        found = snippets(
            service.scoring_uri,
            auth=service.auth,
            slot="secondary" if slot == "secondary" else "primary",
            sample=body,
            app=app,
        )
        for label, text in (("curl", found.curl), ("Python", found.python), ("C#", found.csharp)):
            st.markdown(f"**{label}**")
            # Without colours: those of the highlighter are too pale to be read by everybody.
            st.code(text, language=None, wrap_lines=True)
    st.caption(
        f"{'The body is the one under Tests.' if body else 'The body is only a shape.'} Keep client request ids as "
        f"`{app or app_name(service.name)}_p_…` with the primary and `…_s_…` with the secondary key: a rotation then shows who has moved."
    )
    if service.auth == "key":
        st.caption("On 401 read the key again before giving up: it may have been rotated.")


def _body(listed: ListedService) -> dict[str, Any] | None:
    """What the service understands, so that the lines run as they are; None when it cannot be asked now."""
    if listed.state != "Healthy" or not context.shown_person().may("service.test"):
        return None
    return context.services().testing.object_of(service_tests.draft(listed))
