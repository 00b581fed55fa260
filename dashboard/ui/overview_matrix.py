"""The matrix: a row per application, a column per stage, as the tags of the services say."""

from __future__ import annotations

import streamlit as st

from dashboard import context, navigation, reads
from dashboard.ui import headings, operation_words, sources, states, tables, times
from services.webservices import ListedService, stage_rank

NAME_SHARE = 0.5
APPLICATIONS = 10
"""Rows of the matrix on a page of it: a cell is drawn of several parts, and the whole is drawn anew every 10 s."""


def show() -> None:
    """Show every application and stage, refreshed by itself."""
    headings.section(
        "Where everything runs",
        "From the tags “application” and “stage” of each service; figures are of the last hour.",
    )
    _matrix()


@st.fragment(run_every="10s")
def _matrix() -> None:
    listed = reads.services()
    if not listed and reads.services_read_at() is None:
        tables.nothing("Not known yet: the services were not read so far. This looks again by itself.")
        return
    if not listed:
        tables.nothing(
            "Nothing is deployed here yet.",
            next_step=lambda: navigation.link("deploy", "Deploy a model", icon=":material/rocket_launch:"),
        )
        return
    managed = [found for found in listed if found.application and found.stage]
    stages = sorted({found.stage for found in managed}, key=lambda stage: (-stage_rank(stage), stage))
    applications = sorted({found.application for found in managed})
    shown = tables.pages(len(applications), key="applications", size=APPLICATIONS, what="applications")
    with st.container(key="matrix", gap="xsmall"):
        for application in applications[shown]:
            _row(application, stages, [found for found in managed if found.application == application])
    _untagged([found for found in listed if not (found.application and found.stage)])
    sources.show(read_at=reads.services_read_at())


def _row(application: str, stages: list[str], listed: list[ListedService]) -> None:
    with st.container(border=True, key=f"application-{application}"):
        columns = st.columns([NAME_SHARE, *[1] * len(stages)], gap="small")
        columns[0].markdown(f"**{operation_words.escaped(application)}**")
        for stage, column in zip(stages, columns[1:], strict=True):
            with column:
                _cell(stage, [found for found in listed if found.stage == stage])


def _cell(stage: str, listed: list[ListedService]) -> None:
    if not listed:
        st.caption(f"{operation_words.escaped(stage)}: not deployed")
    for found in listed:
        with st.container(gap="xsmall"):
            with st.container(horizontal=True, vertical_alignment="center", gap="small"):
                st.markdown(f":gray[{operation_words.escaped(stage)}]", width="content")
                states.badge(found.word)
                navigation.link("service", found.service.name, name=found.service.name)
            st.caption(_facts(found))


def _facts(found: ListedService) -> str:
    models = ", ".join(operation_words.escaped(model) for model in found.service.model_ids) or "model not known"
    parts = [models, f"{found.service.compute_type}", times.ago(found.service.updated_at or found.service.created_at)]
    return f"{' · '.join(parts)}  \n{_figures(found)}"


def _figures(found: ListedService) -> str:
    summary = found.summary
    if summary is None:
        on = found.service.configuration.get("enable_app_insights")
        return "no request seen in the last hour" if on else "not known: Application Insights is off"
    rate = summary.error_rate
    failed = "no requests" if rate is None else f"{100 * rate:.1f} % failed"
    p95 = "p95 not known" if summary.p95_ms is None else f"p95 {_milliseconds(summary.p95_ms)}"
    text = f"{failed} · {p95} · {summary.requests:,} requests"
    return f"**{text}**" if found.is_failing else text


def _milliseconds(value: float) -> str:
    return "< 1 ms" if value < 1 else f"{value:,.0f} ms"


def _untagged(listed: list[ListedService]) -> None:
    if not listed:
        return
    with st.expander(f"{len(listed)} without an application or a stage", icon=":material/label_off:"):
        st.caption("They carry no tag “application” or “stage”: set both under Configuration and they join the matrix.")
        for found in listed:
            with st.container(horizontal=True, vertical_alignment="center", gap="small"):
                states.badge(found.word)
                navigation.link("service", found.service.name, name=found.service.name)
                st.caption(_facts(found).replace("  \n", " · "), width="content")


def sample_traffic() -> None:
    """The switch of the samples' traffic, on a workspace that has them."""
    desk = context.services()
    if not desk.is_local or not any(
        (found.service.description or "").startswith("Sample:") for found in reads.services()
    ):
        return
    is_on = desk.switches.is_on("sample traffic")
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption("The samples are called by a small traffic generator.", width="content")
        st.toggle(
            "Sample traffic",
            value=is_on,
            key="sample-traffic",
            disabled=not context.person().may("switch.flip"),
            help="Real requests to the sample services, about three a second. Needs the role operator.",
            on_change=_flip,
        )


def _flip() -> None:
    context.services().switches.flip(context.person(), "sample traffic", on=bool(st.session_state["sample-traffic"]))
