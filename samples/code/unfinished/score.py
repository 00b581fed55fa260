"""A service that does not start: it needs a package that its environment does not have."""

import os
from pathlib import Path

import xgboost


def init():
    """Load the model."""
    global model
    model = xgboost.Booster(model_file=next(Path(os.environ["AZUREML_MODEL_DIR"]).rglob("*.json")))


def run(data):
    """One prediction a row."""
    return model.predict(data).tolist()
