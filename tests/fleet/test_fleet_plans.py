"""What a worker reads of the desk's words is what the desk said, whatever it knew before."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.fleet import messages as m
from proxy.fleet.framing import HEAD, frame
from proxy.fleet.plans import DownDecoder, PlanWriter
from proxy.routing.plan import AccessLog, CanaryPlan, Endpoint, ModelPlan, Plan, VersionPlan
from proxy.terms import Latch

LATCH = Latch("a", "2", "error_rate", "12 of 50 failed", {"rate": 0.24}, 1.0, "pointsman")


def model(name: str, percent: float | None) -> ModelPlan:
    canary = None if percent is None else CanaryPlan("2", percent)
    versions = tuple(VersionPlan(v, (Endpoint("127.0.0.1", 1),)) for v in "12")
    return ModelPlan(name, f"/{name}", "1", versions, canary=canary)


def read(decoder: DownDecoder, message: m.Down) -> m.Down:
    return decoder.decode(frame(message)[HEAD:])


models = st.dictionaries(
    st.sampled_from("abcd"), st.one_of(st.none(), st.sampled_from([1.0, 50.0]))
).map(lambda named: tuple(model(*one) for one in named.items()))
plans = st.builds(
    Plan,
    st.integers(0, 99),
    models,
    access_log=st.one_of(st.none(), st.just(AccessLog(5.0))),
    latches=st.sampled_from([(), (LATCH,)]),
)


@given(st.lists(st.one_of(st.builds(m.PlanMessage, plans), st.just(m.Heartbeat()))))
def test_every_message_reads_as_it_was_written(said: list[m.Down]) -> None:
    decoder = DownDecoder()
    assert [read(decoder, message) for message in said] == said


def test_a_model_that_has_not_changed_is_the_same_object() -> None:
    decoder = DownDecoder()
    first = read(decoder, m.PlanMessage(Plan(1, (model("a", 50.0), model("b", 50.0)))))
    second = read(decoder, m.PlanMessage(Plan(2, (model("b", 50.0), model("a", None)))))
    assert isinstance(first, m.PlanMessage)
    assert isinstance(second, m.PlanMessage)
    assert second.plan.models[0] is first.plan.models[1]
    assert second.plan.models[1].canary is None


@pytest.mark.parametrize("broken", [b"", b"\xc1", msgspec.msgpack.encode({"type": "hello"})])
def test_other_words_are_refused(broken: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        DownDecoder().decode(broken)


def test_a_plan_with_a_broken_model_is_refused() -> None:
    words = msgspec.to_builtins(m.PlanMessage(Plan(1, (model("a", 1.0),))))
    words["plan"]["models"][0]["name"] = 7
    with pytest.raises(msgspec.DecodeError):
        DownDecoder().decode(msgspec.msgpack.encode(words))


@given(st.lists(st.lists(st.integers(0, 5), max_size=6), min_size=1, max_size=5))
def test_what_is_written_is_what_would_be_encoded_anew(chosen: list[list[int]]) -> None:
    """Whatever models come, go and come again, as the same objects or as equal ones."""
    writer = PlanWriter()
    shared = [model(name, percent) for name in "abc" for percent in (None, 5.0)]
    for number, places in enumerate(chosen):
        models = tuple(shared[at] if at % 2 else model("ab"[at > 2], 5.0) for at in places)
        plan = Plan(number, models, hash_key="k", latches=(LATCH,))
        assert frame(writer.message(plan)) == frame(m.PlanMessage(plan))
        assert frame(writer.kept(plan, b"models: {}", 3.0)) == frame(
            m.Kept(plan, b"models: {}", 3.0)
        )
