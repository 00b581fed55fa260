"""Broken rules in words, right beneath the field they are about."""

from __future__ import annotations

from collections.abc import Iterable

import streamlit as st

from dashboard.ui.operation_words import escaped
from services.planning.problems import Problem


def show(problems: Iterable[Problem]) -> None:
    """Show each broken rule: what is refused in red, what is only unwise in orange."""
    for problem in problems:
        if problem.severity == "warning":
            st.markdown(f":orange[:material/warning: {escaped(problem.sentence)}]")
        else:
            st.markdown(f":red[:material/error: {escaped(problem.sentence)}]")
