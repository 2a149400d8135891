"""The same answer as the proxy gives, in words, from the same objects.

It speaks of workers that hear their desk: a worker whose desk is silent sends everybody to
stable.  Nor does it know of testers, who choose their arm by header.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from proxy.routing.plan import CanaryPlan, ModelPlan, ShadowPlan
from proxy.routing.split import (
    POINTS,
    Share,
    copies_share,
    latched,
    pairs_share,
    point,
    split_share,
)
from proxy.terms import Arm, Latch


class ShadowExplanation(msgspec.Struct, frozen=True):
    """Whether a customer's requests are copied to one shadow; None where chance decides."""

    version: str
    point: int | None  # None without a key
    percent: float
    threshold: int
    copied: bool | None
    paired: bool | None  # of the copied: whether its answer is compared, with stable's only


class Explanation(msgspec.Struct, frozen=True):
    """Which arm a customer gets, and why.

    ``point`` and ``threshold`` run from 0 to 2**64; ``percent`` is the share in force (0 when
    the canary is latched).  ``arm`` and ``version`` are None where chance decides.
    """

    model: str
    point: int | None  # None without a key
    percent: float
    threshold: int
    arm: Arm | None
    version: str | None
    why: str
    shadows: tuple[ShadowExplanation, ...]


def explain(model: ModelPlan, key: str | None, latches: Iterable[Latch] = ()) -> Explanation:
    """What becomes of the customer ``key``; None or empty is a request without a key."""
    # A terminal hands over octets that are no UTF-8 as lone surrogates.
    octets = key.encode(errors="surrogateescape") if key else None
    latch = latched(model, latches)
    share = split_share(model, () if latch is None else (latch,))
    is_canary = _takes(share, octets)
    if octets is None and model.missing == "stable":
        is_canary = False
    arm = None if is_canary is None else Arm.CANARY if is_canary else Arm.STABLE
    return Explanation(
        model=model.name,
        point=_point(share, octets),
        percent=share.percent,
        threshold=share.limit,
        arm=arm,
        version=_version(model, arm),
        why=_why(model, share, octets, latch),
        shadows=tuple(_shadow(model, shadow, octets, arm) for shadow in model.shadows),
    )


def _takes(share: Share, key: bytes | None) -> bool | None:
    if key is not None:
        return share.takes(key)
    return None if 0 < share.limit < POINTS else share.limit == POINTS


def _point(share: Share, key: bytes | None) -> int | None:
    return None if key is None else point(share.salt, key)


def _version(model: ModelPlan, arm: Arm | None) -> str | None:
    if arm is None:
        return None
    if arm is Arm.CANARY and model.canary is not None:
        return model.canary.version
    return model.stable


def _shadow(
    model: ModelPlan, shadow: ShadowPlan, key: bytes | None, arm: Arm | None
) -> ShadowExplanation:
    copies = copies_share(model, shadow)
    return ShadowExplanation(
        version=shadow.version,
        point=_point(copies, key),
        percent=copies.percent,
        threshold=copies.limit,
        copied=_takes(copies, key),
        paired=False if arm is Arm.CANARY else _takes(pairs_share(model, shadow), key),
    )


def _why(model: ModelPlan, share: Share, key: bytes | None, latch: Latch | None) -> str:
    if model.canary is None:
        return f"There is no canary: everybody gets the stable version {model.stable}."
    if latch is not None:
        return (
            f"Canary {latch.version} was reverted by {latch.actor} ({latch.reason}): "
            f"{latch.message.rstrip('.')}. Everybody gets the stable version {model.stable} "
            "until a person clears the revert."
        )
    if key is None:
        return _why_without_key(model, model.canary)
    where = f"{100 * point(share.salt, key) / POINTS:.4f} % of the way"
    side = "below" if share.takes(key) else "not below"
    return (
        f"The customer lies at {where}, {side} the {share.percent:g} % "
        f"that canary {model.canary.version} takes."
    )


def _why_without_key(model: ModelPlan, canary: CanaryPlan) -> str:
    if model.missing == "stable":
        return f"Without a customer key a request gets the stable version {model.stable}."
    return (
        "Without a customer key chance decides for each request: "
        f"{canary.percent:g} % get canary {canary.version}, "
        f"the others the stable version {model.stable}."
    )
