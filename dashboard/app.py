"""The shell: the frame around every screen. Streamlit runs this first, whichever screen is asked for."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from dashboard import actions, context, frame, identity, navigation
from dashboard.ui import errors

# A file of ours: a Material icon here would be fetched from another host by every browser.
ICON = Path(__file__).with_name("icon.svg")
st.set_page_config(layout="wide", page_icon=ICON, initial_sidebar_state="auto")
st.logo(ICON, size="large")
is_wall = frame.is_wall()
page = st.navigation(navigation.sections(), position="hidden" if is_wall else "sidebar")
frame.wait_for_services()
person = context.person()

with errors.explained():
    frame.keep_address()
    if not is_wall:
        frame.header(person)
    frame.bars(page.title)
    if page.url_path == "":
        identity.invitation(person)
    actions.show_flash()
    page.run()
context.settle(page.url_path)
