"""store: what must survive.  Its law: nothing is true here before it is on the disk, and
nothing that was ever written is lost or changed without a word.

The history is one append-only file of chained JSON lines; latches, overrides and the last plan
number are folded from it.  This room blocks on the disk, so its callers use a thread, and
nothing that takes traffic away from a canary ever waits for it.
"""

from proxy.store.entries import Entry, Event, finite
from proxy.store.hashkey import hash_key
from proxy.store.history import History
from proxy.store.state import REVERTS_KEPT, Hold, Override, Shift, State, hold_of, latch_of, shift_of
from proxy.store.verify import Verified, verify

__all__ = [
    "REVERTS_KEPT",
    "Entry",
    "Event",
    "History",
    "Hold",
    "Override",
    "Shift",
    "State",
    "Verified",
    "finite",
    "hash_key",
    "hold_of",
    "latch_of",
    "shift_of",
    "verify",
]
