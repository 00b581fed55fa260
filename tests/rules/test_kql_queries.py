"""Every query of the desk, judged by Microsoft's own parser: names, types, and the columns its header promises."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, get_args

import pytest

from local_workspace.insights.normalise import OURS, SOFT_FAILURE
from local_workspace.insights.schema import TABLES
from services.azuremonitor import literals, queries
from services.errors import Invalid
from services.monitoring import ChartName

TESTS = Path(__file__).resolve().parents[1]
START = datetime(2026, 11, 21, 14, tzinfo=UTC)
RANGE: dict[str, Any] = {"start": START, "end": START + timedelta(hours=1)}

HOSTILE = [
    "plain",
    "it's",
    'say "hi"',
    "back\\slash",
    "ends with \\",
    "' or 1==1 //",
    '" or 1==1 //',
    "'); DROP TABLE Requests; --",
    "two\nlines\tand a tab",
    "| take 1",
    "// a comment",
    "{Service}",
    "ünïcödé 🙂",
    "\u2028 line separator",
    "@'verbatim'",
    "```fence```",
]


class KustoCheck:
    """Microsoft's parser, started once."""

    def __init__(self) -> None:
        command = ["node", str(TESTS / "kusto-check.js")]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __call__(self, *texts: str, azure: bool = False) -> list[dict[str, Any]]:
        """The verdicts; on Azure there is no table `Requests`."""
        tables = {name: columns for name, columns in TABLES.items() if not (azure and name == "Requests")}
        asked = {"tables": tables, "queries": [{"name": text, "text": text} for text in texts]}
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(asked) + "\n")
        self.process.stdin.flush()
        verdicts: list[dict[str, Any]] = json.loads(self.process.stdout.readline())
        return verdicts


@pytest.fixture(scope="module")
def kusto_check() -> Iterator[KustoCheck]:
    if not (TESTS / "node_modules/@kusto").exists() or not shutil.which("node"):
        missing = "Microsoft's KQL parser is not installed: run `make tools`, it needs Node."
        if os.environ.get("CI") == "true":
            pytest.fail(missing)
        pytest.skip(missing)
    check = KustoCheck()
    yield check
    check.process.communicate(timeout=20)


VARIANTS: tuple[tuple[tuple[str, ...], bool, dict[str, bool]], ...] = (
    ((), False, {}),
    (("wine-prod", "it's"), True, {"include_ours": True}),
    ((), True, {"together": True}),
)


@pytest.mark.parametrize("source", ["local", "azure"])
def test_every_query_means_what_its_header_says(kusto_check: KustoCheck, source: queries.Source) -> None:
    names = queries.names()
    texts = [
        queries.render(name, source=source, services=services, front_end=log, **ways, **RANGE)
        for name in names
        for services, log, ways in VARIANTS
    ]

    verdicts = kusto_check(*texts, azure=source == "azure")

    for number, verdict in enumerate(verdicts):
        query = queries.load(names[number // len(VARIANTS)])
        assert verdict["errors"] == [], f"{query.name}: {verdict['errors']}"
        assert [tuple(column) for column in verdict["columns"]] == list(query.columns), query.name


def test_there_is_a_query_for_every_chart() -> None:
    assert set(get_args(ChartName)) <= set(queries.names())
    assert all(len(queries.load(name).purpose) > 30 for name in queries.names())


def test_no_query_lies_about_unused() -> None:
    code = "\n".join(path.read_text() for path in (TESTS.parent / "services").rglob("*.py"))

    assert [name for name in queries.names() if f'"{name}"' not in code] == []


def test_azures_requests_have_the_local_tables_columns_and_types(kusto_check: KustoCheck) -> None:
    text = queries.with_source("Requests", source="azure", **RANGE)

    assert dict(kusto_check(text, azure=True)[0]["columns"]) == TABLES["Requests"]


def test_one_of_our_queries_written_out_and_edited_stands_as_it_is() -> None:
    shown = queries.render("errors_by_code", source="azure", services=["wine"], **RANGE)

    assert queries.with_source(f"{shown}| take 5", source="azure", **RANGE) == f"{shown}| take 5"


def test_the_parser_refuses_what_the_local_engine_overlooks(kusto_check: KustoCheck) -> None:
    wrong = ["requests | count", "Requests | where durationms > 5", "Requests | where Service >= 5", ".show tables"]

    assert all(verdict["errors"] for verdict in kusto_check(*wrong))


def test_any_text_is_one_clean_literal(kusto_check: KustoCheck) -> None:
    texts = [f"print x = {literals.string(text)}" for text in HOSTILE]

    for verdict in kusto_check(*texts):
        assert verdict["errors"] == []
        assert verdict["columns"] == [["x", "string"]]


def test_a_soft_failure_is_the_same_on_azure_as_here() -> None:
    azure = queries.prelude("azure")

    assert f"@'{SOFT_FAILURE}'" in azure
    assert f"startswith_cs '{OURS}'" in azure


def test_on_azure_time_is_narrowed_before_properties_are_touched() -> None:
    azure = queries.prelude("azure")

    assert azure.index("TimeGenerated < End") < azure.index("tostring(Properties")


def test_what_is_shown_begins_with_what_it_is_for() -> None:
    text = queries.render("latency", source="local", services=("wine-prod",), **RANGE)

    assert text.startswith("// How long run() and the inference server took")
    assert 'where Service in ("wine-prod")' in text
    assert "let Start = datetime(2026-11-21T14:00:00Z);" in text
    assert "let Step = 5m;" in text
    assert "not(IsOurs)" in text
    assert "not(IsOurs)" not in queries.render("latency", source="local", services=(), include_ours=True, **RANGE)


@pytest.mark.parametrize(
    ("value", "literal"),
    [
        (timedelta(days=1), "1d"),
        (timedelta(hours=6), "6h"),
        (timedelta(minutes=90), "90m"),
        (timedelta(seconds=15), "15s"),
        (timedelta(milliseconds=250), "250ms"),
    ],
)
def test_a_step_is_written_in_its_largest_unit(value: timedelta, literal: str) -> None:
    assert literals.duration(value) == literal


def test_a_moment_is_written_in_utc() -> None:
    paris = datetime.fromisoformat("2026-11-21T15:00:00.25+01:00")

    assert literals.moment(paris) == "datetime(2026-11-21T14:00:00.250000Z)"


@pytest.mark.parametrize(
    "wrong",
    [
        {"services": ("nul\x00",)},
        {"step": timedelta(0)},
        {"end": START},
        {"end": START + timedelta(days=40)},
    ],
)
def test_what_makes_no_query_is_refused_in_words(wrong: dict[str, Any]) -> None:
    with pytest.raises(Invalid, match=r"[a-z]+: choose|longer than nothing"):
        queries.render("latency", **{"source": "local", "services": (), **RANGE, **wrong})
