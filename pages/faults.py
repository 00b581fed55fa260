"""Faults: make the local workspace fail on purpose, to practise and to see what the desk says of it."""

from __future__ import annotations

from dashboard import context
from dashboard.ui import faults_panel, headings, tables

headings.title("Faults", "Make the local workspace fail on purpose, to practise and to see what the desk says of it.")

if context.services().faults.are_there:
    faults_panel.now()
    faults_panel.begin()
else:
    tables.nothing("Faults on purpose are there on the local workspace alone: this desk works on Azure.")
