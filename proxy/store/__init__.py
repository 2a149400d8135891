"""store: what must survive.  Its law: nothing is true here before it is on the disk, and
nothing that was ever written is lost or changed without a word.

The history is one append-only file of chained JSON lines; latches, overrides and the last plan
number are folded from it.  Evidence files keep the judge's state: a snapshot, and what came
after it; comparisons.py keeps what shadows were counted in.  This room blocks on the disk, so its
callers use a thread (evidence has its own), and nothing that takes traffic away from a canary
ever waits for it.
"""

from proxy.store.entries import Entry, Event, finite
from proxy.store.evidence import EvidenceStatus, EvidenceWriter, Head, Header, Reading, Recovered
from proxy.store.evidence import Limits as EvidenceLimits
from proxy.store.evidence import read as read_evidence
from proxy.store.hashkey import hash_key
from proxy.store.history import History
from proxy.store.state import (
    REVERTS_KEPT,
    Hold,
    Override,
    Shift,
    State,
    hold_of,
    latch_of,
    shift_of,
)
from proxy.store.verify import Verified, verify

__all__ = [
    "REVERTS_KEPT",
    "Entry",
    "Event",
    "EvidenceLimits",
    "EvidenceStatus",
    "EvidenceWriter",
    "Head",
    "Header",
    "History",
    "Hold",
    "Override",
    "Reading",
    "Recovered",
    "Shift",
    "State",
    "Verified",
    "finite",
    "hash_key",
    "hold_of",
    "latch_of",
    "read_evidence",
    "shift_of",
    "verify",
]
