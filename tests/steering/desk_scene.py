"""A desk on a real history file, with a clock in the hand and workers that are only words."""

from __future__ import annotations

from pathlib import Path

from proxy.errors import StateError
from proxy.measure import ModelTally, Report, Tally, histogram
from proxy.routing.plan import Plan
from proxy.settings import Settings, parse
from proxy.steering import ReleaseDesk
from proxy.store import Entry, History

MODEL = """
  {name}:
    match: {{path_prefix: /{name}}}
    customer: {{header: X-Customer-Id}}
    segments: {{age: {{header: X-Age, values: [young, old]}}}}
    versions:
      "1": {{endpoints: [http://127.0.0.1:8001]}}
      "2": {{endpoints: [http://127.0.0.1:8002]}}
      "3": {{endpoints: [http://127.0.0.1:8003]}}
    split: {split}
    thresholds: {thresholds}
    guardrails: {guardrails}
    validation: {validation}
    {more}
"""

THRESHOLDS = (
    "{error_rate: {absolute: 0.2, window: 60s, min_requests: 10}, "
    "latency: {quantile: 0.5, absolute: 500ms, window: 60s, min_requests: 10}, "
    "consecutive_failures: 5}"
)


def split(stable: str = "1", canary: str | None = "3", percent: float = 5) -> str:
    """The split of one model, as it stands in a file."""
    trial = f', canary: {{version: "{canary}", percent: {percent}}}' if canary else ""
    return f'{{stable: "{stable}"{trial}, shadow: [{{version: "2", percent: 50}}]}}'


def settings(
    thresholds: str = THRESHOLDS,
    *,
    guardrails: str = "off",
    validation: str = "off",
    more: str = "",
    **models: str,
) -> Settings:
    """Settings of models given as name=split; without any, ``m`` with canary 3 at 5 %."""
    judged = {"thresholds": thresholds, "guardrails": guardrails, "validation": validation}
    text = "models:" + "".join(
        MODEL.format(name=name, split=written, more=more, **judged)
        for name, written in (models or {"m": split()}).items()
    )
    return parse(text, Path("pointsman.yaml"))


def tally(
    version: str = "3",
    arm: str = "canary",
    ok: int = 0,
    failed: int = 0,
    milliseconds: float = 10,
    streak: int = 0,
    model: str = "m",
    segment: str = "",
) -> Tally:
    outcomes = {"ok": ok, "upstream_5xx": failed}
    buckets = {histogram.bucket(int(milliseconds * 1e6)): ok + failed}
    return Tally(
        model=model,
        version=version,
        arm=arm,
        segment=segment,
        outcomes={name: n for name, n in outcomes.items() if n},
        first_byte=dict(buckets),
        total=dict(buckets),
        streak=streak,
        longest_streak=streak,
    )


def report(*tallies: Tally, models: tuple[ModelTally, ...] = ()) -> Report:
    return Report(seconds=0.25, tallies=list(tallies), models=list(models))


class Scene:
    """One state directory; desks come and go on it, the clock only goes on."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "history.jsonl"
        self.evidence: Path | None = None  # no evidence files
        self.now = 1_700_000_000.0
        self.published: list[Plan] = []
        self.histories: list[History] = []
        self.desk: ReleaseDesk

    def start(self, file: Settings | None = None, history: History | None = None) -> ReleaseDesk:
        """A desk that knows what the history file holds, and nothing else."""
        found = history or History(self.path)
        self.histories.append(found)
        self.desk = ReleaseDesk(
            file or settings(), found, self.published.append, lambda: self.now, self.evidence
        )
        return self.desk

    async def restart(self, file: Settings | None = None) -> ReleaseDesk:
        await self.desk.close()
        return self.start(file)

    def ticks(self, seconds: float = 0.1) -> None:
        self.now += seconds
        self.desk.tick()

    def fails(self, version: str = "3", failed: int = 10, worker: int = 0) -> None:
        """A worker reports failures of the canary, and the loop turns once."""
        self.desk.report(worker, report(tally(version, ok=2, failed=failed)))
        self.ticks()

    async def written(self) -> list[Entry]:
        """The history as it is once all is written."""
        await self.desk.close()
        return await self.desk.entries()

    async def events(self) -> list[str]:
        return [entry.event for entry in await self.written()]

    def canary(self, model: str = "m") -> str | None:
        """``version@percent`` of the canary in force."""
        return canary_of(self.desk.plan, model)

    def close(self) -> None:
        for history in self.histories:
            history.close()


def canary_of(plan: Plan, model: str = "m") -> str | None:
    found = next(it.canary for it in plan.models if it.name == model)
    return f"{found.version}@{found.percent:g}" if found else None


class BrokenDisk(History):
    """A history whose disk is full while ``full`` is set."""

    full = True

    def append_all(self, entries: object) -> list[Entry]:  # type: ignore[override]
        if self.full:
            raise StateError(f"{self.path}: cannot be written: No space left on device")
        return super().append_all(entries)  # type: ignore[arg-type]
