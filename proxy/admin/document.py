"""``docs/metrics.md``, made from the table of metrics.

``python -m proxy.admin.document > docs/metrics.md``; a test holds the two together.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Final

from proxy.admin import compared
from proxy.admin.metrics import TABLE
from proxy.judge import Source
from proxy.measure import histogram
from proxy.steering import evident, feedback, signals
from proxy.terms import CopyResult, Outcome


def _listed(words: Iterable[str]) -> str:
    return ", ".join(f"`{word}`" for word in words)


LABELS: Final = {
    "model": "the model's name in the config",
    "version": "the version's name in the config; of `pointsman_build_info`, that of pointsman",
    "arm": "`stable`, `canary`, `shadow`, or `noise`: copies for stable itself; `all` where a "
    "series is about no single arm, `none` where a version has no part in the split",
    "outcome": ", ".join(f"`{outcome}`" for outcome in Outcome),
    "segment": "`dimension=value`; the values in the config, `other` and `missing`",
    "result": f"of copies {_listed(CopyResult)}; of a validation `running`, `recovered`, "
    f"`not_recovered`, `inconclusive`; of feedback {_listed(feedback.RESULTS)}; of it as evidence "
    f"{_listed(evident.RESULTS)}",
    "guardrail": "the rule's name in the config, with `[dimension=value]` for a protected segment; "
    "`sample_ratio`",
    "status": "`agree`, `differ`, or `missing` when one side gave no answer",
    "kind": "of shares `asked`, `by_customers`, `by_requests`; of feedback `label`, `kpi`, or "
    "`unread` when it was rejected",
    "source": f"of observations {_listed(Source)}; of signals one that the config names, or "
    "`other`",
    "effect": _listed(signals.EFFECTS),
    "reason": "a fixed list: what was wrong with the request, why the canary's answer was not "
    "used, or which check tripped",
    "endpoint": "`host:port` or `unix:/path`, as in the config",
    "traffic": "`live`, or `shadow`: copies have connections of their own",
    "pair": f"{_listed(compared.PAIRS)}: what both versions refused alike is no difference; "
    "`passed_over` is sampled down, fairly by customer",
    "score": f"{_listed(compared.SCORES)} of probabilities",
    "verdict": _listed(compared.VERDICTS),
    "worker": "the worker's number, from 0",
}


def document() -> str:
    """The page, as Markdown."""
    lines = [
        "# Metrics",
        "",
        "`GET /metrics` on the admin address, in the text format of Prometheus.",
        "This page is made from the table in `proxy/admin/metrics.py`:",
        "`python -m proxy.admin.document > docs/metrics.md`.",
        "",
        "Counters begin at 0 when the desk starts (`pointsman_start_timestamp_seconds`) and add up",
        "over all workers; a worker that is replaced loses nothing that it had reported.",
        "What a version took part in is shown while the version stands in the config.",
        "",
        "| name | kind | labels | what it says |",
        "|---|---|---|---|",
    ]
    for row in TABLE:
        labels = ", ".join(f"`{label}`" for label in row.labels) or "none"
        lines.append(f"| `{row.name}` | {row.kind} | {labels} | {row.help} |")
    lines += ["", "## Labels", "", "| label | values |", "|---|---|"]
    lines += [f"| `{label}` | {values} |" for label, values in LABELS.items()]
    bounds = ", ".join(f"{bound:g}" for bound in histogram.BOUNDS)
    lines += [
        "",
        "## Histograms",
        "",
        f"`le` bounds in seconds, rounded here: {bounds}.",
        "Durations are kept in finer buckets whose edges these are, so the counts are exact;",
        "`_sum` is wrong by 1.6 % at most. Answered requests are those with the outcome `ok`,",
        "`upstream_4xx` or `upstream_5xx`.",
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.stdout.write(document())
