"""Whatever comes, a comparison goes on, and what it says can be written down."""

from __future__ import annotations

import json

import msgspec
from compare_answers import START, half, v2
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.compare import Comparison, DecisionRule, Kind, Options, ReadOptions, Summary
from proxy.compare.recorded import BadLine, recorded, request_id
from proxy.feedback import Label, Prediction
from proxy.judge.gate import Criteria, gate
from proxy.payload import Reading as Bodies
from proxy.report.comparison import document
from proxy.report.html import html
from proxy.report.markdown import markdown
from proxy.terms import Outcome, Pair

VALUES = (
    st.none()
    | st.booleans()
    | st.floats()
    | st.integers(-(2**70), 2**70)
    | st.just(10**400)
    | st.text(max_size=4)
)
ROWS = st.lists(st.recursive(VALUES, lambda it: st.lists(it, max_size=3), max_leaves=6), max_size=4)
BODIES = (
    st.binary(max_size=30)
    | st.builds(lambda rows: json.dumps({"predictions": rows}).encode(), ROWS)
    | st.builds(lambda p: json.dumps(v2(p)).encode(), st.floats(0, 1))
)
HALVES = st.builds(
    half,
    st.sampled_from(["1", "3", ""]),
    BODIES,
    st.sampled_from([0, 200, 200, 200, 204, 302, 422, 500]),
    st.floats(0, 1e5),
    st.sampled_from([None, *Outcome]),
    st.none() | st.integers(0, 10**7),
    st.sampled_from(["", "application/json", "text/event-stream"]),
    st.sampled_from(["", "gzip"]),
)
PAIRS = st.builds(
    Pair,
    st.text(max_size=3),
    st.just("m"),
    st.text(max_size=2),
    st.lists(st.sampled_from(["a=1", "a=2", "b=", "odd"]), max_size=3).map(tuple),
    st.floats(0, 4e9),
    HALVES,
    HALVES,
)
OPTIONS = st.builds(
    Options,
    read=st.builds(
        ReadOptions,
        st.sampled_from(list(Kind)),
        st.sampled_from(["open-inference-v2", "kserve-v1", "openai"]).map(Bodies),
    ),
    decision=st.sampled_from([DecisionRule(), DecisionRule(0.5), DecisionRule(positive=("1",))]),
    show_values=st.booleans(),
    small=st.just(2),
)


@settings(max_examples=60, deadline=None)
@given(OPTIONS, st.lists(PAIRS, max_size=12), st.lists(VALUES, max_size=4))
def test_nothing_that_comes_ends_a_comparison_or_its_report(options, pairs, values):
    made = Comparison(options, "m", "3")
    for it in pairs:
        made.add(it)
        made.add_noise(it)
    for it in values:
        one, two = (
            Prediction("r", "m", v, "stable", 0.0, True, "", ("a=1",), 0.0, it) for v in "13"
        )
        made.add_label(one, two, Label("e", "l", 1 if it is None else it, 0.0))
    found = made.summary(START)
    verdict = gate(Criteria(pairs=0, protected=("a",), ece=0.5, latency=1.0), found)
    made_of = document(found, verdict)
    assert html(made_of)
    assert markdown(made_of)
    assert msgspec.json.decode(msgspec.json.encode(found), type=Summary).pairs == found.pairs
    again = Comparison.restore(options, made.snapshot())
    assert again.snapshot() == made.snapshot()
    made.merge(again)
    assert made.counts.fidelity.pairs == 2 * len(pairs)


@given(
    st.binary(max_size=60)
    | st.dictionaries(
        st.sampled_from(["request_id", "prediction", "answer", "body", "body_base64", "error",
                         "status", "seconds", "segments", "at", "customer", "content_type"]),
        VALUES | st.dictionaries(st.text(max_size=2), VALUES, max_size=2),
        max_size=6,
    ).map(lambda it: json.dumps(it).encode())
)  # fmt: skip
def test_a_line_is_recorded_or_said_to_be_broken(line):
    found, said = taken(line)
    if found is None:
        assert "found" in said
    else:
        assert found.request_id == request_id(line)
        assert found.half.body_bytes == len(found.half.body)


def taken(line):
    try:
        return recorded(line, "1"), ""
    except BadLine as error:
        return None, str(error)
