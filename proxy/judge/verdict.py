"""Several findings, one verdict: the worst speaks."""

from __future__ import annotations

from collections.abc import Iterable

from proxy.terms import Finding, Verdict


def worst(findings: Iterable[Finding]) -> Verdict:
    """The worst verdict.  No findings at all are inconclusive: nobody looked, nobody passed."""
    return max((finding.verdict for finding in findings), default=Verdict.INCONCLUSIVE)


def tripped(findings: Iterable[Finding]) -> Finding | None:
    """The first finding that fails: the reason to revert; None when there is none."""
    return next((finding for finding in findings if finding.verdict is Verdict.FAIL), None)
