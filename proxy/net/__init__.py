"""The doors to the network: dialling, kept connections, deadlines, scripted transports.

Law: what asyncio must do is done here or in a Protocol of ``traffic``; decisions are made
by plain functions that never await.
"""

from proxy.net.deadlines import NEVER, SECOND, Deadlines, Expiring
from proxy.net.dial import Tasks, dial, our_own
from proxy.net.pool import Kept, Pool
from proxy.net.reset import reset_connection
from proxy.net.scripted import ScriptedTransport
from proxy.net.unread import unread

__all__ = [
    "NEVER",
    "SECOND",
    "Deadlines",
    "Expiring",
    "Kept",
    "Pool",
    "ScriptedTransport",
    "Tasks",
    "dial",
    "our_own",
    "reset_connection",
    "unread",
]
