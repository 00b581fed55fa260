"""Tell which of three growers a wine is from. Refuses wines stronger than any it was trained on: it fails now and then."""

import os
from pathlib import Path

import joblib
import numpy as np
from inference_schema.parameter_types.numpy_parameter_type import NumpyParameterType
from inference_schema.schema_decorators import input_schema, output_schema

EXAMPLE = np.array([[13.2, 1.78, 2.14, 11.2, 100.0, 2.65, 2.76, 0.26, 1.28, 4.38, 1.05, 3.4, 1050.0]])
STRONGEST = 14.0


def init():
    """Load the one model of this service."""
    global model
    path = next(Path(os.environ["AZUREML_MODEL_DIR"]).rglob("*.joblib"))
    model = joblib.load(path)
    print(f"loaded {path.name}")


@input_schema("data", NumpyParameterType(EXAMPLE))
@output_schema(NumpyParameterType(np.array([0])))
def run(data):
    """One class a row."""
    strongest = float(np.max(data[:, 0]))
    if strongest > STRONGEST:
        raise ValueError(f"alcohol {strongest:.2f} is above {STRONGEST}, the strongest wine this model knows")
    return model.predict(data).tolist()
