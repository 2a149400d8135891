"""What the world said later: labels, KPI events, downstream signals.

The law of this room: an event counts once, by its id, whenever and however often it comes.

    events      the nouns
"""

from __future__ import annotations

from proxy.feedback.events import Event, Kpi, Label, Prediction, Signal

__all__ = ["Event", "Kpi", "Label", "Prediction", "Signal"]
