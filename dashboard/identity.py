"""The chooser of local identities: which role am I, on a laptop where there is no sign-in."""

from __future__ import annotations

import streamlit as st

from dashboard import context
from services.access import ANONYMOUS_VIEWER, LOCAL_IDENTITIES, Person

# Only the browser can take a cookie: the choice is made with Streamlit's own widgets, and this posts it and comes back
# to the same address.
_POST_AND_RETURN = """
export default function ({ data }) {
  fetch("/identity", {
    method: "POST",
    credentials: "same-origin",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ identity: data.identity }),
  }).then((answer) => {
    if (answer.ok) window.location.reload();
  });
}
"""

_DOES = {
    "viewer": "looks at everything and follows logs",
    "operator": "deploys, updates, deletes, rotates and reveals keys",
    "approver": "an operator until something asks for approval",
    "admin": "administers the desk and exports the audit log",
}


def chooser(person: Person) -> None:
    """Show who I am, and against the local workspace let me be another one."""
    if not context.settings().is_local:
        st.badge(person.name, icon=":material/person:", color="gray", help=f"Role: {person.role.word}.")
        return
    label = "viewer" if person == ANONYMOUS_VIEWER else person.role.word
    with st.popover(label, icon=":material/person:", help="Who you are on this laptop.", key="identity"):
        st.markdown("**Local identities**")
        st.caption("For trying roles and four eyes on a laptop; each is marked as local in the audit log.")
        for name in LOCAL_IDENTITIES:
            _choice(name, person)
    _post()


def invitation(person: Person) -> None:
    """On the first screen, before anyone chose: say that one only looks, and offer the choice."""
    if person != ANONYMOUS_VIEWER:
        return
    with st.container(border=True, horizontal=True, vertical_alignment="center", key="invitation"):
        st.markdown(
            ":material/person: You are looking as **viewer**. To deploy and operate, choose a local identity:",
            width="content",
        )
        for name in LOCAL_IDENTITIES:
            if name != "viewer":
                st.button(name, key=f"be-{name}", on_click=_be, args=(name,), help=f"The {name} {_DOES[name]}.")


def _choice(name: str, person: Person) -> None:
    # By id: a person who came in with a session carries its mark too.
    is_me = person.id == LOCAL_IDENTITIES[name].id or (person == ANONYMOUS_VIEWER and name == "viewer")
    st.button(
        f"**{name}** {_DOES[name]}",
        key=f"identity-{name}",
        icon=":material/check:" if is_me else None,
        type="tertiary",
        on_click=_be,
        args=(name,),
    )


def _be(name: str) -> None:
    st.session_state["chosen_identity"] = name


def _post() -> None:
    """Let the browser post a choice made a moment ago, once."""
    chosen = st.session_state.pop("chosen_identity", None)
    if chosen in LOCAL_IDENTITIES:
        st.components.v2.component("desk.identity", js=_POST_AND_RETURN)(data={"identity": chosen}, height=1)
