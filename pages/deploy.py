"""Deploy: launch a service or redeploy one: the plan comes first, then the launch."""

from __future__ import annotations

import streamlit as st

from dashboard import context
from dashboard.ui import (
    deploy_draft,
    deploy_plan,
    deploy_progress,
    deploy_settings,
    deploy_what,
    deploy_where,
    filters,
    headings,
    operation,
)
from dashboard.ui.deploy_fields import Form

headings.title("Deploy", "Launch a service or redeploy one: the plan comes first, then the launch.")

operation_id = filters.wanted("operation")
if operation_id:
    deploy_progress.show(operation_id)
    st.stop()

deploy_draft.begin()
deploy_draft.say_why()
changing = deploy_draft.get("changing")
wanted, unread = deploy_draft.wanted()
deployments = context.services().deployments
listed = context.services().webservices.find(wanted.service)
live = listed.service if listed else None
form = Form(wanted.target, [*unread, *deployments.check(wanted)])

operation.running()
with st.container(horizontal=True, vertical_alignment="center"):
    if changing:
        st.badge(f"changing {changing}", icon=":material/edit:", color="blue")
    elif live:
        st.badge(f"{wanted.service} exists: this changes it", icon=":material/edit:", color="orange")
    else:
        st.badge("a new service", icon=":material/add:", color="blue")
    st.button(
        "Start over", key="deploy-clear", type="tertiary", icon=":material/restart_alt:", on_click=deploy_draft.clear
    )

with st.container(key="deploy-step-1"):
    headings.section("1 What")
    deploy_what.show(form, wanted, live)
with st.container(key="deploy-step-2"):
    headings.section("2 Where")
    deploy_where.show(form)
with st.container(key="deploy-step-3"):
    headings.section("3 Resources and scaling")
    deploy_settings.resources(form)
with st.container(key="deploy-step-4"):
    headings.section("4 Access and insights")
    deploy_settings.access(form, wanted)
with st.container(key="deploy-step-5"):
    headings.section("5 Plan")
    deploy_plan.show(form, wanted)
