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
    return _own_part(percents, use, sample)


def fair(percents: Percents, sample: Sample) -> bool:
    """Whether what quality finds in this sample is evidence: its arm was drawn by the split, and
    the same customer is looked at in either arm.

    Whom quality looks at for the canary's sake alone, it finds as soon as a higher share brings
    him to the canary, with all that he did before, unseen, as stable's.  No chance that is put
    beside such an event makes up for that, so it is none of the judge's.
    """
    return sample.drawn and _own_part(percents, "quality", sample)


def _own_part(percents: Percents, use: Use, sample: Sample) -> bool:
    """The use's own percent of all customers, out of those that came up."""
    wanted = percents.predictions if use == "predictions" else percents.quality
    widest = percents.widest
    if wanted >= widest:
        return widest > 0
    # Below the widest, so never a division by nought.
    key = (sample.customer or sample.request_id).encode()
    return point(_SALTS[use], key) < int(POINTS * (wanted / widest))
