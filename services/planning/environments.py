"""Environments: made of an uploaded conda or requirements file, checked, and compared with each other.

A document has the shape the environment service uses: `python.condaDependencies` holds channels and dependencies, pip's
own list among them as `{"pip": [...]}`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import yaml

from services.azureml.types import ModelVersion
from services.errors import Invalid
from services.planning.models import no_code_problem
from services.planning.problems import Remark
from services.planning.wanted import SERVER_VARIABLES

SERVING = "azureml-defaults"
"""Brings the inference server; without it nothing answers."""
MAX_FILE_CHARACTERS = 200_000
ENVIRONMENT_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9\-._]{0,254}")
NOT_PACKAGES = frozenset({"python", "pip", "setuptools", "wheel"})

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
_URL = re.compile(r"(?:[a-z0-9+]+)://\S+", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Package:
    """One line of what is installed."""

    name: str
    """Normalised as pip compares names: small letters, hyphens."""
    spec: str
    """The rest: `==1.5.0`, `>=2`, or nothing."""
    source: str
    """`conda` or `pip`."""

    @property
    def pinned(self) -> bool:
        """Whether exactly one version can be meant."""
        exact = "==" in self.spec or "===" in self.spec or "@" in self.spec
        return exact or (self.source == "conda" and self.spec.startswith("="))

    @property
    def words(self) -> str:
        """`numpy ==1.26.4`, or the name alone."""
        return f"{self.name} {self.spec}".strip()


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One package, variable or setting that is not the same in two environments."""

    kind: str
    """`package`, `variable`, `python`, `image` or `channel`."""
    name: str
    before: str | None
    after: str | None


def from_conda(text: str, *, name: str, variables: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Make an environment document of a conda file."""
    _fits(text)
    try:
        parsed = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}" if mark else ""
        raise Invalid(f"The conda file is not valid YAML{where}: correct it there.", field="environment") from error
    if not isinstance(parsed, dict) or not isinstance(parsed.get("dependencies"), list):
        raise Invalid("A conda file needs a list called dependencies: add it.", field="environment")
    dependencies: list[Any] = []
    for entry in parsed["dependencies"]:
        if isinstance(entry, str) and entry.strip():
            dependencies.append(entry.strip())
        elif isinstance(entry, dict) and set(entry) == {"pip"} and isinstance(entry["pip"], list):
            dependencies.append({"pip": [line for raw in entry["pip"] if (line := _pip_line(str(raw)))]})
        else:
            sentence = f"A dependency is a text, or a list under pip; {str(entry)[:60]!r} is neither."
            raise Invalid(sentence, field="environment")
    channels = parsed.get("channels") or ["conda-forge"]
    if not isinstance(channels, list) or not all(isinstance(channel, str) for channel in channels):
        raise Invalid("The channels of a conda file are a list of texts: correct it.", field="environment")
    for channel in channels:
        _refuse_credentials(channel)
    conda = {"name": str(parsed.get("name") or "project_environment"), "channels": channels}
    return _document(name, {**conda, "dependencies": dependencies}, variables)


def from_requirements(text: str, *, name: str, variables: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Make an environment document of a pip requirements file."""
    _fits(text)
    # A backslash at the end of a line joins it with the next, as in pip.
    lines = [line for raw in text.replace("\\\n", " ").splitlines() if (line := _pip_line(raw))]
    if not lines:
        raise Invalid("The requirements file names no package: add azureml-defaults and what the script imports.")
    conda = {"name": "project_environment", "channels": ["conda-forge"]}
    return _document(name, {**conda, "dependencies": [{"pip": lines}]}, variables)


def no_code(models: Sequence[ModelVersion]) -> None:
    """Refuse what cannot be deployed without code; there is no environment document then, Azure makes its own."""
    if len(models) != 1:
        sentence = f"Without code a service has exactly one model, not {len(models)}: add an entry script."
        raise Invalid(sentence, field="model_ids")
    sentence = no_code_problem(models[0])
    if sentence:
        raise Invalid(sentence, field="code")


def packages(document: Mapping[str, Any]) -> tuple[Package, ...]:
    """Return what an environment document installs, conda's first, in the order written."""
    conda = (document.get("python") or {}).get("condaDependencies") or {}
    found: list[Package] = []
    for entry in conda.get("dependencies") or ():
        if isinstance(entry, str):
            found.append(_conda_package(entry))
        elif isinstance(entry, Mapping):
            found += [package for line in entry.get("pip") or () if (package := _pip_package(str(line)))]
    return tuple(found)


def check(document: Mapping[str, Any], *, file: str = "environment") -> list[Remark]:
    """Return what should be known about an environment before it is built."""
    listed = packages(document)
    names = {package.name for package in listed}
    remarks = []
    if SERVING not in names:
        sentence = f"{SERVING} is missing: it brings the server that answers calls. Add it under pip."
        remarks.append(Remark(file=file, line=0, rule="serving", sentence=sentence, severity="error"))
    for package in listed:
        if package.name == "python":
            sentence = (
                f"Python {package.spec.lstrip('=')} is asked for: Azure honours it, "
                "the local workspace runs everything with its own Python."
            )
            remarks.append(Remark(file=file, line=0, rule="python", sentence=sentence))
    loose = [package.name for package in listed if not package.pinned and package.name not in NOT_PACKAGES]
    if loose:
        shown = ", ".join(loose[:6]) + (f" and {len(loose) - 6} more" if len(loose) > 6 else "")
        sentence = f"No exact version is given for {shown}: the next build may install something else."
        remarks.append(Remark(file=file, line=0, rule="unpinned", sentence=sentence))
    doubled = sorted({package.name for package in listed if sum(p.name == package.name for p in listed) > 1})
    for name in doubled:
        sentence = f"{name} is listed more than once: keep one."
        remarks.append(Remark(file=file, line=0, rule="doubled", sentence=sentence))
    return remarks


def check_name(name: str) -> str:
    """Return what is wrong with the name of an environment, or nothing."""
    if name.startswith(("Microsoft", "AzureML")):
        return "Names that start with Microsoft or AzureML are kept for the curated environments: choose another."
    if not ENVIRONMENT_NAME.fullmatch(name):
        return (
            "An environment name has letters, digits, hyphens, dots and underscores, and starts with a letter or digit."
        )
    return ""


def difference(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[Difference, ...]:
    """Return what differs in packages, Python, image, channels and variables; nothing else matters to a service."""
    found: list[Difference] = []
    old = {(p.source, p.name): p.spec or "any version" for p in packages(before)}
    new = {(p.source, p.name): p.spec or "any version" for p in packages(after)}
    for source, name in sorted(old.keys() | new.keys()):
        key = (source, name)
        if old.get(key) != new.get(key):
            kind = "python" if name == "python" else "package"
            found.append(Difference(kind=kind, name=name, before=old.get(key), after=new.get(key)))
    found += _mapping_difference("variable", _variables(before), _variables(after))
    found += _mapping_difference("image", _image(before), _image(after))
    found += _mapping_difference("channel", _channels(before), _channels(after))
    return tuple(found)


def _document(name: str, conda: dict[str, Any], variables: Mapping[str, str] | None) -> dict[str, Any]:
    sentence = check_name(name)
    if sentence:
        raise Invalid(sentence, field="environment")
    return {
        "name": name,
        "python": {"userManagedDependencies": False, "interpreterPath": "python", "condaDependencies": conda},
        "environmentVariables": {str(key): str(value) for key, value in (variables or {}).items()},
    }


def _fits(text: str) -> None:
    if len(text) > MAX_FILE_CHARACTERS:
        raise Invalid(
            "This file is too long for a list of packages: check that it is the right one.", field="environment"
        )


def _pip_line(raw: str) -> str:
    """Return a requirement without its comment; refuse options that reach outside of the file."""
    line = re.sub(r"(^|\s)#.*$", "", raw).strip()
    if not line:
        return ""
    _refuse_credentials(line)
    # Hashes tie a requirement to files of one platform; the build resolves for its own.
    line = re.sub(r"\s+--hash[= ]\S+", "", line).strip()
    option = line.split("=")[0].split()[0]
    if option in ("-r", "--requirement", "-c", "--constraint", "-e", "--editable") or line.startswith(
        ("./", "../", "/")
    ):
        sentence = f"{line[:60]} points to another file, which is not uploaded: write the packages themselves."
        raise Invalid(sentence, field="environment")
    return line


def _refuse_credentials(line: str) -> None:
    for match in _URL.finditer(line):
        parts = urlsplit(match.group())
        if parts.password or (parts.username and parts.scheme.lower() not in ("git+ssh", "ssh")):
            sentence = (
                f"The address of {parts.hostname} holds a password, which would be stored in the open: "
                "take it out, and give the workspace a connection for that index instead."
            )
            raise Invalid(sentence, field="environment")


def _conda_package(entry: str) -> Package:
    name, spec = _split(entry.rpartition("::")[2])
    return Package(name=name, spec=spec, source="conda")


def _pip_package(line: str) -> Package | None:
    """Return the package of a requirement line, or None for an option such as an index."""
    if line.startswith("-"):
        return None
    if _URL.match(line):
        tail = line.partition("#egg=")[2] or line.rstrip("/").rpartition("/")[2].partition("-")[0]
        return Package(name=normalised(tail), spec=f"@ {line}", source="pip")
    name, spec = _split(line.partition(";")[0])
    return Package(name=name, spec=spec, source="pip")


def _split(entry: str) -> tuple[str, str]:
    entry = entry.strip()
    match = _NAME.match(entry)
    if not match:
        return entry.lower(), ""
    rest = re.sub(r"^\s*\[[^\]]*\]", "", entry[match.end() :])
    return normalised(match.group()), re.sub(r"\s+", "", rest) if "@" not in rest else rest.strip()


def normalised(name: str) -> str:
    """Return a package name as pip compares it."""
    return re.sub(r"[-_.]+", "-", name.strip()).lower()


def _variables(document: Mapping[str, Any]) -> dict[str, str]:
    given = document.get("environmentVariables") or {}
    return {key: str(value) for key, value in given.items() if key not in SERVER_VARIABLES}


def _image(document: Mapping[str, Any]) -> dict[str, str]:
    docker = document.get("docker") or {}
    known = {"base image": docker.get("baseImage"), "Dockerfile": docker.get("baseDockerfile")}
    return {name: str(value) for name, value in known.items() if value}


def _channels(document: Mapping[str, Any]) -> dict[str, str]:
    conda = (document.get("python") or {}).get("condaDependencies") or {}
    return {str(channel): "used" for channel in conda.get("channels") or ()}


def _mapping_difference(kind: str, before: Mapping[str, str], after: Mapping[str, str]) -> list[Difference]:
    return [
        Difference(kind=kind, name=name, before=before.get(name), after=after.get(name))
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name)
    ]
