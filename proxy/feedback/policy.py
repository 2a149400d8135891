"""What the operator makes of feedback on one model, as plain data."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

import msgspec

from proxy.feedback.loss import LabelRule

#: What a signal brings about: its canary is reverted; its share may not grow; it is noted.
Effect: TypeAlias = Literal["revert", "hold", "note"]

#: Under this name stands what holds for the sources that are not named.
OTHER: Final = "other"


class Policy(msgspec.Struct, frozen=True):
    """``labels`` by the label's name, ``signals`` by source."""

    labels: dict[str, LabelRule] = {}
    signals: dict[str, Effect] = {}

    def effect(self, source: str) -> Effect:
        """Of a signal from ``source``; ``note`` when the operator says nothing."""
        return self.signals.get(source) or self.signals.get(OTHER) or "note"
