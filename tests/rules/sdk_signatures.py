"""What the SDK's functions take, read from its source: importing it takes two seconds and is not needed for that."""

from __future__ import annotations

import ast
import importlib.util
from functools import cache
from pathlib import Path


@cache
def _tree(module: str) -> ast.Module:
    package = importlib.util.find_spec("azureml")
    assert package is not None
    assert package.submodule_search_locations is not None
    for location in package.submodule_search_locations:
        path = Path(location, *module.split(".")).with_suffix(".py")
        if path.is_file():
            return ast.parse(path.read_text(encoding="utf-8"))
    raise FileNotFoundError(module)


def arguments(module: str, owner: str, function: str) -> set[str]:
    """The names a method takes, without self."""
    for node in _tree(module).body:
        if isinstance(node, ast.ClassDef) and node.name == owner:
            for inner in node.body:
                if isinstance(inner, ast.FunctionDef) and inner.name == function:
                    return {arg.arg for arg in inner.args.args} - {"self"}
    raise LookupError(f"{owner}.{function}")


def create_arguments(target: str) -> set[str]:
    """What `deploy_configuration` takes."""
    return arguments(f"core.webservice.{target.lower()}", f"{target.title()}Webservice", "deploy_configuration")


def update_arguments(target: str) -> set[str]:
    """What `update` takes."""
    return arguments(f"core.webservice.{target.lower()}", f"{target.title()}Webservice", "update")
