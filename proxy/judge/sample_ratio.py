"""Do the customers come to the arms in the configured shares?

If not, the experiment is broken, and what it says of the canary is worth nothing: customers are
lost on the way, or the key is not what it seems.  It holds the release; it is no reason to
revert.  Lindon and Malek 2022, as in Optimizely's ssrm: the e-value is a Dirichlet-multinomial
likelihood of the arms' counts over the likelihood of the configured shares.  With each new share
a new one begins; their product is an e-value again, for each is one given all before it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final

from proxy.judge.sequential import log_mean

#: How sure the alternatives are of being near the configured share, in customers.  The e-values
#: of all are averaged: 10 sees gross errors at once, 10,000 small ones in the end.
CONCENTRATIONS: Final = (10.0, 100.0, 1000.0, 10_000.0)


def log_marginal(counts: Sequence[int], prior: Sequence[float]) -> float:
    """log likelihood of a sequence with these counts, under a Dirichlet ``prior``."""
    total = math.lgamma(sum(prior)) - math.lgamma(sum(prior) + sum(counts))
    return total + sum(
        math.lgamma(had + n) - math.lgamma(had) for had, n in zip(prior, counts, strict=True)
    )


def log_e_value(
    counts: Sequence[int],
    shares: Sequence[float],
    concentrations: Sequence[float] = CONCENTRATIONS,
) -> float:
    """log E that ``counts`` did not come in ``shares`` (each over 0, 1 in sum; else ValueError).

    Valid at any look, and in any order of arrival.
    """
    if not all(share > 0.0 for share in shares) or abs(sum(shares) - 1.0) > 1e-9:
        raise ValueError(f"shares {tuple(shares)}: must each be over 0, and 1 in sum")
    null = sum(n * math.log(share) for n, share in zip(counts, shares, strict=True))
    return log_mean(
        [log_marginal(counts, [size * it for it in shares]) - null for size in concentrations]
    )


def log_e_of_split(counts: Mapping[float, tuple[int, int]]) -> float:
    """log E of customers of (canary, stable) at each canary share, 0 to 1: the shares' product."""
    return sum(
        log_e_value(counts[share], (share, 1.0 - share))
        for share in sorted(counts)
        if 0.0 < share < 1.0
    )
