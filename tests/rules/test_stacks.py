"""Stacks: the user's own error behind the server's wrapper, and which errors are one failure."""

from __future__ import annotations

import pytest

from services.stacks import innermost
from tests.local_workspace.insights_process import recorded

SERVER = """

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "/azureml-envs/azureml/lib/python3.11/site-packages/azureml_inference_server_http/server/routes.py", line 222, in handle_score
    timed_result = main_blueprint.user_script.invoke_run(request)
azureml_inference_server_http.server.user_script.UserScriptException: Caught an unhandled exception from the user script
"""


def raised(*said: str, line: int = 10, function: str = "run", library: str = "") -> str:
    frame = f'  File "/var/azureml-app/score.py", line {line}, in {function}\n    do(it)\n    ^^^^^^\n'
    beneath = f'  File "/opt/lib/python3.11/site-packages/{library}", line 7, in check\n    x\n' if library else ""
    said_text = "\n".join(said)
    return f"Traceback (most recent call last):\n{frame}{beneath}{said_text}"


@pytest.mark.parametrize("generation", ["opencensus", "opentelemetry"])
def test_both_generations_of_server_give_the_same_cause(generation: str) -> None:
    sent = [
        item["data"]["baseData"]["exceptions"][0]
        for item in recorded(generation)
        if item["data"]["baseType"] == "ExceptionData"
    ]

    causes = [innermost(one.get("stack") or one["message"], wrapper=one["typeName"]) for one in sent]

    assert [(cause.type, cause.message) for cause in causes] == [
        ("ValueError", "feature 7 is missing"),
        ("UserScriptTimeout", "Script failed to finish execution within the allocated time: 1500ms"),
    ]
    assert causes[0].place == "run (score.py:10)"
    assert causes[0].group == innermost(raised("ValueError: feature 12 is missing", line=99) + SERVER).group


def test_values_and_lines_do_not_make_two_failures_of_one() -> None:
    one = innermost(raised("ValueError: could not convert string to float: 'Ann'") + SERVER)
    other = innermost(raised("ValueError: could not convert string to float: 'Bob'", line=12) + SERVER)

    assert one.group == other.group
    assert one.masked_message == "could not convert string to float: '•••'"
    assert "Ann" not in one.masked_stack


@pytest.mark.parametrize(
    "other",
    [
        raised("KeyError: 'x'"),
        raised("ValueError: no column named 'x'"),
        raised("ValueError: missing 'x'", function="prepare"),
    ],
)
def test_another_type_message_or_function_is_another_failure(other: str) -> None:
    assert innermost(raised("ValueError: missing 'x'")).group != innermost(other).group


def test_the_place_is_in_the_users_code_and_names_the_library_beneath() -> None:
    cause = innermost(raised("ValueError: Input X contains NaN.", library="sklearn/utils/validation.py") + SERVER)

    assert cause.place == "run (score.py:10), in check (utils/validation.py:7)"


def test_the_servers_frames_above_the_script_are_left_out_of_what_is_shown() -> None:
    item = next(item for item in recorded("opentelemetry") if item["data"]["baseType"] == "ExceptionData")

    shown = innermost(item["data"]["baseData"]["exceptions"][0]["stack"]).masked_stack.splitlines()

    assert shown[0] == "Traceback (most recent call last):"
    assert shown[1] == '  File "/var/azureml-app/score.py", line 10, in run'
    assert shown[-1] == "ValueError: feature • is missing"


def test_of_an_error_while_handling_another_the_later_one_counts() -> None:
    handling = "\n\nDuring handling of the above exception, another exception occurred:\n\n"
    cause = innermost(raised("KeyError: 'a'") + handling + raised("my.own.BadInput: no a", line=12) + SERVER)

    assert (cause.type, cause.message) == ("BadInput", "no a")


def test_a_message_may_have_several_lines() -> None:
    assert (
        innermost(raised("RuntimeError: first", "  second: third", "fourth")).message
        == "first\n  second: third\nfourth"
    )


@pytest.mark.parametrize("said", ["KeyboardInterrupt", "my.module.Wrong"])
def test_an_error_may_say_nothing(said: str) -> None:
    cause = innermost(raised(said) + SERVER)

    assert (cause.type, cause.message) == (said.rpartition(".")[2], "")


def test_what_is_no_stack_keeps_its_text() -> None:
    cause = innermost("something broke", wrapper="UserScriptException")

    assert (cause.type, cause.message, cause.place) == ("UserScriptException", "something broke", "")
