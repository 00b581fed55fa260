"""Make the samples' environment from the list they register, train there, and fetch the ONNX model a package ships."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import uv

HERE = Path(__file__).parent
REQUIREMENTS = HERE / "requirements.txt"
ONNX_PACKAGE = "onnxruntime"
ONNX_MODEL = "onnxruntime/datasets/logreg_iris.onnx"
KEPT_VARIABLES = ("PATH", "HOME", "LANG", "TMPDIR", "XDG_CACHE_HOME", "UV_CACHE_DIR", "SSL_CERT_FILE", "HTTPS_PROXY")
"""What the builds may see: no secret of ours is among it."""


@dataclass(frozen=True, kw_only=True)
class Trained:
    """Where the files lie and how good they are on data held back."""

    ridge: Path
    boosting: Path
    wine: Path
    iris_onnx: Path
    sklearn_version: str
    scores: dict[str, float]


def train(folder: Path) -> Trained:
    """Train, unless it was done before; `folder` keeps environment and models."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    onnx = folder / "logreg_iris.onnx"
    if not (folder / "scores.json").exists() or not onnx.exists():
        venv = folder / "venv"
        _uv("venv", "--quiet", "--allow-existing", "--python", "3.11", str(venv))
        _uv("pip", "install", "--quiet", "--python", str(venv / "bin/python"), "-r", str(REQUIREMENTS))
        packages = folder / "packages"
        _uv("pip", "install", "--quiet", "--no-deps", "--target", str(packages), ONNX_PACKAGE)
        shutil.copyfile(packages / ONNX_MODEL, onnx)
        shutil.rmtree(packages)
        subprocess.run([venv / "bin/python", HERE / "train.py", folder], check=True, env=_environment())
        shutil.rmtree(venv)
    scores = json.loads((folder / "scores.json").read_text())
    return Trained(
        ridge=folder / "diabetes-ridge.joblib",
        boosting=folder / "diabetes-boosting.joblib",
        wine=folder / "wine.joblib",
        iris_onnx=onnx,
        sklearn_version=scores.pop("scikit-learn"),
        scores=scores,
    )


def _uv(*arguments: str) -> None:
    subprocess.run([uv.find_uv_bin(), *arguments], check=True, env=_environment())


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name in KEPT_VARIABLES}
    # Single-threaded: the samples must not slow down the first minutes of somebody's laptop.
    return kept | {"OMP_NUM_THREADS": "1"}
