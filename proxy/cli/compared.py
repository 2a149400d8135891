"""What a running pointsman says of its comparisons."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import msgspec

from proxy.cli.client import AdminClient, path
from proxy.cli.show import clock, duration
from proxy.compare import Summary
from proxy.errors import OperationRefused
from proxy.judge.gate import Gate
from proxy.steering.compared import View
from proxy.terms import Verdict


class Told(NamedTuple):
    """One comparison, and what stands beside its figures."""

    view: View

    @property
    def summary(self) -> Summary:
        return self.view.summary

    @property
    def gate(self) -> Gate:
        return self.view.gate

    def beside(self) -> dict[str, Any]:
        """All but the figures and the gate."""
        found: dict[str, Any] = msgspec.to_builtins(self.view)
        return {name: it for name, it in found.items() if name not in ("summary", "gate")}

    def running(self) -> str:
        """When it ran, in a sentence."""
        it = self.view
        words = f"{it.model} {it.version} beside {it.stable} since {clock(it.began)}"
        if it.gaps:
            apart = sum(gap.until - gap.since for gap in it.gaps)
            words += f", interrupted {len(it.gaps)} times ({duration(apart)} in all)"
        return words + (f"; its file: {it.error}" if it.error else "")


def comparisons(api: AdminClient, model: str, shadow: str) -> list[Told]:
    """Of one shadow, or of all.  Raises OperationRefused when there is none, Unreachable."""
    query = {"shadow": shadow} if shadow else None
    found = api.get(path("models", model, "compare"), query)
    if not found["comparisons"]:
        raise OperationRefused(
            f"nothing is compared for {model!r}: it needs a shadow in its split, and compare: in "
            "the config; a comparison that just began takes a moment"
        )
    return [Told(_view(it)) for it in found["comparisons"]]


def _view(found: dict[str, Any]) -> View:
    for finding in found["gate"]["findings"]:
        finding["verdict"] = Verdict[finding["verdict"].upper()].value
    return msgspec.json.decode(json.dumps(found), type=View)
