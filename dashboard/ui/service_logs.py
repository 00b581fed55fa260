"""Container logs of one service: tail or init, followed, filtered, wrapped, downloaded; scrubbed before anything else."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

import streamlit as st

from dashboard import actions, context
from dashboard.ui import errors, filters, sources, tables
from services.access import ANONYMOUS_VIEWER
from services.container_logs import READ_AGAIN_SECONDS, SEVERITIES, TAILS, LogLine, matching
from services.errors import Conflict
from services.webservices import ListedService

CONTAINERS = ("container", "init container")
HEIGHT = 560


def show(listed: ListedService) -> None:
    """Show the log of this service."""
    log(listed.service.name)


def log(name: str) -> None:
    """Show the log of a service, with its filters in the address."""
    with filters.bar():
        container = filters.one("Part", CONTAINERS[1:], key="part", every=CONTAINERS[0])
        tail = filters.one("Lines", [str(lines) for lines in TAILS if lines != 500], key="tail", every="500")
        severities = filters.several("Severity", list(SEVERITIES), key="severity")
        text = filters.text("Text", key="find", placeholder="any case")
        request = filters.text("Request id", key="request", help="As in the answer's header or in Monitoring.")
    with filters.bar():
        follow = filters.switch("Follow", key="follow", help=f"Read again every {READ_AGAIN_SECONDS} s.")
        hide = filters.switch("Hide probes", key="probes", value=True, help="Azure asks each replica whether it lives.")
        wrap = filters.switch("Wrap lines", key="wrap", value=True)
    st.fragment(_lines, run_every=READ_AGAIN_SECONDS if follow else None)(
        name,
        tail=int(tail or 500),
        init=container == CONTAINERS[1],
        severities=severities,
        text=text,
        request=request,
        hide=hide,
        wrap=wrap,
        follow=follow,
    )


def _lines(
    name: str,
    *,
    tail: int,
    init: bool,
    severities: Sequence[str],
    text: str,
    request: str,
    hide: bool,
    wrap: bool,
    follow: bool,
) -> None:
    with errors.explained():
        read = context.services().container_logs.read(context.person(), name, tail=tail, init=init)
        shown = matching(
            read.lines, severities=severities, text=text, request_id=request, hide_probes=hide and not init
        )
        if not read.lines:
            tables.nothing("The container has written nothing yet." if not init else "The init container said nothing.")
        elif not shown:
            tables.nothing(f"None of the newest {len(read.lines):,} lines fits: clear a filter, or read more lines.")
        else:
            with st.container(height=HEIGHT, border=True, autoscroll=True):
                st.code("\n".join(line.text for line in shown), language=None, wrap_lines=wrap)
        more = " · there is more: choose more lines" if read.is_cut else ""
        st.caption(f"{len(shown):,} of {len(read.lines):,} lines, newest last, keys and tokens hidden{more}")
        with st.container(horizontal=True, vertical_alignment="center"):
            sources.live(read_at=read.read_at)
            if not follow:
                st.button("Read again", key="log-again", icon=":material/refresh:")
            _download(name, shown, init=init)


def _download(name: str, shown: Sequence[LogLine], *, init: bool) -> None:
    kept = st.session_state.get(f"log-file-{name}")
    if kept:
        sha256, file = kept
        st.link_button(f"Save {file}", f"/files/{sha256}/{quote(file)}", icon=":material/download:")

    def keep(asked: actions.Asked) -> None:
        if not shown:
            raise Conflict("There is no line to download: clear a filter first.")
        stored = context.services().container_logs.keep(asked.by, name, shown, init=init)
        st.session_state[f"log-file-{name}"] = (stored.sha256, stored.name)

    # The route that hands files out wants to know who asks.
    is_unknown = context.shown_person() == ANONYMOUS_VIEWER
    actions.button(
        "Prepare download" if not kept else "Prepare again",
        keep,
        key=f"log-keep-{name}",
        command="logs.follow",
        started="The lines shown can be saved for a day.",
        disabled=is_unknown,
        help="Choose an identity first: the desk hands files only to who is known." if is_unknown else None,
        icon=":material/file_save:",
    )
