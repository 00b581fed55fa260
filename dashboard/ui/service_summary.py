"""Summary of one service: what its state means, the last hour, what runs, what changed last, what states it was in."""

from __future__ import annotations

import streamlit as st

from dashboard import reads_causes, reads_services
from dashboard.ui import (
    alert_panel,
    causes,
    errors,
    headings,
    operation,
    operation_words,
    service_header,
    service_objectives,
    service_words,
    sources,
    states,
    tables,
    times,
)
from services.webservices import ListedService


def show(listed: ListedService) -> None:
    """Show it."""
    alert_panel.of_service(listed.service.name)
    _state(listed)
    causes_shown = st.container()
    _said(listed)
    operation.running(subject=listed.service.name, ended=reads_services.forget)
    _hour(listed)
    service_objectives.show(listed)
    _last_change(listed)
    headings.section("State history", "Every change of state since this desk first saw the service, newest first.")
    tables.show(
        [
            {
                "at": change.at,
                "before": states.plain(change.before) if change.before else "first seen",
                "after": states.plain(change.after) if change.after else "gone",
                "error": change.error or "",
            }
            for change in reads_services.state_changes(listed.service.name)
        ],
        key="state-history",
        alt="What states the service was in, newest first.",
        columns={
            "at": times.column("When", relative=False),
            "before": tables.text("From"),
            "after": tables.text("To"),
            "error": tables.text("What Azure said", wide=True),
        },
        empty="No change of state has been seen yet.",
    )
    sources.show(read_at=listed.read_at)
    # Last, since it asks Azure: everything else is on the screen by then.
    with causes_shown, errors.explained():
        causes.show(reads_causes.of_service(listed.service.name))


def _state(listed: ListedService) -> None:
    began = listed.state_since
    if listed.word == "Failing" and listed.summary and listed.summary.first_error_at:
        # Azure's own state is healthy, and older than the trouble.
        began = listed.summary.first_error_at
    since = f"since {times.both(began)}"
    sentence = service_words.state(listed)
    # Written with two spaces and a newline: one paragraph, two lines.
    text = f"{sentence}  \n:small[{states.state_of(listed.word).word} {since}]"
    colour = states.state_of(listed.word).colour
    if colour == "red":
        st.error(text, icon=states.state_of(listed.word).icon)
    elif colour == "green":
        st.markdown(f"{sentence} :gray[:small[{since}]]")
    else:
        st.info(text, icon=states.state_of(listed.word).icon)


def _said(listed: ListedService) -> None:
    """Azure's own words, beneath what they mean."""
    if said := service_words.problem(listed):
        with st.expander("What Azure said", icon=":material/cloud:"):
            st.code(said, language=None, wrap_lines=True)
        service_header.open_view("Read the container's log", "Logs", key="summary-logs", icon=":material/article:")


def _hour(listed: ListedService) -> None:
    summary = listed.summary
    headings.section("Last hour")
    if summary is None:
        is_on = service_words.insights(listed.service) == "on"
        tables.nothing(
            "Not known: no request was recorded in the last hour. Send a test request, or look again in a minute."
            if is_on
            else "Not known: Application Insights is off, so nothing is recorded. Turn it on under Configuration.",
            icon=":material/show_chart:",
        )
        return
    figures = (
        ("Requests", f"{summary.requests:,}", "Recorded by the container, our own probes and tests left out."),
        ("Errors", service_words.share(summary.error_rate), f"{summary.errors:,} failed in the container."),
        ("Soft failures", f"{summary.soft_failures:,}", "Answered with 200, yet the body speaks of an error."),
        (
            "p50",
            service_words.milliseconds(summary.p50_ms),
            "Half of the requests took at most this, in the container.",
        ),
        ("p95", service_words.milliseconds(summary.p95_ms), "95 % of the requests took at most this."),
        ("p99", service_words.milliseconds(summary.p99_ms), "99 % of the requests took at most this."),
    )
    with st.grid(6, min_column_width=130):
        for label, value, help in figures:
            st.metric(label, value, help=help)
    st.caption(
        f"Last row {times.ago(summary.last_row_at)} · read {times.ago(summary.read_at)} from telemetry · what the "
        "front end refuses by itself (401, 413, 503) is not in it"
    )


def _last_change(listed: ListedService) -> None:
    newest = reads_services.last_changes().get(listed.service.name)
    what, by, at = service_words.last_change(listed, newest)
    reason = f", “{operation_words.escaped(newest.reason)}”" if newest and newest.reason else ""
    st.markdown(
        f"**Last change** {operation_words.escaped(what)}, {times.both(at)}, {_by(by)}{reason}"
        + (f" {states.inline(operation_words.state(newest))}" if newest else "")
    )


def _by(name: str) -> str:
    return "by whom is not known" if name == service_words.UNKNOWN else f"by {operation_words.escaped(name)}"
