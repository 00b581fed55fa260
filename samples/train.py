"""Train the sample models with nothing but data sets that scikit-learn ships. Runs in the samples' own environment.

`python train.py FOLDER` writes `diabetes-ridge.joblib`, `diabetes-boosting.joblib`, `wine.joblib` and `scores.json`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import joblib
import sklearn
from sklearn.datasets import load_diabetes, load_wine
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

SEED = 20


def main(folder: Path) -> None:
    """Fit, score on data held back, write."""
    models = {
        "diabetes-ridge": (Ridge(alpha=0.1), load_diabetes()),
        "diabetes-boosting": (GradientBoostingRegressor(random_state=SEED), load_diabetes()),
        "wine": (make_pipeline(StandardScaler(), LogisticRegression(random_state=SEED)), load_wine()),
    }
    scores: dict[str, object] = {"scikit-learn": sklearn.__version__}
    for name, (model, data) in models.items():
        known, held, answers, expected = train_test_split(data.data, data.target, test_size=0.25, random_state=SEED)
        model.fit(known, answers)
        scores[name] = round(model.score(held, expected), 3)
        joblib.dump(model, folder / f"{name}.joblib")
    (folder / "scores.json").write_text(json.dumps(scores))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
