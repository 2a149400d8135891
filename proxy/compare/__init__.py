"""What the shadow answered beside what stable answered, on the same inputs.

The law of this room: pairs in, counts out; nothing is kept of a body, a customer or a request.

    pairing     statuses and latencies of pairs, by shadow version
"""

from __future__ import annotations

from proxy.compare.pairing import PairCounts, PairSnapshot, PairSummary

__all__ = ["PairCounts", "PairSnapshot", "PairSummary"]
