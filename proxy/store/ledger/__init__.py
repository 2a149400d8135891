"""The ledger: logged predictions, and what the world said of them later, joined.

Its law: traffic never waits for it, and an event is "taken" only once it is committed.  SQLite in
the state directory, or PostgreSQL behind the same port; only its own threads touch the database.

    nouns       what goes in and comes out
    face        class Ledger: what everyone else calls
    thread      one writer: jobs, and predictions from the hot flow in batches
    database    the engine, its transactions, its errors in plain words
    migrations  the schema, version by version
    tables      the schema as it is now, for queries
    rows        nouns to rows and back
    writing     log, take, join, retention: what one transaction does
    reading     queries in chunks

It is not in the door of ``store``: it loads SQLAlchemy, which half of the commands do without.
"""

from proxy.store.ledger.face import Ledger
from proxy.store.ledger.nouns import (
    Counts,
    Joined,
    Labelled,
    LedgerLimits,
    LedgerStatus,
    Taken,
)

__all__ = ["Counts", "Joined", "Labelled", "Ledger", "LedgerLimits", "LedgerStatus", "Taken"]
