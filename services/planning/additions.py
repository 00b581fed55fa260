"""What a remedy adds to an environment: packages and variables, the rest as it was."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from services.planning.environments import normalised, packages


def with_packages(document: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """The same environment with these packages under pip, unless they are listed already."""
    listed = {package.name for package in packages(document)}
    added = [name for name in dict.fromkeys(names) if normalised(name) not in listed]
    python = dict(document.get("python") or {})
    conda = dict(python.get("condaDependencies") or {})
    dependencies = list(conda.get("dependencies") or ())
    place = next((n for n, entry in enumerate(dependencies) if isinstance(entry, Mapping) and "pip" in entry), None)
    if place is None:
        dependencies.append({"pip": added})
    else:
        entry = dependencies[place]
        dependencies[place] = {**entry, "pip": [*(entry["pip"] or ()), *added]}
    return {**document, "python": {**python, "condaDependencies": {**conda, "dependencies": dependencies}}}


def with_variables(document: Mapping[str, Any], variables: Mapping[str, str]) -> dict[str, Any]:
    """The same environment with these variables, in place of those of the same name."""
    return {**document, "environmentVariables": {**(document.get("environmentVariables") or {}), **variables}}
