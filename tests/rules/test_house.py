"""The house keeps its shape: imports point one way, files stay short, nothing fails silently."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
OURS = ("benchmarks", "dashboard", "local_workspace", "pages", "samples", "services", "tests")
ELSEWHERE = ("samples/code", "samples/train.py", "local_workspace/scoring/replica_side")
"""What runs in a scoring environment, with nothing of ours beside it."""
NOT_WRITTEN_HERE = {"node_modules", "__pycache__"}
LONGEST_FILE = 500
VAGUE = {"utils", "util", "helpers", "helper", "common", "manager", "managers", "misc", "base", "core"}

MAY_NOT_IMPORT = {
    "services": {"streamlit", "local_workspace", "dashboard", "pages", "samples"},
    "local_workspace": {"streamlit", "services", "dashboard", "pages", "samples", "azureml"},
    "samples": {"streamlit", "local_workspace", "dashboard", "pages", "azureml"},
    "dashboard": {"local_workspace", "pages", "samples", "azureml", "azure"},
    "pages": {"local_workspace", "services", "samples", "azureml", "azure"},
}
LAYERS = (
    {"errors", "settings", "clock"},
    {"azureml", "azuremonitor", "disk", "scratch", "scrubbing", "storage", "upkeep"},
    {
        "access",
        "audit",
        "bundles",
        "files",
        "fingerprints",
        "health",
        "live",
        "planning",
        "probing",
        "rehearsal_workspace",
        "sealed",
        "sessions",
        "verdicts",
    },
    {"operations"},
    {"… every feature"},
    {"bootstrap", "preflight", "worker"},
)
"""The modules and packages of `services`, lowest first; what is in none of them is a feature."""
FEATURES = 4
MAY_IMPORT_BOOTSTRAP = {"dashboard/context.py", "services/worker.py", "samples", "benchmarks", "tests"}
MAY_IMPORT_AZURE = {"services/azureml", "services/azuremonitor", "tests"}


@dataclass(frozen=True)
class Import:
    """One module imported by one file; `at_run_time` is False under `if TYPE_CHECKING`."""

    file: str
    module: str
    at_run_time: bool

    def __str__(self) -> str:
        return f"{self.file} imports {self.module}"


@cache
def files(*suffixes: str) -> list[Path]:
    """The files of the house with these endings."""
    places = [ROOT / name for name in (*OURS, "docs")]
    found = [path for path in ROOT.iterdir() if path.is_file()]
    found += [path for place in places for path in place.rglob("*") if not NOT_WRITTEN_HERE & set(path.parts)]
    return sorted(path for path in found if path.suffix in suffixes)


@cache
def tree(path: Path) -> ast.Module:
    """A file as Python reads it."""
    return ast.parse(path.read_text(encoding="utf-8"))


def named(path: Path) -> str:
    """Its path below the root."""
    return path.relative_to(ROOT).as_posix()


@cache
def imports() -> list[Import]:
    """Every import of a Python file of the house."""
    return [
        Import(named(path), module, at_run_time)
        for path in files(".py")
        for module, at_run_time in _imports(tree(path), named(path), at_run_time=True)
    ]


def _imports(node: ast.AST, file: str, *, at_run_time: bool) -> Iterator[tuple[str, bool]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from ((alias.name, at_run_time) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            start = file.split("/")[: -child.level] if child.level else []
            module = ".".join([*start, *([child.module] if child.module else [])])
            yield from ((f"{module}.{alias.name}", at_run_time) for alias in child.names)
        elif isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            yield from _imports(child, file, at_run_time=False)
        else:
            yield from _imports(child, file, at_run_time=at_run_time)


def layer(part: str) -> int:
    """How high a part of `services` stands."""
    return next((number for number, parts in enumerate(LAYERS) if part in parts), FEATURES)


def _lies_in(file: str, places: set[str]) -> bool:
    return any(file == place or file.startswith(f"{place}/") for place in places)


@pytest.mark.parametrize("house", MAY_NOT_IMPORT)
def test_nobody_imports_what_stands_above_or_apart(house: str) -> None:
    wrong = [
        str(each)
        for each in imports()
        if each.file.startswith(f"{house}/") and each.module.split(".")[0] in MAY_NOT_IMPORT[house]
    ]

    assert wrong == []


def test_services_import_downwards_or_beside_them() -> None:
    wrong = []
    for each in imports():
        if not each.file.startswith("services/") or not each.module.startswith("services."):
            continue
        importer, imported = each.file.split("/")[1].removesuffix(".py"), each.module.split(".")[1]
        if layer(imported) > layer(importer):
            wrong.append(str(each))

    assert wrong == []


def test_every_named_layer_is_there() -> None:
    parts = {part for parts in LAYERS for part in parts if not part.startswith("…")}

    assert {part for part in parts if not list((ROOT / "services").glob(f"{part}*"))} == set()


def test_real_things_are_chosen_in_one_place() -> None:
    wrong = [
        str(each)
        for each in imports()
        if each.at_run_time
        and each.module.startswith("services.bootstrap")
        and not _lies_in(each.file, MAY_IMPORT_BOOTSTRAP)
    ]

    assert wrong == []


def test_only_two_packages_know_azure() -> None:
    wrong = [
        str(each)
        for each in imports()
        if each.module.split(".")[0] in {"azureml", "azure"}
        and not _lies_in(each.file, {*MAY_IMPORT_AZURE, "benchmarks"})
    ]

    assert wrong == []


def test_what_runs_in_a_scoring_environment_imports_nothing_of_ours() -> None:
    wrong = [
        str(each)
        for each in imports()
        if _lies_in(each.file, set(ELSEWHERE))
        and each.module.split(".")[0] in OURS
        and not _lies_in(each.module.replace(".", "/"), set(ELSEWHERE))
    ]

    assert wrong == []


def test_no_file_is_too_long() -> None:
    long = {
        named(path): lines
        for path in files(".py", ".kql", ".sh", ".md", ".toml", ".js")
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > LONGEST_FILE
    }

    assert long == {}


def test_no_module_has_a_name_that_says_nothing() -> None:
    assert [named(path) for path in files(".py") if {path.stem, path.parent.name} & VAGUE] == []


def test_every_module_says_what_it_is_for() -> None:
    silent = [named(path) for path in files(".py") if tree(path).body and not ast.get_docstring(tree(path))]

    assert silent == []


def test_no_error_is_swallowed_without_a_name() -> None:
    bare = [
        f"{named(path)}:{node.lineno}"
        for path in files(".py")
        for node in ast.walk(tree(path))
        if isinstance(node, ast.ExceptHandler) and (node.type is None or _is_silent(node))
    ]

    assert bare == []


def _is_silent(handler: ast.ExceptHandler) -> bool:
    """Whether any error at all is caught and nothing done about it."""
    catches_all = isinstance(handler.type, ast.Name) and handler.type.id in {"Exception", "BaseException"}
    return catches_all and all(isinstance(line, ast.Pass | ast.Continue) for line in handler.body)


def test_no_promise_is_left_in_the_code() -> None:
    words = ("TO" + "DO", "FIX" + "ME")
    left = [
        f"{named(path)}: {word}"
        for path in files(".py", ".kql", ".sh", ".md", ".js")
        for word in words
        if word in path.read_text(encoding="utf-8")
    ]

    assert left == []
