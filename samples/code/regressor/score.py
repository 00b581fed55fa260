"""Predict how diabetes progresses within a year, from ten measurements of a patient (already scaled)."""

import os
from pathlib import Path

import joblib
import numpy as np
from inference_schema.parameter_types.numpy_parameter_type import NumpyParameterType
from inference_schema.schema_decorators import input_schema, output_schema

EXAMPLE = np.array([[0.038, 0.051, 0.062, 0.022, -0.044, -0.035, -0.043, -0.003, 0.02, -0.018]])


def init():
    """Load the one model of this service."""
    global model
    path = next(Path(os.environ["AZUREML_MODEL_DIR"]).rglob("*.joblib"))
    model = joblib.load(path)
    print(f"loaded {path.name}")


@input_schema("data", NumpyParameterType(EXAMPLE))
@output_schema(NumpyParameterType(np.array([206.1])))
def run(data):
    """One prediction a row."""
    return model.predict(data).tolist()
