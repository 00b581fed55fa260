"""Documents stay true: what they name is there, what is there is named, and their code can be read."""

from __future__ import annotations

import ast
import json
import re
import subprocess
from pathlib import Path

import pytest

from dashboard.navigation import SCREENS
from local_workspace.faults import KINDS, OF_A_SERVICE
from services.settings import Settings

ROOT = Path(__file__).resolve().parent.parent.parent
README = ROOT / "README.md"
EXAMPLE = ROOT / ".env.example"
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
TEXTS = (".py", ".kql", ".md", ".sh", ".js", ".json", ".toml", ".conf", ".txt", ".in", ".example")
LARGEST_PICTURE = 250_000

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
FILE_NAMED = re.compile(r"`([\w.-]+(?:/[\w.-]+)+\.(?:py|kql|sh|md|toml|in|txt|conf)|[\w-]+(?:/[\w-]+)*/)`")
MADE_AT_RUN_TIME = ("data/", "DIR/", "DESK_DATA/", "DESK_KEYS/", "DESK_ANCHOR/")
TABLE_ROW = re.compile(r"^\| `([^`|]+)` \|", re.MULTILINE)

# Written in halves: this file, too, is among those that are searched.
NOBODYS_BUSINESS = (
    "py" + "pi.org",
    "python" + "hosted.org",
    "registry." + "npmjs",
    "deb." + "debian.org",
    "/wo" + "rk/",
    "/ro" + "ot/",
    "/tm" + "p/briefs",
)


def text(path: Path) -> str:
    """A document."""
    return path.read_text(encoding="utf-8")


def rows_of(document: Path, heading: str) -> set[str]:
    """The first cells, in code, of the tables below a heading."""
    section = re.search(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", text(document), re.DOTALL | re.MULTILINE)
    assert section, f"{document.name} has no heading {heading}"
    return set(TABLE_ROW.findall(section[1]))


def settings() -> set[str]:
    """The names of all settings, as they stand in the environment."""
    return {name.upper() for name in Settings.model_fields}


def targets() -> set[str]:
    """What `make` can do, as its help says."""
    return set(re.findall(r"^([a-z-]+):.*## ", text(ROOT / "Makefile"), re.MULTILINE))


def blocks(language: str) -> list[tuple[str, str]]:
    """Every code block of a language, with the document it stands in."""
    return [(path.name, code) for path in DOCUMENTS for kind, code in FENCE.findall(text(path)) if kind == language]


def test_the_readme_explains_every_setting_and_no_other() -> None:
    assert rows_of(README, "Settings") == settings()


def test_the_example_settings_name_every_setting_and_no_other() -> None:
    assert set(re.findall(r"^# ([A-Z_]+)=", text(EXAMPLE), re.MULTILINE)) == settings()


def test_the_documents_set_only_settings_that_exist() -> None:
    set_somewhere = {name for _, code in blocks("ini") for name in re.findall(r"^([A-Z_]+)=", code, re.MULTILINE)}

    assert set_somewhere
    assert set_somewhere - settings() == set()


def test_the_readme_names_every_command_of_make() -> None:
    in_the_table = {row.removeprefix("make ") for row in TABLE_ROW.findall(text(README)) if row.startswith("make ")}

    assert targets() - in_the_table == set()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_a_document_names_only_commands_that_make_knows(document: Path) -> None:
    made = set(re.findall(r"^([a-z-]+):", text(ROOT / "Makefile"), re.MULTILINE))
    named = set(re.findall(r"`make ([a-z-]+)", text(document)))
    named |= {
        word
        for kind, code in FENCE.findall(text(document))
        if kind == "sh"
        for word in re.findall(r"^make ([a-z-]+)", code, re.MULTILINE)
    }

    assert named - made == set()


def test_everything_on_the_map_is_there_and_every_folder_is_on_it() -> None:
    on_the_map = rows_of(README, "Where things are")
    folders = {
        f"{path.name}/"
        for path in ROOT.iterdir()
        if path.is_dir() and not path.name.startswith(".") and path.name not in {"data", "node_modules"}
    }
    kept = {folder for folder in folders if next((ROOT / folder).rglob("*.*"), None) and folder != "bench-results/"}

    assert {place for place in on_the_map if not (ROOT / place).exists()} == set()
    assert kept - on_the_map == set()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    inside = [link for link in LINK.findall(text(document)) if not link.startswith(("http://", "https://", "#"))]

    assert [link for link in inside if not (document.parent / link.partition("#")[0]).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_files_named_in_a_document_are_there(document: Path) -> None:
    named = [name for name in FILE_NAMED.findall(text(document)) if not name.startswith(MADE_AT_RUN_TIME)]
    gone = [name for name in named if not ((ROOT / name).exists() or list(ROOT.glob(f"[a-z]*/**/{name}")))]

    assert gone == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_code_in_a_document_can_be_read(document: Path) -> None:
    for language, code in FENCE.findall(text(document)):
        if language == "python":
            ast.parse(code)
        elif language == "json":
            json.loads(code)
        elif language == "sh":
            # What has to be filled in stands in angle brackets, which a shell would read as files.
            shell = re.sub(r"<[^<>\n]+>|\[--[^\]\n]+\]", "filled-in", code)
            checked = subprocess.run(["bash", "-n"], input=shell, capture_output=True, text=True)
            assert checked.returncode == 0, f"{document.name}: {checked.stderr}"
        else:
            assert language in {"ini", "kusto"}, f"{document.name} has a block of an unknown language: {language!r}"


def test_every_fault_is_explained() -> None:
    page = text(ROOT / "docs" / "local-workspace.md")

    assert [kind for kind in KINDS if f"`{kind}`" not in page] == []
    assert len(OF_A_SERVICE) == 7, "the page says that the first seven faults need a service"


def test_every_listed_screen_is_in_the_guide() -> None:
    guide = text(ROOT / "docs" / "operate.md")

    assert [screen.title for screen in SCREENS if screen.is_listed and f"| {screen.title} |" not in guide] == []


def test_the_columns_of_requests_are_explained() -> None:
    prelude = text(ROOT / "services" / "azuremonitor" / "preludes" / "azure.kql")
    page = text(ROOT / "docs" / "telemetry.md")
    projected = re.findall(r"^    (\w+)(?:,| =|;)", prelude.split("| project\n")[-1], re.MULTILINE)

    assert len(projected) > 8
    assert [column for column in projected if f"`{column}`" not in page] == []


def test_pictures_are_small() -> None:
    large = [path.name for path in (ROOT / "docs").glob("*.png") if path.stat().st_size > LARGEST_PICTURE]

    assert large == []


def test_the_repository_says_nothing_of_the_machine_it_was_written_on() -> None:
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    found = [
        f"{name}: {word}"
        for name in tracked.stdout.split("\0")
        if name.endswith(TEXTS) and (ROOT / name).is_file()
        for word in NOBODYS_BUSINESS
        if word in text(ROOT / name)
    ]

    assert found == []
