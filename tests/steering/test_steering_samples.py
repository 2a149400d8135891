"""The pump of samples: in without waiting, read in a thread, told to ledger and judge."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from proxy.feedback import Prediction
from proxy.judge import Evidence, Guardrail, Guardrails, Observation, Source, Trial
from proxy.quality import (
    Broken,
    ColumnRule,
    Examination,
    Options,
    Percents,
    QualityRules,
    SideRules,
    examine,
    takes,
)
from proxy.steering import samples
from proxy.steering.samples import Samples
from proxy.terms import Arm, Half, Outcome, Sample

RULES = QualityRules(
    SideRules({"age": ColumnRule(low=0, high=120)}),
    SideRules({"score": ColumnRule(low=0, high=1)}),
)
ALL = Examination(Percents(100, 100), rules=RULES, retention=60.0)


class Told:
    """A desk and a ledger that remember."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, Observation]] = []
        self.logged: list[Prediction] = []
        self.enough = asyncio.Event()

    def observe(self, model: str, seen: Sequence[Observation]) -> None:
        self.seen += [(model, it) for it in seen]

    def log(self, predictions: Sequence[Prediction]) -> None:
        self.logged += predictions
        if len(self.logged) >= 3 * samples.AT_ONCE:
            self.enough.set()


def columns(**values: float) -> bytes:
    tensors = [
        {"name": name, "shape": [1], "datatype": "FP64", "data": [value]}
        for name, value in values.items()
    ]
    return json.dumps({"inputs": tensors, "outputs": tensors}).encode()


def sample(
    age: float = 30,
    score: float = 0.5,
    *,
    arm: str = "canary",
    drawn: bool = True,
    model: str = "m",
    customer: str = "c1",
) -> Sample:
    asked, answered = columns(age=age), columns(score=score)
    answer = Half("3", Outcome.OK, 200, 0.01, answered, len(answered), "application/json")
    return Sample(
        request_id="r1",
        model=model,
        arm=arm,
        share=0.05,
        drawn=drawn,
        customer=customer,
        segments=("age=young",),
        at=1_700_000_000.0,
        request=asked,
        request_bytes=len(asked),
        request_type="application/json",
        answer=answer,
    )


def pump(examination: Examination = ALL) -> tuple[Samples, Told]:
    told = Told()
    return Samples(told, told.log, {"m": examination}), told


async def test_a_broken_input_and_a_broken_answer() -> None:
    made, told = pump()
    made.offer([sample(age=-1, score=7)])
    await made.read_some()
    assert [(model, it.source, it.name) for model, it in told.seen] == [
        ("m", Source.BAD_INPUT, "age.range"),
        ("m", Source.BAD_OUTPUT, "score.range"),
    ]
    first = told.seen[0][1]
    assert (first.arm, first.share, first.customer) == (Arm.CANARY, 0.05, "c1")
    assert first.segments == ("age=young",)
    (version,) = made.quality("m")
    assert (version.version, version.bad_input, version.bad_output) == ("3", 1, 1)


async def test_a_prediction_is_logged() -> None:
    made, told = pump()
    made.offer([sample(score=0.25)])
    await made.read_some()
    (logged,) = told.logged
    assert (logged.value, logged.version, logged.request_id) == (0.25, "3", "r1")
    assert told.seen == []
    assert made.read == 1


async def test_no_retention_logs_nothing_and_no_rules_check_nothing() -> None:
    made, told = pump(Examination(Percents(100, 100), rules=RULES))
    made.offer([sample(age=-1)])
    await made.read_some()
    assert (told.logged, len(told.seen)) == ([], 1)
    made, told = pump(Examination(Percents(100, 100), retention=60.0))
    made.offer([sample(age=-1)])
    await made.read_some()
    assert (len(told.logged), told.seen) == (1, [])


async def test_what_was_not_drawn_is_no_evidence() -> None:
    made, told = pump()
    made.offer([sample(age=-1, drawn=False), sample(age=-1, arm="shadow")])
    await made.read_some()
    assert told.seen == []
    assert made.quality("m")[0].bad_input == 2, "people see it all the same"


async def test_stables_answer_is_not_the_canarys_fault() -> None:
    made, told = pump()
    saved = msgspec.structs.replace(sample(age=-1, score=7), fallback=True)
    answer = msgspec.structs.replace(saved.answer, version="1")
    made.offer([msgspec.structs.replace(saved, answer=answer)])
    await made.read_some()
    assert [it.source for _, it in told.seen] == [Source.BAD_INPUT], "that is the caller's"
    (stable,) = made.quality("m")
    assert (stable.version, stable.bad_output) == ("1", 1), "people see whose answer it was"


async def test_who_is_looked_at_for_the_canarys_sake_alone_is_no_evidence() -> None:
    made, told = pump(Examination(Percents(100, 10, canary=True), rules=RULES))
    made.offer([sample(age=-1, customer=f"c{n}") for n in range(40)])
    await made.read_some()
    assert made.quality("m")[0].bad_input == 40, "people see all of them"
    assert 0 < len(told.seen) < 20, "a tenth, as of stable's"
    assert {it.share for _, it in told.seen} == {0.05}


@pytest.mark.parametrize("seed", range(5))
def test_customers_who_always_ask_badly_do_not_revert_a_healthy_canary(seed: int) -> None:
    """Those of stable's that nobody looked at come to the canary when its share grows."""
    rng = random.Random(seed)
    looked_at = Examination(Percents(100, 10, canary=True), rules=RULES)
    rules = (Guardrail("bad-inputs", Source.BAD_INPUT),)
    trial = Trial(Guardrails(rules, sample_ratio=None), "m", "3", "1", 0.0)
    points = {f"c{seed}-{n}": rng.random() for n in range(300)}
    bad = (Broken("age.range", "age", 0, "-1"),)
    for step, share in enumerate((0.05, 0.25, 0.5), 1):
        seen: list[Observation] = []
        for customer, point in points.items():
            asked = sample(arm="canary" if point < share else "stable", customer=customer)
            asked = msgspec.structs.replace(asked, share=share, at=float(step))
            examined = examine(asked, None, Options())
            if takes(looked_at.percents, "quality", asked):
                examined = msgspec.structs.replace(examined, bad_input=bad)
                seen += samples.observations(asked, examined, looked_at)
        trial.add(Evidence(float(step), "m", "3", "1", share, tuple(seen)))
    assert trial.failing(9.0) == ()
    assert trial.findings(9.0)[0].numbers["stable_events"] > 0


async def test_other_models_are_nobodys() -> None:
    made, told = pump()
    made.offer([sample(model="gone")])
    await made.read_some()
    assert (made.read, made.dropped, told.logged) == (0, 0, [])


async def test_it_is_bounded_by_number_and_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(samples, "MOST_WAITING", 3)
    made, told = pump()
    made.offer([sample()] * 5)
    assert made.dropped == 2
    await made.read_some()
    assert len(told.logged) == 3
    monkeypatch.setattr(samples, "MOST_BYTES", 2 * len(columns(age=1.0)) + 10)
    made.offer([sample()] * 5)
    assert made.dropped == 6
    await made.read_some()
    assert len(told.logged) == 4


async def test_a_model_that_leaves_while_its_samples_wait() -> None:
    made, told = pump()
    made.offer([sample(age=-1)])
    made.use({})
    await made.read_some()
    assert (told.seen, told.logged, made.quality("m")) == ([], [], ())


async def test_it_runs_until_it_is_cancelled() -> None:
    made, told = pump()
    task = asyncio.create_task(made.run())
    made.offer([sample()] * (samples.AT_ONCE * 3))
    await told.enough.wait()
    assert len(told.logged) == samples.AT_ONCE * 3
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_fault_of_ours_costs_some_and_not_all(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    made, told = pump()
    real, calls = samples.examine, []

    def faulty(*arguments: Any) -> Any:
        calls.append(arguments)
        if len(calls) == 1:
            raise ZeroDivisionError
        return real(*arguments)

    monkeypatch.setattr(samples, "examine", faulty)
    task = asyncio.create_task(made.run())
    made.offer([sample()] * (samples.AT_ONCE * 4))
    async with asyncio.timeout(10):
        await told.enough.wait()
    assert "samples: some were lost" in caplog.text
    task.cancel()
