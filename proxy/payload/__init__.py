"""Bodies to named columns and predictions, by protocol.

The law of this room: what cannot be read is said, with one of a few reasons, and never guessed.
"""

from __future__ import annotations

from proxy.payload.columns import Columns, Unreadable, Value

__all__ = ["Columns", "Unreadable", "Value"]
