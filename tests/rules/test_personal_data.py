"""Values that may be about people are hidden; what helps to find the fault stays."""

from __future__ import annotations

import json

import pytest

from services.personal_data import mask, mask_text


def test_an_answer_keeps_its_fields_and_loses_its_values() -> None:
    answer = {"name": "Ann Lee", "age": 41, "scores": [0.1, 0.2, 0.3, 0.4, 0.5], "ok": True, "left": None, "": ""}

    assert json.loads(mask(json.dumps(answer))) == {
        "name": "•••",
        "age": "•",
        "scores": ["•", "•", "•", "… 2 more"],
        "ok": True,
        "left": None,
        "": "",
    }


def test_an_answer_that_says_why_keeps_the_words() -> None:
    assert json.loads(mask('{"error": "no such column \'age of Ann\', row 7"}')) == {
        "error": "no such column '•••', row •"
    }


def test_an_answer_encoded_once_more_is_masked_the_same() -> None:
    assert mask(json.dumps('{"name": "Ann"}')) == mask('{"name": "Ann"}')


@pytest.mark.parametrize("answer", ["Ann Lee, 12 High Street", '"Ann Lee"', '{"name": "Ann'])
def test_a_bare_answer_is_hidden_whole(answer: str) -> None:
    assert mask(answer) == "•••"


def test_a_bare_error_keeps_its_words() -> None:
    assert mask("could not convert string to float: 'Ann'") == "could not convert string to float: '•••'"


@pytest.mark.parametrize(
    ("printed", "shown"),
    [
        ("init done", "init done"),
        ("asked for {'age': 41}", "asked for {'•••': •}"),
        ("mail of ann.lee@example.org", "mail of •••"),
        ("customer Ann Lee, born 1984-03-12", "customer ••• •••, born •"),
        ("caught ValueError: 3 columns", "caught ValueError: • columns"),
    ],
)
def test_prints_lose_texts_numbers_addresses_and_names(printed: str, shown: str) -> None:
    assert mask_text(printed, keep_names=False) == shown


def test_nothing_stays_nothing() -> None:
    assert mask("") == ""
