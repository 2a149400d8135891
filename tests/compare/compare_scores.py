"""Scores with labels, made from ``random.random`` alone: the same on every machine.

The numbers in scikit_learn.json are of the cases below, by scikit-learn 1.9.1 and scipy 1.17.1:

    import json, sys
    import numpy as np
    from scipy.stats import ks_2samp
    from sklearn import metrics as m
    from sklearn.calibration import calibration_curve
    from sklearn.linear_model import LogisticRegression
    from compare_scores import CASES, made, numbers

    def ece(y, p, bins):
        ids = np.searchsorted(np.linspace(0, 1, bins + 1)[1:-1], p)
        n = np.bincount(ids, minlength=bins)
        n = n[n > 0] / len(p)
        true, predicted = calibration_curve(y, p, n_bins=bins)
        return float(np.sum(n * np.abs(true - predicted)))

    found = {}
    for case in CASES:
        rows = made(case)
        p, q = (np.array([row[at] for row in rows]) for at in (0, 1))
        y = np.array([row[2] for row in rows], dtype=int)
        d = (p >= 0.3).astype(int)
        x = np.clip(p, 1e-6, 1 - 1e-6)
        fit = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000)
        fit.fit(np.log(x / (1 - x))[:, None], y)
        found[case] = {
            "auc": m.roc_auc_score(y, p), "brier": m.brier_score_loss(y, p),
            "log_loss": m.log_loss(y, p), "precision": m.precision_score(y, d),
            "recall": m.recall_score(y, d), "f1": m.f1_score(y, d),
            "accuracy": m.accuracy_score(y, d),
            "specificity": m.recall_score(y, d, pos_label=0),
            "ece": {str(bins): ece(y, p, bins) for bins in (5, 10, 15)},
            "curve": [list(map(float, it)) for it in calibration_curve(y, p, n_bins=10)],
            "slope": float(fit.coef_[0, 0]), "intercept": float(fit.intercept_[0]),
            "ks": float(ks_2samp(q, p).statistic), "ks_p": float(ks_2samp(q, p).pvalue),
        }
    rows = numbers()
    p, y = (np.array([row[at] for row in rows]) for at in (0, 1))
    found["numbers"] = {
        "mae": m.mean_absolute_error(y, p), "rmse": m.root_mean_squared_error(y, p),
        "r2": m.r2_score(y, p),
    }
    json.dump(found, sys.stdout, indent=1)
"""

import random

#: name -> how a score is made of a uniform number; tied ones lie on the edges of bins
CASES = {
    "smooth": lambda u: round(u * u, 9),
    "tied": lambda u: round(u * u, 2),
    "rare": lambda u: round(u**6 / 10, 12),
}
N = 12_000


def made(case, n=N, seed=7):
    """(stable's score, shadow's score, label) of each row."""
    chance = random.Random(f"{case} {seed}")
    rows = []
    for _ in range(n):
        score = CASES[case](chance.random())
        moved = score + (chance.random() - 0.45) * 0.2 * score
        rows.append((score, round(min(1.0, moved), 12), chance.random() < score))
    return rows


def numbers(n=N, seed=7):
    """(predicted, true) of each row."""
    chance = random.Random(f"numbers {seed}")
    rows = []
    for _ in range(n):
        true = chance.random() * 1000 - 200
        rows.append((round(true * 0.9 + chance.random() * 50, 6), round(true, 6)))
    return rows
