"""A page of Streamlit's own widgets and nothing of ours: what axe-core says about it is not ours to mend."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go
import streamlit as st


def body() -> None:
    """One of each widget the screens use."""
    st.title("Bare", anchor=False)
    st.header("Widgets", anchor=False)
    st.badge("badge", help="help")
    st.caption("caption", help="help")
    st.segmented_control("segmented", ["a", "b"], default="a")
    st.pills("pills", ["a", "b"])
    st.popover("popover").write("inside")
    st.selectbox("select", ["a", "b"])
    st.multiselect("several", ["a", "b"], default=["a"])
    st.text_input("text", help="help")
    st.text_area("area")
    st.number_input("number")
    st.toggle("toggle")
    st.checkbox("check")
    st.radio("radio", ["a", "b"])
    st.slider("slider")
    st.file_uploader("file")
    st.tabs(["a", "b"])
    st.expander("more").write("inside")
    st.button("button", help="help")
    st.dataframe(pd.DataFrame({"a": [1]}), hide_index=True, alt="table")
    st.data_editor(pd.DataFrame({"a": [1]}), hide_index=True, key="editor")
    st.plotly_chart(go.Figure(go.Scatter(x=[1, 2], y=[1, 2])), alt="chart")
    st.code("code")
    st.metric("metric", 1)
    st.progress(0.5, "progress")
    st.status("status")
    st.pagination(3)
    st.form("form").form_submit_button("send")


def other() -> None:
    """A second page, so that there is a menu."""


st.set_page_config(layout="wide")
st.navigation({"One": [st.Page(body, title="Body")], "Two": [st.Page(other, title="Other")]}).run()
