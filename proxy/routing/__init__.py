"""Which version answers, and who gets a copy: decided from a Plan, a request and a point.

The law of this room: pure.  No I/O, no clock, no chance, no logging; time and chance come
in as arguments.  The same customer gets the same answer in every worker, on every host and
after every restart, and `explain` gives it offline from the same objects.

plan      what the desk tells the data plane
match     which model a request is for
keys      whose request it is, and which segments it counts for
split     who belongs to a share: canary, copies, pairs, log lines
health    which endpoint of a version may take the next request
explain   the same answer as the proxy gives, in words
"""

from proxy.routing.explain import Explanation, ShadowExplanation, explain
from proxy.routing.health import EndpointHealth, choose
from proxy.routing.keys import (
    CookieKey,
    HeaderKey,
    JsonKey,
    QueryKey,
    Reader,
    SegmentKey,
    reader,
)
from proxy.routing.match import Table, place
from proxy.routing.split import (
    Share,
    copies_share,
    log_share,
    pairs_share,
    point,
    sampled,
    split_share,
    threshold,
)

__all__ = [
    "CookieKey",
    "EndpointHealth",
    "Explanation",
    "HeaderKey",
    "JsonKey",
    "QueryKey",
    "Reader",
    "SegmentKey",
    "ShadowExplanation",
    "Share",
    "Table",
    "choose",
    "copies_share",
    "explain",
    "log_share",
    "pairs_share",
    "place",
    "point",
    "reader",
    "sampled",
    "split_share",
    "threshold",
]
