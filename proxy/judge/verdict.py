"""Several findings, one verdict: the worst speaks."""

from __future__ import annotations

from collections.abc import Iterable

from proxy.terms import Finding, Verdict


def worst(findings: Iterable[Finding]) -> Verdict:
    """The worst verdict.  No findings at all are inconclusive: nobody looked, nobody passed."""
    return max((finding.verdict for finding in findings), default=Verdict.INCONCLUSIVE)


def tripped(findings: Iterable[Finding]) -> Finding | None:
    """The first finding that fails and reverts: the reason to; None when there is none."""
    return _first(findings, "revert")


def holding(findings: Iterable[Finding]) -> Finding | None:
    """The first finding that fails and holds the release; None when there is none."""
    return _first(findings, "hold")


def _first(findings: Iterable[Finding], effect: str) -> Finding | None:
    return next((it for it in findings if it.verdict is Verdict.FAIL and it.effect == effect), None)
