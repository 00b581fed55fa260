"""From an environment document to what `uv` installs, with every deviation from conda said in words.

Conda packages are installed from PyPI where that is the same package under the same name. `NO_TWIN` lists the well-known
ones for which it is not; anything else is asked of PyPI, and what is not there fails the build by name.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

SERVER_PACKAGES = frozenset({"azureml-defaults", "azureml-inference-server-http"})
# Unpinned beside a newer numpy, a resolver walks back to releases of 2019 that no longer build.
OLDEST_DEFAULTS = "azureml-defaults>=1.60"

NO_TWIN: Mapping[str, str] = {
    "pytorch": "On PyPI it is called torch.",
    "pytorch-cuda": "On PyPI, torch brings its own CUDA libraries.",
    "cpuonly": "On PyPI, choose the CPU build of torch by an index address under pip.",
    "cudatoolkit": "CUDA is not on PyPI, and there is no GPU here.",
    "cudnn": "CUDA is not on PyPI, and there is no GPU here.",
    "nccl": "CUDA is not on PyPI, and there is no GPU here.",
    "opencv": "On PyPI it is called opencv-python-headless.",
    "py-opencv": "On PyPI it is called opencv-python-headless.",
    "py-xgboost": "On PyPI it is called xgboost.",
    "py-xgboost-cpu": "On PyPI it is called xgboost.",
    "pytables": "On PyPI it is called tables.",
    "msgpack-python": "On PyPI it is called msgpack.",
    "matplotlib-base": "On PyPI it is called matplotlib.",
    "dask-core": "On PyPI it is called dask.",
    "ruamel_yaml": "On PyPI it is called ruamel.yaml.",
    "python-graphviz": "On PyPI it is called graphviz.",
    "graphviz": "In conda this is the program; the package of that name on PyPI is only its Python interface.",
    "tensorflow-gpu": "On PyPI it is called tensorflow.",
    "tensorflow-base": "On PyPI it is called tensorflow.",
    "sqlite": "This is a system library, not a Python package.",
    "openssl": "This is a system library, not a Python package.",
    "zlib": "This is a system library, not a Python package.",
    "hdf5": "This is a system library, not a Python package.",
    "ffmpeg": "This is a program, not a Python package.",
    "gcc": "This is a program, not a Python package.",
    "gxx": "This is a program, not a Python package.",
    "make": "This is a program, not a Python package.",
    "nodejs": "This is a program, not a Python package.",
    "git": "This is a program, not a Python package.",
    "gdal": "On PyPI it needs the system library of the same version.",
    "blas": "This is a system library, not a Python package.",
    "mamba": "This is conda's own tool.",
    "conda": "This is conda's own tool.",
}
_SYSTEM_NAME = re.compile(r"^(r-.+|lib(?!rosa|sass|cst|clang|tmux).+|_.+|.+_linux-64|cuda-.+|ca-certificates)$")
_CONDA_SPEC = re.compile(r"^(?:(?P<channel>[\w./-]+)::)?(?P<name>[A-Za-z0-9_][\w.-]*)\s*(?P<version>.*)$")
_PIP_NAME = re.compile(r"^\s*([A-Za-z0-9][\w.-]*)")
_VERSION = re.compile(r"^[\w.*+!]+$")


@dataclass(frozen=True, kw_only=True)
class Requirements:
    """What to install, under which constraints, and what the build log says about it first."""

    lines: tuple[str, ...]
    constraints: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


class Unbuildable(Exception):
    """This environment cannot be built here; `package` is the one at fault, if it is one."""

    def __init__(self, sentence: str, *, package: str = "") -> None:
        """`sentence` says what is wrong and what to do."""
        super().__init__(sentence)
        self.sentence = sentence
        self.package = package


def from_document(environment: Mapping[str, Any]) -> Requirements:
    """What an Azure ML environment document asks for."""
    python = environment.get("python") or {}
    docker = environment.get("docker") or {}
    if docker.get("baseDockerfile"):
        raise Unbuildable(
            "This environment is built from a Dockerfile, and there are no containers here. "
            "List its packages in condaDependencies instead."
        )
    if python.get("userManagedDependencies"):
        raise Unbuildable(
            f"This environment takes its packages from the image {docker.get('baseImage') or '(none named)'}, "
            "and there are no containers here. List them in condaDependencies instead."
        )
    return from_conda(python.get("condaDependencies") or {})


def from_conda(document: Mapping[str, Any]) -> Requirements:
    """What a conda file asks for."""
    lines: list[str] = []
    notes: list[str] = []
    channels = [str(channel) for channel in document.get("channels") or ()]
    if channels:
        notes.append(f"Channels are ignored, packages come from PyPI: {', '.join(channels)}")
    for dependency in document.get("dependencies") or ():
        if isinstance(dependency, Mapping):
            lines.extend(_pip_lines(dependency.get("pip") or ()))
        else:
            line, note = _conda_line(str(dependency))
            lines.extend([line] if line else [])
            notes.extend([note] if note else [])
    return _with_constraints(lines, notes)


def no_code(models: Sequence[Mapping[str, Any]]) -> Requirements:
    """What a model that was deployed without code needs: the server, and its framework at the registered version."""
    model = models[0]
    framework = str(model.get("framework") or "")
    version = str(model.get("frameworkVersion") or "")
    package = {"ScikitLearn": "scikit-learn", "Onnx": "onnxruntime"}.get(framework)
    if package is None:
        raise Unbuildable(
            f"A model of framework {framework or 'Custom'} needs a scoring script and an environment; "
            "without code, only ScikitLearn and Onnx models can be deployed here."
        )
    notes = [
        "No code was sent: the scoring script and this environment are made here. Azure's own image for "
        f"{framework} is not used, and the format of requests was not compared with Azure's."
    ]
    if framework == "Onnx":
        # The registered version of an ONNX model is the format's or the exporter's, never the runtime's.
        notes.append(f"The model's registered framework version {version or '(none)'} does not pin onnxruntime.")
        line = package
    elif version:
        line = f"{package}=={version}"
    else:
        line = package
    extra = ["joblib", "pandas"] if framework == "ScikitLearn" else ["numpy"]
    return _with_constraints(["azureml-defaults", line, *extra], notes)


def names(lines: Iterable[str]) -> set[str]:
    """The normalised names of the packages in requirement lines."""
    found = (_PIP_NAME.match(line) for line in lines)
    return {normalised(match.group(1)) for match in found if match}


def normalised(name: str) -> str:
    """A package's name as PyPI compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _with_constraints(lines: list[str], notes: list[str]) -> Requirements:
    constraints: tuple[str, ...] = ()
    if any(line.strip().lower() == "azureml-defaults" for line in lines):
        constraints = (OLDEST_DEFAULTS,)
        notes.append(f"Constraint applied: {OLDEST_DEFAULTS}")
    if not names(lines) & SERVER_PACKAGES:
        notes.append(
            "WARNING: azureml-defaults is not among the packages; the container will not find the inference server."
        )
    return Requirements(lines=tuple(lines), constraints=constraints, notes=tuple(notes))


def _pip_lines(lines: Iterable[Any]) -> list[str]:
    kept = []
    for line in (str(line).strip() for line in lines):
        if line.startswith(("-e", "--editable", "-r", "--requirement", "-c", "--constraint", ".", "/", "file:")):
            raise Unbuildable(
                f"'{line}' names a file, and the build has no source folder. List the packages themselves.",
                package=line,
            )
        if line and not line.startswith("#"):
            kept.append(line)
    return kept


def _conda_line(spec: str) -> tuple[str, str]:
    """One conda spec as a requirement line and a note; either may be empty."""
    match = _CONDA_SPEC.match(spec.strip())
    if match is None:
        raise Unbuildable(f"'{spec}' is not a conda package as this build reads them.", package=spec)
    name, version = match.group("name").lower(), match.group("version").strip()
    if name == "python":
        host = ".".join(map(str, sys.version_info[:3]))
        return "", f"python{version} cannot be honoured here: this machine's Python {host} is used."
    if name == "pip":
        return "", "" if not version else f"pip{version} is not needed here: uv installs the packages."
    hint = NO_TWIN.get(name)
    if hint is None and _SYSTEM_NAME.match(name):
        hint = "This is a system library or not for Python."
    if hint is not None:
        raise Unbuildable(
            f"The conda package '{name}' has no twin of the same name on PyPI. {hint} "
            "List what it needs under pip instead.",
            package=name,
        )
    pinned, note = _version(spec, version)
    return f"{name}{pinned}", note


def _version(spec: str, version: str) -> tuple[str, str]:
    """Conda's version text in PyPI's words."""
    if not version:
        return "", ""
    if version[0] in "<>!~" or version.startswith("=="):
        return version.replace(" ", ""), ""
    bare = version.lstrip("=").strip()
    number, _, build = bare.replace(" ", "=").partition("=")
    if not _VERSION.match(number):
        raise Unbuildable(f"The version in '{spec}' is not one this build understands.", package=spec)
    note = f"The conda build {build} of {spec} is ignored: packages come from PyPI." if build else ""
    return ("==" + (number if number.endswith("*") else f"{number}.*")), note
