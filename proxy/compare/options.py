"""What a comparison is told by the operator."""

from __future__ import annotations

import hashlib

import msgspec

from proxy.compare.decisions import DecisionRule
from proxy.compare.differ import Tolerances
from proxy.compare.fidelity import FidelityOptions
from proxy.compare.group import GroupOptions, Loss, Of
from proxy.compare.kinds import Kind
from proxy.compare.reading import ReadOptions
from proxy.compare.segments import SegmentOptions
from proxy.feedback import LabelRule

_OF: dict[Kind, Of] = {Kind.PROBABILITY: "probability", Kind.NUMBER: "number"}


class Options(msgspec.Struct, frozen=True):
    """How two versions are compared.  ``Options()`` reads probabilities of the open inference
    protocol.

    ``loss``: of the paired regret; None for the kind's own (group.LOSSES).  ``label``: which
    label is the event that a probability was given for.  ``show_values``: whether examples keep
    what was predicted (promise 12).  ``small``: pairs under which a segment does not stand alone.
    """

    read: ReadOptions = ReadOptions()
    tolerances: Tolerances = Tolerances()
    decision: DecisionRule = DecisionRule()
    label: LabelRule = LabelRule()
    loss: Loss | None = None
    fidelity: FidelityOptions = FidelityOptions()
    show_values: bool = False
    small: int = 100
    alpha: float = 0.05

    @property
    def kind(self) -> Kind:
        return self.read.kind

    def comparing(self) -> Tolerances:
        """The tolerances; a score flips where the decision does, unless they say otherwise."""
        if self.tolerances.threshold is not None:
            return self.tolerances
        return msgspec.structs.replace(self.tolerances, threshold=self.decision.threshold)

    def group(self) -> GroupOptions:
        threshold = self.decision.threshold
        known = threshold is not None and 0.0 <= threshold <= 1.0
        return GroupOptions(
            of=_OF.get(self.kind, "class"),
            threshold=threshold if known and threshold is not None else 0.5,
            loss=self.loss,
            alpha=self.alpha,
        )

    def segments(self) -> SegmentOptions:
        return SegmentOptions(group=self.group(), least=self.small)

    def fingerprint(self) -> str:
        """The same for options that count alike: what was counted by others is not continued."""
        counted = msgspec.structs.replace(self, fidelity=FidelityOptions(), small=100)
        return hashlib.sha256(msgspec.json.encode(counted, order="sorted")).hexdigest()[:16]
