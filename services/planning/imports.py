"""Which package an import needs, as far as names tell: enough to warn before a build of minutes fails in a second."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from services.planning.environments import normalised

DISTRIBUTIONS = {
    "PIL": "pillow",
    "bs4": "beautifulsoup4",
    "cv2": "opencv-python",
    "dateutil": "python-dateutil",
    "dotenv": "python-dotenv",
    "jwt": "pyjwt",
    "onnx": "onnx",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "yaml": "pyyaml",
}
"""Imports whose package has another name."""

BRINGS = {
    "azureml-defaults": (
        "azureml-core",
        "azureml-inference-server-http",
        "azureml-dataset-runtime",
        "cryptography",
        "flask",
        "inference-schema",
        "jsonschema",
        "numpy",
        "pyarrow",
        "pydantic",
        "requests",
    ),
    "inference-schema": ("numpy", "python-dateutil", "pytz"),
    "joblib": (),
    "lightgbm": ("numpy", "scipy"),
    "mlflow": ("numpy", "pandas", "scikit-learn", "scipy", "joblib", "pyyaml", "requests", "flask"),
    "onnxruntime": ("numpy", "protobuf"),
    "pandas": ("numpy", "python-dateutil"),
    "scikit-learn": ("numpy", "scipy", "joblib", "threadpoolctl"),
    "scipy": ("numpy",),
    "tensorflow": ("numpy", "keras", "protobuf", "requests"),
    "torchvision": ("torch", "numpy", "pillow"),
    "transformers": ("numpy", "pyyaml", "requests", "tokenizers", "huggingface-hub", "tqdm"),
    "xgboost": ("numpy", "scipy"),
}
"""What the usual packages bring along."""

VARIANTS = {
    "opencv-python": ("opencv-python-headless", "opencv-contrib-python", "opencv"),
    "onnxruntime": ("onnxruntime-gpu",),
    "tensorflow": ("tensorflow-cpu", "tensorflow-gpu"),
    "torch": ("pytorch",),
    "xgboost": ("py-xgboost", "xgboost-cpu"),
    "pillow": ("pil",),
}
"""Other packages that give the same import."""

FAMILIES = {"azureml": "azureml-", "azure": "azure-", "google": "google-", "opentelemetry": "opentelemetry-"}
"""Imports shared by many packages."""


def missing(imported: str, *, packages: Iterable[str]) -> str | None:
    """Return the package an import seems to lack, or None when it is there, brought along, or part of Python."""
    top = imported.partition(".")[0]
    if top in sys.stdlib_module_names:
        return None
    installed = _with_what_they_bring(normalised(name) for name in packages)
    family = FAMILIES.get(top)
    if family and any(name.startswith(family) for name in installed):
        return None
    wanted = normalised(DISTRIBUTIONS.get(top, top))
    if wanted in installed or any(variant in installed for variant in VARIANTS.get(wanted, ())):
        return None
    return wanted


def _with_what_they_bring(names: Iterable[str]) -> set[str]:
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += BRINGS.get(name, ())
    return found
