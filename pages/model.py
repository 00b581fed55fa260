"""Model version: one model version: its tags, files and deployments."""

from __future__ import annotations

import streamlit as st

from dashboard import navigation, reads_models
from dashboard.ui import filters, headings, models_change, models_facts, tables

ALL = ("All models", ":material/deployed_code:")

model_id = filters.wanted("id")
found = reads_models.find(model_id) if model_id else None

headings.title(model_id or "Model version", "One model version: its tags, files and deployments.")
navigation.link("models", ALL[0], icon=ALL[1])

models_change.progress()
if model_id is None:
    tables.nothing("The address does not say which version: choose one in the list of all models.")
    st.stop()
if found is None:
    tables.nothing(f"There is no model version {model_id} here (any more): it may have been deleted meanwhile.")
    st.stop()

models_facts.badges(found)
models_change.buttons(found)
left, right = st.columns([2, 1], gap="medium")
with left:
    models_facts.facts(found)
    models_change.edit(found)
with right:
    models_facts.where(found)
models_facts.versions(found)
