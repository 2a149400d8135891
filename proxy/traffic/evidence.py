"""What a worker tells of single exchanges and customers between two reports, within bounds.

Everything here is first come, first told: over a bound things are dropped and counted.  That is
fair evidence all the same.  Whether there is room is settled by what came before, and the arm of
whoever comes next is drawn without regard to that; so among those that are told, as among those
that are dropped, the canary has its share and no more, unless it earns it.
"""

from __future__ import annotations

from collections.abc import Callable, Container
from typing import Final

from msgspec.structs import replace

from proxy.measure import Report
from proxy.routing import split
from proxy.routing.plan import ModelPlan
from proxy.terms import Incident, Sample
from proxy.traffic.census import Census, CountedShare

_INCIDENTS: Final = 2000
#: Of all models, in one report: some 3 ms.  A desk that knows nothing yet is told by portions.
_CUSTOMERS: Final = 4000
_SAMPLES: Final = 500  # in a report, and as many under way
_SAMPLE_BYTES: Final = 8 * 1024 * 1024
_OVERHEAD: Final = 512  # of a sample, beside its bodies


class EvidenceBook:
    """Incidents, newcomers and samples since the last report.

    ``hashed`` makes of a customer's key what may be kept of it.  ``held``: bytes of bodies that
    are kept for samples to come; ``under_way``: how many of those there are.
    """

    __slots__ = (
        "_astir", "_censuses", "_dropped", "_incidents", "_sample_bytes", "_samples", "hashed",
        "held", "samples_dropped", "under_way",
    )  # fmt: skip

    def __init__(self, hashed: Callable[[bytes], str]) -> None:
        self.hashed = hashed
        self._incidents: dict[object, Incident] = {}
        self._dropped = 0
        self._censuses: dict[str, Census] = {}  # by model
        self._astir: dict[Census, None] = {}  # those with something to tell, in order
        self._samples: list[Sample] = []
        self._sample_bytes = 0
        self.samples_dropped = 0
        self.held = 0
        self.under_way = 0

    # --- incidents ---

    def incident(self, incident: Incident) -> None:
        """Takes it down; of a customer's alike ones in one report, the slowest.

        The judge counts the first of each customer, so that one who fails over and over must not
        take the room of all the others.
        """
        it = incident
        alike: object = (it.model, it.version, it.arm, it.share, it.customer, it.segments,
                         it.outcome, it.fallback)  # fmt: skip
        if not it.customer:
            alike = len(self._incidents)  # each by itself
        before = self._incidents.get(alike)
        if before is not None:
            if it.seconds > before.seconds:
                self._incidents[alike] = replace(it, at=before.at)
        elif len(self._incidents) < _INCIDENTS:
            self._incidents[alike] = it
        else:
            self._dropped += 1

    # --- newcomers ---

    def counted(self, plan: ModelPlan, share: split.Share) -> split.Share:
        """``share``, with a census of the customers whom it draws.

        A new canary, or other draws for the same, or another stable version beside it, begins
        afresh, as the judge does; another percentage does not.
        """
        assert plan.canary is not None
        trial = (plan.canary.version, plan.stable, share.salt)
        census = self._censuses.get(plan.name)
        if census is None or census.trial != trial:
            self.forget(plan.name)
            census = Census(plan.name, trial, self.hashed, self._astir)
            self._censuses[plan.name] = census
        return CountedShare(share, census)

    def forget(self, model: str) -> None:
        """The model's canary is in force no more."""
        census = self._censuses.pop(model, None)
        if census is not None:
            self._astir.pop(census, None)

    def retire(self, models: Container[str]) -> None:
        """Forgets the models that the Plan names no more."""
        for model in [model for model in self._censuses if model not in models]:
            self.forget(model)

    # --- samples ---

    def begins(self, bounds: float = 1.0) -> bool:
        """Whether there is room for one more sample; counts it if not.

        ``bounds``: how much of all the room it may find taken, for one that is less wanted.
        """
        places, taken = _SAMPLES * bounds, self._sample_bytes + self.held
        full = self.under_way >= places or len(self._samples) >= places
        if full or taken >= _SAMPLE_BYTES * bounds:
            self.samples_dropped += 1
            return False
        self.under_way += 1
        return True

    def room_for(self, size: int, cap: int) -> bool:
        """Whether so many more bytes may be kept for samples to come.

        Two bodies of ``cap`` bytes fit where there is nothing else.
        """
        return self._sample_bytes + self.held + size <= max(_SAMPLE_BYTES, 2 * cap)

    def sample(self, sample: Sample) -> None:
        size = _OVERHEAD + len(sample.request) + len(sample.answer.body)
        full = len(self._samples) >= _SAMPLES or self._sample_bytes + size > _SAMPLE_BYTES
        if self._samples and full:
            self.samples_dropped += 1
            return
        self._sample_bytes += size
        self._samples.append(sample)

    # --- telling ---

    def tell(self, report: Report, whole: bool) -> None:
        """Puts all into ``report``; ``whole``: every customer again, report by report."""
        report.incidents, self._incidents = list(self._incidents.values()), {}
        report.incidents_dropped, self._dropped = self._dropped, 0
        report.samples, self._samples = self._samples, []
        report.samples_dropped, self.samples_dropped = self.samples_dropped, 0
        self._sample_bytes = 0
        if whole:
            for census in self._censuses.values():
                census.tell_again()
        self._tell_newcomers(report)

    def _tell_newcomers(self, report: Report) -> None:
        room = _CUSTOMERS
        for census in list(self._astir):
            told = census.take(room)
            report.newcomers += told
            room -= sum(len(each.canary) + len(each.stable) for each in told)
            if census.untold:
                return
            del self._astir[census]
            if room <= 0:
                return
