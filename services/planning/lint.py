"""The script lint: what goes wrong with an entry script in a container, seen from its text alone. Nothing is run."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from services.planning import environments
from services.planning.imports import missing
from services.planning.problems import Remark
from services.planning.secrets_scan import scan_folder

MODEL_DIR = "AZUREML_MODEL_DIR"
RESPONSES = ("AMLResponse", "Response", "make_response", "jsonify")

Function = ast.FunctionDef | ast.AsyncFunctionDef


def lint(
    folder: Path, entry_script: str, *, environment: Mapping[str, Any] | None = None, has_models: bool = True
) -> list[Remark]:
    """Return remarks on a source folder, errors first; `environment` is the document it will run in, when known."""
    path = folder / entry_script
    if not entry_script.endswith(".py"):
        return [_remark(entry_script, 0, "entry", "The entry script must be a Python file.", "error")]
    if not path.is_file() or not path.resolve().is_relative_to(folder.resolve()):
        sentence = "This file is not in the code: choose one of its Python files."
        return [_remark(entry_script, 0, "entry", sentence, "error")]
    remarks: list[Remark] = []
    trees = _reached(folder, path, remarks)
    tree = trees.get(path)
    if tree is not None:
        remarks += _contract(tree, entry_script)
        remarks += _errors_as_200(tree, entry_script)
    remarks += _imports(trees, folder, path, environment)
    if has_models and tree is not None:
        remarks += _model_path(trees, entry_script)
    remarks += _fixed_paths(trees, folder)
    remarks += scan_folder(folder)
    return sorted(dict.fromkeys(remarks), key=lambda remark: (remark.severity != "error", remark.file, remark.line))


def _remark(file: str, line: int, rule: str, sentence: str, severity: str = "warning") -> Remark:
    return Remark(
        file=file, line=line, rule=rule, sentence=sentence, severity="error" if severity == "error" else "warning"
    )


def _reached(folder: Path, entry: Path, remarks: list[Remark]) -> dict[Path, ast.Module]:
    """Parse the entry script and every local module it imports, however far away."""
    trees: dict[Path, ast.Module] = {}
    waiting = [entry]
    while waiting:
        path = waiting.pop()
        if path in trees:
            continue
        name = path.relative_to(folder).as_posix()
        try:
            tree = ast.parse(path.read_bytes(), filename=name)
        except (SyntaxError, ValueError, RecursionError) as error:
            line = (error.lineno or 0) if isinstance(error, SyntaxError) else 0
            reason = error.msg if isinstance(error, SyntaxError) else "it is not readable as text"
            remarks.append(_remark(name, line, "syntax", f"Python cannot read this file: {reason}.", "error"))
            continue
        trees[path] = tree
        for node, module in _imported(tree):
            waiting += _local(folder, entry, path, node, module)
    return trees


def _imported(tree: ast.Module) -> Iterator[tuple[ast.Import | ast.ImportFrom, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node, alias.name
        elif isinstance(node, ast.ImportFrom):
            yield node, node.module or ""


def _local(folder: Path, entry: Path, importer: Path, node: ast.Import | ast.ImportFrom, module: str) -> list[Path]:
    """Return the files of the folder an import means; none = it comes from elsewhere."""
    if isinstance(node, ast.ImportFrom) and node.level:
        base = importer.parent
        for _ in range(node.level - 1):
            base = base.parent
        bases = [base]
    else:
        # The server puts the entry script's folder and the source folder on the path.
        bases = [entry.parent, folder]
    steps = [part for part in module.split(".") if part]
    names = [alias.name for alias in node.names] if isinstance(node, ast.ImportFrom) else []
    found: list[Path] = []
    for base in bases:
        if not base.is_relative_to(folder):
            continue
        place = base.joinpath(*steps)
        candidates = [place.with_suffix(".py") if steps else place / "__init__.py", place / "__init__.py"]
        candidates += [place / f"{name}.py" for name in names]
        found += [candidate for candidate in candidates if candidate.is_file()]
        if not found and steps and (base / steps[0]).is_dir() and any((base / steps[0]).rglob("*.py")):
            found += sorted((base / steps[0]).rglob("*.py"))
    return found


def _contract(tree: ast.Module, file: str) -> list[Remark]:
    """`init()` without arguments and `run(data)` with one, both at the top level."""
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    bound = set(functions) | _bound(tree)
    remarks = []
    for name, called in (("init", "once when a replica starts"), ("run", "for each request")):
        function = functions.get(name)
        if name not in bound:
            sentence = f"{name}() is missing: the server calls it {called}. Define it at the top level."
            remarks.append(_remark(file, 0, "contract", sentence, "error"))
        elif function is None:
            continue
        elif isinstance(function, ast.AsyncFunctionDef):
            sentence = f"{name}() is async, and the server does not await it: make it an ordinary function."
            remarks.append(_remark(file, function.lineno, "contract", sentence, "error"))
    init, run = functions.get("init"), functions.get("run")
    if init and _required(init):
        sentence = "init() is called without arguments: give each of them a default, or take them away."
        remarks.append(_remark(file, init.lineno, "contract", sentence, "error"))
    if run and not (run.args.args or run.args.posonlyargs or run.args.vararg or run.args.kwonlyargs or run.args.kwarg):
        sentence = "run() takes no argument, but gets the request's data: give it one."
        remarks.append(_remark(file, run.lineno, "contract", sentence, "error"))
    elif run and len(_required(run)) > 1 and not run.decorator_list:
        sentence = "run() is called with the data alone: give every other argument a default."
        remarks.append(_remark(file, run.lineno, "contract", sentence, "error"))
    return remarks


def _bound(tree: ast.Module) -> set[str]:
    """Names made at the top level by an import or an assignment."""
    names: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            names |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, ast.Assign):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return names


def _required(function: Function) -> list[str]:
    ordinary = [*function.args.posonlyargs, *function.args.args]
    needed = ordinary[: len(ordinary) - len(function.args.defaults)]
    keyword = [
        arg for arg, default in zip(function.args.kwonlyargs, function.args.kw_defaults, strict=True) if not default
    ]
    return [arg.arg for arg in [*needed, *keyword]]


def _errors_as_200(tree: ast.Module, file: str) -> list[Remark]:
    """A failure that is returned arrives as 200: no chart and no alert will ever see it."""
    run = next(
        (n for n in tree.body if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef) and n.name == "run"), None
    )
    if run is None:
        return []
    remarks = []
    sentence = (
        "run() returns an error as an ordinary answer (200), so no chart counts it: "
        "raise, or return an AMLResponse with a status of 400 or more."
    )
    for node in _within(run):
        if isinstance(node, ast.ExceptHandler):
            for inner in _within(node):
                if isinstance(inner, ast.Return) and not _has_error_status(inner.value):
                    remarks.append(_remark(file, inner.lineno, "errors-as-200", sentence))
        elif isinstance(node, ast.Return) and _says_error(node.value):
            remarks.append(_remark(file, node.lineno, "errors-as-200", sentence))
    return remarks


def _within(node: ast.AST) -> Iterator[ast.AST]:
    """Walk a function without the functions and classes defined inside it."""
    for child in ast.iter_child_nodes(node):
        yield child
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef):
            yield from _within(child)


def _has_error_status(value: ast.expr | None) -> bool:
    """Whether what is returned carries a status of 400 or more, or one that only running tells."""
    if not isinstance(value, ast.Call):
        return False
    name = value.func.attr if isinstance(value.func, ast.Attribute) else getattr(value.func, "id", "")
    if name not in RESPONSES:
        return False
    given = [*value.args[1:2], *(keyword.value for keyword in value.keywords if "status" in (keyword.arg or ""))]
    numbers = [node.value for node in given if isinstance(node, ast.Constant) and isinstance(node.value, int)]
    return any(number >= 400 for number in numbers) if numbers else bool(given)


def _says_error(value: ast.expr | None) -> bool:
    if not isinstance(value, ast.Dict):
        return False
    keys = {key.value for key in value.keys if isinstance(key, ast.Constant)}
    return bool(keys & {"error", "exception", "traceback"})


def _imports(
    trees: Mapping[Path, ast.Module], folder: Path, entry: Path, environment: Mapping[str, Any] | None
) -> list[Remark]:
    if environment is None:
        return []
    installed = [package.name for package in environments.packages(environment)]
    remarks = []
    for path, tree in trees.items():
        guarded = _guarded(tree)
        for node, module in _imported(tree):
            relative = isinstance(node, ast.ImportFrom) and node.level > 0
            if relative or node in guarded or _local(folder, entry, path, node, module):
                continue
            package = missing(module, packages=installed)
            if package:
                sentence = (
                    f"{module.partition('.')[0]} is imported, but the environment does not name {package}: "
                    "add it, unless another package brings it."
                )
                file = path.relative_to(folder).as_posix()
                remarks.append(_remark(file, node.lineno, "import", sentence))
    return remarks


def _guarded(tree: ast.Module) -> set[ast.AST]:
    """Imports the script itself is prepared to miss."""
    guarded: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Try):
            caught = {name.id for handler in node.handlers for name in ast.walk(handler) if isinstance(name, ast.Name)}
            bare = any(handler.type is None for handler in node.handlers)
            if bare or caught & {"ImportError", "ModuleNotFoundError", "Exception"}:
                guarded |= {inner for statement in node.body for inner in ast.walk(statement)}
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            guarded |= {inner for statement in node.body for inner in ast.walk(statement)}
    return guarded


def _model_path(trees: Mapping[Path, ast.Module], file: str) -> list[Remark]:
    for tree in trees.values():
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and node.value == MODEL_DIR:
                return []
            if isinstance(node, ast.Attribute) and node.attr == "get_model_path":
                return []
    sentence = f"The script never asks where the models are: read os.environ['{MODEL_DIR}'] in init()."
    return [_remark(file, 0, "model-path", sentence)]


def _fixed_paths(trees: Mapping[Path, ast.Module], folder: Path) -> list[Remark]:
    remarks = []
    for path, tree in trees.items():
        for node in ast.walk(tree):
            if (
                isinstance(node, ast.Constant)
                and isinstance(node.value, str)
                and node.value.startswith("/var/azureml-app")
            ):
                sentence = f"/var/azureml-app is where Azure happens to keep models: read {MODEL_DIR} instead."
                remarks.append(_remark(path.relative_to(folder).as_posix(), node.lineno, "model-path", sentence))
    return remarks
