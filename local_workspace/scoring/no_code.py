"""The scoring script of a model that was deployed without code.

The format of requests is Azure's as far as it is known from memory; it was not compared with a real workspace.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .requirements import Unbuildable

ENTRY_SCRIPT = "no_code/score.py"

_FIND_MODEL = """
def _model_file(*endings):
    folder = os.environ["AZUREML_MODEL_DIR"]
    if os.path.isfile(folder):
        return folder
    found = sorted(
        os.path.join(parent, name)
        for parent, _, names in os.walk(folder)
        for name in names
        if name.endswith(endings)
    )
    if not found:
        raise FileNotFoundError(f"There is no file ending in {' or '.join(endings)} in the model's folder.")
    return found[0]
"""

_SCIKIT_LEARN = f'''"""Made for a scikit-learn model that was deployed without code."""

import json
import os

import joblib
import numpy as np

METHODS = ("predict", "predict_proba", "predict_log_proba", "decision_function", "transform")
{_FIND_MODEL}

def init():
    global model
    model = joblib.load(_model_file(".joblib", ".pkl", ".pickle", ".sav"))


def run(raw_data):
    request = json.loads(raw_data)
    method = request.get("method", "predict")
    if method not in METHODS:
        raise ValueError(f"method must be one of {{', '.join(METHODS)}}, not {{method!r}}.")
    data = request["data"]
    if data and isinstance(data[0], dict):
        import pandas

        data = pandas.DataFrame(data)
    else:
        data = np.array(data)
    return {{method: np.asarray(getattr(model, method)(data)).tolist()}}
'''

_ONNX = f'''"""Made for an ONNX model that was deployed without code."""

import json
import os

import numpy as np
import onnxruntime

TYPES = {{
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(float16)": np.float16,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "tensor(int16)": np.int16,
    "tensor(int8)": np.int8,
    "tensor(uint8)": np.uint8,
    "tensor(bool)": np.bool_,
    "tensor(string)": np.str_,
}}
{_FIND_MODEL}

def init():
    global session
    session = onnxruntime.InferenceSession(_model_file(".onnx"), providers=["CPUExecutionProvider"])


def run(raw_data):
    data = json.loads(raw_data)["data"]
    wanted = {{each.name: each.type for each in session.get_inputs()}}
    missing = sorted(set(wanted) - set(data))
    if missing:
        raise ValueError(f"The request lacks the input {{', '.join(missing)}}.")
    feed = {{name: np.array(data[name], dtype=TYPES.get(kind)) for name, kind in wanted.items()}}
    outputs = session.run(None, feed)
    return {{each.name: _plain(value) for each, value in zip(session.get_outputs(), outputs)}}


def _plain(value):
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, dict):
        return {{str(key): _plain(each) for key, each in value.items()}}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    return value.item() if isinstance(value, np.generic) else value
'''


def write_entry_script(code: Path, model: Mapping[str, Any]) -> str:
    """Write the scoring script into the code folder; returns where, relative to it."""
    text = {"ScikitLearn": _SCIKIT_LEARN, "Onnx": _ONNX}.get(str(model.get("framework") or ""))
    if text is None:
        raise Unbuildable("Only ScikitLearn and Onnx models can be deployed without code here.")
    target = code / ENTRY_SCRIPT
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text)
    return ENTRY_SCRIPT
