"""What the world said later: labels, KPI events, downstream signals.

The law of this room: an event counts once, by its id, whenever and however often it comes; and
whatever a caller writes costs at most the item it stands in.

    events        the nouns
    values        what a single value may be
    reading       one item to one event, or to what is wrong with it
    bodies        a request's body into items
    alertmanager  its webhook as it is
    customers     the name under which a customer is kept
    policy        what the operator makes of labels and signals
    loss          how far a prediction was from the truth
"""

from __future__ import annotations

from proxy.feedback.bodies import Broken, Document, Lines, Splitter
from proxy.feedback.customers import hasher
from proxy.feedback.events import Event, Kpi, Label, Prediction, Signal
from proxy.feedback.loss import LabelRule, Unfitting, loss
from proxy.feedback.policy import Effect, Policy
from proxy.feedback.reading import Fault, Forms, Item

__all__ = [
    "Broken",
    "Document",
    "Effect",
    "Event",
    "Fault",
    "Forms",
    "Item",
    "Kpi",
    "Label",
    "LabelRule",
    "Lines",
    "Policy",
    "Prediction",
    "Signal",
    "Splitter",
    "Unfitting",
    "hasher",
    "loss",
]
