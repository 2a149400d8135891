"""Guardrails: what a canary must not do more often, or less well, than stable.  Plain data.

Rates run from 0 to 1, times are seconds.  ``tolerance`` and ``margin`` are relative: 0.1 is a
tenth more (or, where ``direction`` is decrease, a tenth less) than stable.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from proxy.judge.evidence import Source


class Guardrail(msgspec.Struct, frozen=True):
    """One quantity that is compared between canary and stable.

    With ``measure`` rate, it is how many customers have the event at all (the first one of each
    counts); with ``mean``, a customer's total of the events' values.  ``direction`` says which
    way harm lies.  ``tolerance`` is the harm that is put up with; ``margin`` the harm that must
    be excluded before it is a PASS.

    ``critical`` reverts; without it the release is held.  ``dry_run`` is reported only, and takes
    no part of alpha.  ``segments`` are protected ones, ``dimension=value`` written out: each is
    judged by itself, and takes its part of alpha.
    """

    name: str
    source: Source
    of: str = ""  # the rule's, signal's, KPI's or label's name; "" is any
    over: float | None = None  # counts only what has a larger ``value``: an SLO in seconds
    under: float | None = None  # counts only what has a smaller ``value``
    measure: Literal["rate", "mean"] = "rate"
    direction: Literal["increase", "decrease"] = "increase"
    tolerance: float = 0.0
    margin: float = 0.5
    critical: bool = True
    dry_run: bool = False
    segments: tuple[str, ...] = ()
    planned: int = 10_000  # customers for which a mean's bound is tightest


class Guardrails(msgspec.Struct, frozen=True):
    """All guardrails of one model.  ``Guardrails()`` judges nothing: see ``DEFAULT``.

    ``alpha`` is the chance that a healthy canary is ever reverted by any of them, however often
    anyone looks; ``sample_ratio`` that of a false alarm about the shares.
    """

    rules: tuple[Guardrail, ...] = ()
    alpha: float = 0.05
    sample_ratio: float | None = 0.001


#: What holds when the operator writes nothing.
DEFAULT: Final = Guardrails(rules=(Guardrail("errors", Source.ERROR),))

#: What holds when the operator writes ``guardrails: off``.
OFF: Final = Guardrails(sample_ratio=None)
