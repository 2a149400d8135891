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
    is the use's own percent; for quality with ``canary``, all of the canary's.
    """
    wanted = percents.predictions if use == "predictions" else percents.quality
    came_up = percents.widest
    if percents.canary and sample.arm == Arm.CANARY:
        if use == "quality":
            return True
        came_up = 100.0
    if wanted >= came_up:
        return came_up > 0
    # Below came_up, so never a division by nought.
    key = (sample.customer or sample.request_id).encode()
    return point(_SALTS[use], key) < int(POINTS * (wanted / came_up))


def judged_share(percents: Percents, share: float) -> float:
    """The chance, 0 to 1, that a customer whose data was looked at is a canary's.

    ``share`` is the canary's share of all customers.  Where all of the canary's are looked at, and
    only a part q of stable's, it is share / (share + (1 - share) q): the share that observations
    of data quality must carry, so that a canary that is only looked at more often is not blamed.
    """
    if not percents.canary:
        return share
    looked_at = share + (1.0 - share) * (percents.quality / 100.0)
    return share / looked_at if looked_at else 0.0
