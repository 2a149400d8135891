"""Whose exchanges are looked at: one sample comes up from the workers, two uses share it.

The workers keep the exchanges of ``widest`` percent of the customers, and with ``canary`` all of
the canary's.  Each use then takes its own percent of that by a draw of its own, on the keyed
hash of the customer: the desk never sees the key that the workers drew with.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from proxy.routing.split import POINTS, point
from proxy.terms import Arm, Sample

Use = Literal["predictions", "quality"]
_SALTS: Final[dict[Use, bytes]] = {"predictions": b"desk/predictions", "quality": b"desk/quality"}


class Percents(msgspec.Struct, frozen=True):
    """Shares of the customers, 0 to 100.  ``canary``: quality looks at all of the canary's."""

    predictions: float = 0.0
    quality: float = 0.0
    canary: bool = False

    @property
    def widest(self) -> float:
        return max(self.predictions, self.quality)


def takes(percents: Percents, use: Use, sample: Sample) -> bool:
    """Whether this use looks at a sample that came up.

    The same customer always gets the same answer while the percents stay.  Over all customers it
    is the use's own percent, whatever their arm; for quality with ``canary``, all of the canary's
    that came up.
    """
    if percents.canary and sample.arm == Arm.CANARY:
        if use == "quality":
            return True
        if not sample.drawn:
            return False  # it came up for quality's sake alone
    wanted = percents.predictions if use == "predictions" else percents.quality
    widest = percents.widest
    if wanted >= widest:
        return widest > 0
    # Below the widest, so never a division by nought.
    key = (sample.customer or sample.request_id).encode()
    return point(_SALTS[use], key) < int(POINTS * (wanted / widest))


def judged_share(percents: Percents, share: float) -> float:
    """The chance, 0 to 1, that a customer whose data is evidence is a canary's.

    ``share`` is the canary's share of all customers.  Evidence are the samples that are ``drawn``
    and that quality ``takes``: with ``canary`` those are the widest part w of the canary's
    customers, but only quality's own part q of stable's, and the chance is
    share w / (share w + (1 - share) q).  Observations of data quality must carry it, so that a
    canary that is only looked at more closely is not blamed.
    """
    if not percents.canary:
        return share
    canary = share * percents.widest
    both = canary + (1.0 - share) * percents.quality
    return canary / both if both else 0.0
