"""Many tests, one list of discoveries: e-BH.

For reports over segments.  Nothing is reverted by it: a revert's alpha is divided among the
guardrails and protected segments beforehand (Bonferroni, judge/trial.py).
"""

from __future__ import annotations

from collections.abc import Sequence


def e_bh(e_values: Sequence[float], alpha: float) -> list[int]:
    """Which of the e-values are discoveries, in rising order of their index.

    Of those named, the expected share of false ones is at most ``alpha``, whatever depends on
    what.  The largest k of m such that k e-values are at least m / (k alpha): Wang and Ramdas,
    "False discovery rate control with e-values", JRSS B 2022.
    """
    if not 0.0 < alpha < 1.0:
        raise ValueError(f"alpha {alpha}: must be between 0 and 1")
    ranked = sorted(range(len(e_values)), key=lambda index: -e_values[index])
    found = 0
    for k, index in enumerate(ranked, 1):
        if e_values[index] * k * alpha >= len(e_values):
            found = k
    return sorted(ranked[:found])
