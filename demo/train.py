"""The versions of a credit-default model, trained on the real customers.

Runs in the second environment.  Seven customers of ten teach, the other three are held out:
they measure the versions here, and they are the callers of the demo.

v1  logistic regression: honest, simple, the version in use
v2  gradient boosting: better
v5  gradient boosting with balanced classes: ranks as well as v2, but its probabilities are far
    too high, so that it approves too few

v3 and v4 are v2 again, on servers that fail in their ways (demo/runtime.py).
"""
# mypy: disable-error-code="import-not-found, import-untyped"

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any, Final

SEED: Final = 20
_LABEL: Final = "default-payment-next-month"
_EDUCATION: Final = {1: "graduate", 2: "university", 3: "high_school"}


def read(path: Path) -> Any:
    """The CSV as a data frame, one row per customer."""
    import pandas as pd

    return pd.read_csv(path)


def age_band(age: int) -> str:
    if age < 30:
        return "young"
    return "middle" if age < 50 else "senior"


def education(row: Any) -> str:
    for level, name in _EDUCATION.items():
        if row[f"EDUCATION_{level}"]:
            return name
    return "other"


def versions() -> dict[str, Any]:
    """The untrained versions by name."""
    from sklearn.ensemble import (
        HistGradientBoostingClassifier,
    )
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    boosting: dict[str, Any] = {"max_iter": 120, "learning_rate": 0.06, "random_state": SEED}
    return {
        "1": make_pipeline(StandardScaler(), LogisticRegression(max_iter=500)),
        "2": HistGradientBoostingClassifier(**boosting),
        "5": HistGradientBoostingClassifier(class_weight="balanced", **boosting),
    }


def calibration_error(labels: Any, scores: Any, bins: int = 10) -> float:
    """Expected calibration error over equal-width bins: mean |said - was|, by customers."""
    import numpy as np

    slot = np.minimum((scores * bins).astype(int), bins - 1)
    gaps = [
        abs(scores[slot == b].mean() - labels[slot == b].mean()) * (slot == b).mean()
        for b in range(bins)
        if (slot == b).any()
    ]
    return float(sum(gaps))


def measure(model: Any, features: Any, labels: Any) -> dict[str, float]:
    from sklearn.metrics import roc_auc_score

    scores = model.predict_proba(features)[:, 1]
    return {
        "auc": float(roc_auc_score(labels, scores)),
        "calibration_error": calibration_error(labels.to_numpy(), scores),
        "mean_score": float(scores.mean()),
        "base_rate": float(labels.mean()),
    }


def train(csv: Path, out: Path) -> dict[str, Any]:
    """Train, measure and write all three and the held-out customers.

    Returns the measures by version, and the names of the features in their order.
    """
    import joblib
    from sklearn.model_selection import train_test_split

    frame = read(csv)
    features = frame.drop(columns=["ID", _LABEL])
    taught, held, y_taught, y_held = train_test_split(
        features, frame[_LABEL], test_size=0.3, random_state=SEED, stratify=frame[_LABEL]
    )
    measures = {}
    for name, model in versions().items():
        began = time.perf_counter()
        model.fit(taught.to_numpy(), y_taught)
        measures[name] = measure(model, held.to_numpy(), y_held)
        measures[name]["trained_in"] = time.perf_counter() - began
        joblib.dump(model, out / f"v{name}.joblib")
    columns = list(features.columns)
    _write_customers(frame.loc[held.index], columns, out / "customers.jsonl")
    return {"versions": measures, "columns": columns}


def _write_customers(frame: Any, columns: list[str], path: Path) -> None:
    with path.open("w") as out:
        for _, row in frame.iterrows():
            line = {
                "id": f"uci-{int(row['ID']):05d}",
                "age_band": age_band(int(row["AGE"])),
                "education": education(row),
                "defaulted": bool(row[_LABEL]),
                "features": [float(row[column]) for column in columns],
            }
            out.write(json.dumps(line) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--csv", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--fingerprint", required=True, help="what the result is kept under")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    made = train(given.csv, given.out)
    # Written last: a broken run leaves no mark, and the next one trains again.
    mark = {"fingerprint": given.fingerprint, **made}
    (given.out / "trained.json").write_text(json.dumps(mark, indent=2) + "\n")


if __name__ == "__main__":
    main()
