"""Several findings, one verdict: the worst speaks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from proxy.terms import Finding, Verdict


def worst(findings: Iterable[Finding]) -> Verdict:
    """The worst verdict.  No findings at all are inconclusive: nobody looked, nobody passed."""
    return max((finding.verdict for finding in findings), default=Verdict.INCONCLUSIVE)


def tripped(findings: Iterable[Finding]) -> Finding | None:
    """The first finding that fails and reverts: the reason to; None when there is none."""
    return next(_failing(findings, "revert"), None)


def holding(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """The findings that fail and hold the canary's share."""
    return tuple(_failing(findings, "hold"))


def _failing(findings: Iterable[Finding], effect: str) -> Iterator[Finding]:
    return (it for it in findings if it.verdict is Verdict.FAIL and it.effect == effect)
