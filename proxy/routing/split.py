"""Who belongs to a share: an absolute threshold on a salted hash of the customer key.

A customer belongs to a share of ``percent`` iff ``point(salt, key) < threshold(percent)``.
The point does not depend on the percentage, so raising it only ever adds customers; a
modulo over weights moves them about (Envoy sends about 45 % of the canary's customers back
when 9:1 becomes 9:9).  Every decision has its own salt: with one hash for the route and the
mirror sample, a 10 % mirror and a 10 % canary are the same requests.

A request without a key has no point of its own.  The data plane draws one key for it by
chance and asks all its shares with that; ``ModelPlan.missing`` says whether it may be canary.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from xxhash import xxh3_64_intdigest

from proxy.routing.plan import AccessLog, ModelPlan, ShadowPlan
from proxy.terms import Latch

#: How many points there are; a point is at least 0 and below this.
POINTS: Final = 2**64


def point(salt: bytes, key: bytes) -> int:
    """Where a customer lies for the decision named by ``salt``: 0 <= point < 2**64.

    Salts hold no NUL, so that no two pairs of salt and key read the same.
    """
    return xxh3_64_intdigest(salt + b"\0" + key)


@lru_cache(maxsize=1024)
def threshold(percent: float) -> int:
    """Points below this belong to a share of ``percent`` (0 to 100, rounded to 0.01).

    Raises ValueError outside that range.  0 takes nobody, 100 takes everyone, exactly.
    """
    if not 0 <= percent <= 100:
        raise ValueError(f"a percentage of {percent}; allowed is 0 to 100")
    return round(percent * 100) * POINTS // 10_000


def sampled(salt: bytes, percent: float, key: bytes) -> bool:
    """Whether ``key`` is in a sample of ``percent`` (0 to 100) of all customers."""
    if percent >= 100:
        return True
    return percent > 0 and point(salt, key) < threshold(percent)


class Share:
    """One decision, prepared once per Plan: ``takes(key)`` is all that a request needs."""

    __slots__ = ("_prefix", "limit", "percent", "salt")

    def __init__(self, salt: str, percent: float) -> None:
        self.salt = salt.encode()
        self.percent = percent
        self.limit = threshold(percent)
        self._prefix = self.salt + b"\0"

    def takes(self, key: bytes) -> bool:
        """Same as ``point(salt, key) < threshold(percent)``; no hash at 0 and 100 percent."""
        limit = self.limit
        if limit == 0 or limit == POINTS:
            return limit != 0
        return xxh3_64_intdigest(self._prefix + key) < limit


def latched(model: ModelPlan, latches: Iterable[Latch]) -> Latch | None:
    """The latch that keeps the model's canary from traffic, if there is one."""
    if model.canary is None:
        return None
    named = (model.name, model.canary.version)
    return next((latch for latch in latches if (latch.model, latch.version) == named), None)


def split_share(model: ModelPlan, latches: Iterable[Latch] = ()) -> Share:
    """The canary's share; nobody's without a canary, or when its version is latched.

    The default salt names the version, so that the next canary tries other customers.
    """
    if model.canary is None:
        return Share(model.salt, 0)
    salt = model.salt or f"{model.name}/split/{model.canary.version}"
    return Share(salt, 0 if latched(model, latches) else model.canary.percent)


def copies_share(model: ModelPlan, shadow: ShadowPlan) -> Share:
    """Whose requests are copied to ``shadow``."""
    return Share(shadow.salt or f"{model.name}/shadow/{shadow.version}", shadow.percent)


def pairs_share(model: ModelPlan, shadow: ShadowPlan) -> Share:
    """Whose pairs of answers go to the desk, among those that are copied."""
    salt = shadow.pair_salt or f"{model.name}/pairs/{shadow.version}"
    return Share(salt, shadow.pair_percent)


def log_share(log: AccessLog) -> Share:
    """Whose requests the access log shows."""
    return Share(log.salt, log.percent)
