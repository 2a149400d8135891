"""The data plane: it carries the callers' requests, by a Plan that it is given.

Law: no task, future, lock, log line or label look-up per request; nothing of the desk, the
disk or a database is imported or waited for.  exchange.py is the life of one request.

    exchange     admitted, decided, forwarded, answered, recorded
    again        sent once more: on a fresh connection, elsewhere, to stable
    reframing    answers that cannot just be passed on
    waiting      who waits for room; ending, how it is counted, and what we say ourselves
    connection   a caller's side: where requests begin and end; arriving, heads on their way
    forward      an upstream's side: where answers begin and end
    mirror       shadow copies, and their bounds
    decision     which arm answers; census, whom a canary was ever drawn for
    watching     what is told of single exchanges, for the judge; evidence, its bounds
    board        the Plan made ready; upstreams, its endpoints; pools, the connections that
                 they share; recording, its counts
    plane        the whole, as a worker holds it; polling, how it stays awake if asked to
"""

from proxy.traffic.plane import Plane

__all__ = ["Plane"]
