"""The screens of models: the list, one version, and the form that registers one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st
from streamlit.testing.v1 import AppTest

from tests.pages import records

if TYPE_CHECKING:
    from services.bootstrap import Desk
    from tests.pages.conftest import OpenPage


def test_a_version_stands_in_the_list_with_its_tags_and_framework(
    open_page: OpenPage, desk: Desk, tmp_path: Path
) -> None:
    records.register(desk, "listed", tmp_path, framework="Onnx", tags={"stage": "dev"})

    table = open_page("models", named="listed").dataframe[0].value

    assert (table["name"][0], table["version"][0], table["framework"][0]) == ("listed", 1, "Onnx")
    assert list(table["tags"][0]) == ["stage=dev"]


def test_the_filters_of_the_address_are_those_of_the_list(open_page: OpenPage, desk: Desk, tmp_path: Path) -> None:
    for tags in ({"colour": "red"}, {"colour": "blue"}):
        records.register(desk, "filtered", tmp_path, tags=tags)

    page = open_page("models", named="filtered", tag="colour=red")
    latest = open_page("models", named="filtered", latest="true")

    assert list(page.dataframe[0].value["version"]) == [1]
    assert list(latest.dataframe[0].value["version"]) == [2]


def test_filters_that_match_nothing_say_so(open_page: OpenPage) -> None:
    page = open_page("models", q="nosuchword")

    assert any("No version matches these filters" in text.value for text in page.markdown)


def test_an_unread_list_says_who_reads_it(open_page: OpenPage) -> None:
    page = open_page("models")

    assert any("have not been read from Azure yet" in text.value for text in page.markdown)


def test_a_chosen_row_opens_the_version(open_page: OpenPage, desk: Desk, tmp_path: Path) -> None:
    records.register(desk, "chosen", tmp_path)
    page = open_page("models", named="chosen")

    page.session_state["models"] = {"selection": {"rows": [0], "columns": [], "cells": []}}
    page.run()

    assert page.title[0].value == "chosen:1"


def test_a_deep_link_shows_one_version_with_all_its_facts(open_page: OpenPage, desk: Desk, tmp_path: Path) -> None:
    records.register(desk, "linked", tmp_path, framework="ScikitLearn", description="Knows things", tags={"a": "b"})

    page = open_page("model", id="linked:1")

    said = "\n".join(text.value for text in page.markdown)
    assert "Knows things" in said
    assert "a=b" in said
    assert "deployable to ACI and AKS" in said
    assert "7 bytes" in said


def test_a_version_that_is_gone_is_told_with_the_way_back(open_page: OpenPage) -> None:
    page = open_page("model", id="gone:7")

    assert any("no model version gone:7" in text.value for text in page.markdown)


def test_a_viewer_may_look_and_not_change(open_page: OpenPage, desk: Desk, tmp_path: Path) -> None:
    records.register(desk, "looked", tmp_path)

    page = open_page("model", identity="viewer", id="looked:1")
    form = open_page("models", identity="viewer", view="Register")

    assert page.button(key="delete").disabled
    assert page.button(key="fetch").disabled
    assert any("needs the role operator" in text.value for text in form.markdown)


def test_deleting_asks_first_then_starts_and_shows_the_operation(
    open_page: OpenPage, desk: Desk, tmp_path: Path
) -> None:
    records.prepare_queue(desk)
    records.register(desk, "deleted", tmp_path)
    page = open_page("model", identity="operator", id="deleted:1")

    page.button(key="delete").click().run()
    assert desk.operations.page() == []

    page.pills[0].set_value("Planned change").run()
    page.button(key="delete-confirm").click().run()
    (started,) = desk.operations.page()
    assert (started.kind, started.subject, started.reason) == ("model.delete", "deleted:1", "Planned change")
    assert page.query_params["operation"] == started.id


def test_tags_are_edited_and_what_others_added_stays(open_page: OpenPage, desk: Desk, tmp_path: Path) -> None:
    records.prepare_queue(desk)
    records.register(desk, "retagged", tmp_path, tags={"stage": "dev"})
    page = open_page("model", identity="operator", id="retagged:1")

    with records.gateway() as azure:
        azure.registry.edit_model("retagged:1", tags={"stage": "dev", "theirs": "1"}, description=None)
    records.read_models(desk)
    page.text_input(key="tags-retagged:1-value-0").set_value("prod").run()
    page.button(key="save-retagged:1").click().run()

    (started,) = desk.operations.page()
    assert started.arguments["tags"] == {"stage": "prod", "theirs": "1"}


def test_an_editor_nobody_typed_in_follows_what_is_there(open_page: OpenPage, desk: Desk, tmp_path: Path) -> None:
    records.register(desk, "followed", tmp_path, tags={"stage": "dev"})
    page = open_page("model", identity="operator", id="followed:1")

    with records.gateway() as azure:
        azure.registry.edit_model("followed:1", tags={"stage": "prod"}, description=None)
    records.read_models(desk)
    st.cache_data.clear()
    page.run()

    assert page.text_input(key="tags-followed:1-value-0").value == "prod"


def test_the_same_tag_changed_by_two_is_refused_in_words(open_page: OpenPage, desk: Desk, tmp_path: Path) -> None:
    records.prepare_queue(desk)
    records.register(desk, "fought", tmp_path, tags={"stage": "dev"})
    page = open_page("model", identity="operator", id="fought:1")

    with records.gateway() as azure:
        azure.registry.edit_model("fought:1", tags={"stage": "test"}, description=None)
    records.read_models(desk)
    page.text_input(key="tags-fought:1-value-0").set_value("prod").run()
    page.button(key="save-fought:1").click().run()

    assert "Somebody else changed the same tags" in page.warning[0].value
    assert desk.operations.page() == []


def test_an_upload_is_kept_named_and_registered(open_page: OpenPage, desk: Desk) -> None:
    records.prepare_queue(desk)
    page = open_page("models", identity="operator", view="Register")
    assert page.button(key="register").disabled

    page.button(key="model-upload-turn").click().run()
    page.file_uploader[0].set_value(("model.onnx", b"weights", "application/octet-stream")).run()
    page.text_input(key="register-name").set_value("uploaded").run()
    _add_tag(page, "stage", "dev")
    page.button(key="register").click().run()

    (started,) = desk.operations.page()
    assert started.arguments["name"] == "uploaded"
    assert started.arguments["tags"] == {"stage": "dev"}
    assert desk.files.path(started.arguments["sha256"]).read_bytes() == b"weights"


def test_a_name_that_breaks_the_rule_is_said_beside_it(open_page: OpenPage) -> None:
    page = open_page("models", identity="operator", view="Register")

    page.text_input(key="register-name").set_value("no spaces please").run()

    assert any("A model name starts with a letter or digit" in text.value for text in page.markdown)
    assert page.button(key="register").disabled


def test_uploads_go_one_at_a_time(open_page: OpenPage) -> None:
    first = open_page("models", identity="operator", view="Register")
    first.button(key="model-upload-turn").click().run()

    second = open_page("models", identity="admin", view="Register")

    assert len(first.file_uploader) == 1
    assert len(second.file_uploader) == 0
    assert "local operator began to upload a file" in second.info[0].value


def _add_tag(page: AppTest, name: str, value: str) -> None:
    page.button(key="register-tags-add").click().run()
    page.text_input(key="register-tags-name-0").set_value(name)
    page.text_input(key="register-tags-value-0").set_value(value).run()
