"""Container logs of one service: tail or init, followed, filtered, wrapped, downloaded; scrubbed before anything else."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

import streamlit as st

from dashboard import actions, context, navigation, reads_logs, reads_services
from dashboard.ui import errors, filters, headings, logs_previous, logs_ways, sources, tables, times
from services.access import ANONYMOUS_VIEWER
from services.container_logs import READ_AGAIN_SECONDS, SEVERITIES, TAILS, Log, LogLine, matching
from services.errors import Conflict
from services.webservices import ListedService

CONTAINERS = ("container", "init container")
HEIGHT = 560


def show(listed: ListedService) -> None:
    """Show the log of this service, and those that were kept."""
    log(listed.service.name)
    headings.section("Previous logs", logs_previous.PURPOSE)
    chosen = logs_previous.choose(listed.service.name)
    if chosen:
        navigation.link(
            "logs",
            "Read it",
            icon=":material/article:",
            view=logs_ways.PREVIOUS,
            of=listed.service.name,
            snapshot=chosen.id,
        )


def log(name: str, *, linked: bool = False) -> None:
    """Show the log of a service, with its filters in the address; `linked` offers a link to one of its lines."""
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
    if not follow:
        st.session_state.pop(_paused_key(name), None)
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
        linked=linked,
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
    linked: bool,
) -> None:
    with errors.explained():
        paused: Log | None = st.session_state.get(_paused_key(name))
        read = paused or context.services().container_logs.read(context.person(), name, tail=tail, init=init)
        shown = matching(
            read.lines, severities=severities, text=text, request_id=request, hide_probes=hide and not init
        )
        if not read.lines:
            tables.nothing("The container has written nothing yet." if not init else "The init container said nothing.")
        elif not shown:
            tables.nothing(f"None of the newest {len(read.lines):,} lines fits: clear a filter, or read more lines.")
        else:
            with st.container(height=HEIGHT, border=True, autoscroll=paused is None):
                st.code("\n".join(line.text for line in shown), language=None, wrap_lines=wrap)
        more = " · there is more: choose more lines" if read.is_cut else ""
        st.caption(f"{len(shown):,} of {len(read.lines):,} lines, newest last, keys and tokens hidden{more}")
        with st.container(horizontal=True, vertical_alignment="center"):
            if paused:
                st.caption(f":material/pause: paused at {times.absolute(read.read_at)}", width="content")
            else:
                sources.live(read_at=read.read_at)
            if follow:
                _pause(name, read, is_paused=paused is not None)
            else:
                st.button("Read again", key="log-again", icon=":material/refresh:")
            _download(name, shown, init=init)
            if linked:
                _link(name, read, init=init)


def _pause(name: str, read: Log, *, is_paused: bool) -> None:
    """Hold what is shown while it is read; what is written meanwhile comes when it goes on."""
    if is_paused:
        st.button(
            "Go on",
            key="log-go-on",
            icon=":material/play_arrow:",
            on_click=lambda: st.session_state.pop(_paused_key(name), None),
        )
    else:
        st.button(
            "Pause",
            key="log-pause",
            icon=":material/pause:",
            on_click=lambda: st.session_state.update({_paused_key(name): read}),
        )


def _paused_key(name: str) -> str:
    return f"log-paused-{name}"


def _link(name: str, read: Log, *, init: bool) -> None:
    """A running log has no line numbers that stay: it is kept first, and the link leads to a line of what was kept."""

    def keep(asked: actions.Asked) -> str:
        if not read.lines:
            raise Conflict("There is no line to link to: the log is empty.")
        listed = reads_services.find(name)
        return context.services().log_snapshots.keep(
            asked.by, name, list(read.lines), state=listed.state if listed else "gone", is_init=init
        )

    actions.button(
        "Link to a line",
        keep,
        key=f"log-link-{name}",
        command="logs.follow",
        started="This log is kept for 90 days: choose the line.",
        then=lambda snapshot: logs_ways.go(logs_ways.PREVIOUS, of=name, snapshot=snapshot),
        clears=(reads_logs.snapshots,),
        help="Keeps these lines, so that an address can lead to one of them.",
        icon=":material/link:",
    )


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
