"""Models: every registered model version, and where each one is deployed."""

from __future__ import annotations

from dashboard import navigation
from dashboard.ui import filters, headings, models_list, models_register

VERSIONS, REGISTER = "Versions", "Register"

headings.title("Models", "Every registered model version, and where each one is deployed.")

view = filters.view("View", [VERSIONS, REGISTER])

if view == VERSIONS:
    asked = models_list.wanted()
    chosen = models_list.show(asked, register=models_register.invitation)
    if chosen:
        navigation.go("model", id=chosen)
else:
    models_register.form()
