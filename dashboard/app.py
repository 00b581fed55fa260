"""The shell: the frame around every screen. Streamlit runs this first, whichever screen is asked for."""

from __future__ import annotations

import streamlit as st

from dashboard import context, frame, identity, navigation

st.set_page_config(layout="wide", page_icon=":material/desk:", initial_sidebar_state="auto")
page = st.navigation(navigation.sections())
person = context.person()

frame.keep_address()
frame.header(person)
frame.bars()
if page.url_path == "":
    identity.invitation(person)
page.run()
context.settle()
