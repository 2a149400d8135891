"""One exchange examined; whose exchanges are; the keeper of cases."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.payload import PROTOCOLS, PredictionOptions, Reading
from proxy.quality import (
    Casebook,
    ColumnRule,
    Options,
    Percents,
    QualityRules,
    SideRules,
    examine,
    fair,
    takes,
)
from proxy.terms import Half, Outcome, Sample

V2 = Options(Reading(names=("age", "amount")))
RULES = QualityRules(
    SideRules({"age": ColumnRule(low=18, high=100), "amount": ColumnRule(low=0)}),
    SideRules({"predict_proba": ColumnRule(shape=(2,), low=0, high=1)}),
)


def body(field: str, name: str, shape: list[int], data: list[Any]) -> bytes:
    tensor = {"name": name, "shape": shape, "datatype": "FP64", "data": data}
    return json.dumps({field: [tensor]}).encode()


GOOD = body("inputs", "x", [1, 2], [40, 10.5])
ANSWER = body("outputs", "predict_proba", [1, 2], [0.75, 0.25])


def sample(
    request: bytes = GOOD,
    answer: bytes = ANSWER,
    *,
    status: int = 200,
    outcome: Outcome = Outcome.OK,
    **more: Any,
) -> Sample:
    half = Half("2", outcome, status, 0.01, answer, len(answer), "application/json")
    base = Sample(
        "r1", "credit-risk", "canary", 0.05, True, "c0ffee", ("age_band=young",), 1000.0,
        request, len(request), "application/json", half,
    )  # fmt: skip
    return msgspec.structs.replace(base, **more)


def words(broken: tuple[Any, ...]) -> list[str]:
    return [it.rule for it in broken]


def test_a_good_exchange() -> None:
    found = examine(sample(), RULES, V2)
    assert (found.bad_input, found.bad_output, found.unread) == ((), (), ())
    logged = found.prediction
    assert (logged.value, logged.problem) == (0.25, "")
    assert (logged.request_id, logged.version, logged.arm, logged.share) == (
        "r1", "2", "canary", 0.05,
    )  # fmt: skip
    assert (logged.customer, logged.segments, logged.at) == ("c0ffee", ("age_band=young",), 1000.0)


def test_bad_inputs_and_outputs() -> None:
    request = body("inputs", "x", [2, 2], [17, -1, 16, 5])
    found = examine(sample(request, body("outputs", "predict_proba", [1, 2], [1.5, -1])), RULES, V2)
    assert words(found.bad_input) == ["age.range", "amount.range"]
    assert words(found.bad_output) == ["predict_proba.range"]


def test_another_width_is_another_schema() -> None:
    found = examine(sample(body("inputs", "x", [1, 3], [40, 1, 2])), RULES, V2)
    assert words(found.bad_input) == ["schema"]


def test_unreadable_bodies_break_a_rule_and_give_no_prediction() -> None:
    found = examine(sample(b"{", b"<html>"), RULES, V2)
    assert words(found.bad_input) == words(found.bad_output) == ["unreadable"]
    assert [(it.side, it.reason) for it in found.unread] == [
        ("request", "syntax"),
        ("answer", "syntax"),
    ]
    assert found.prediction.value is None
    assert found.prediction.problem.startswith("syntax")


def test_what_was_cut_or_is_not_read_here_breaks_nothing() -> None:
    cut = sample(request_bytes=10**6)
    cut = msgspec.structs.replace(cut, answer=msgspec.structs.replace(cut.answer, body_bytes=9999))
    found = examine(cut, RULES, V2)
    assert (found.bad_input, found.bad_output) == ((), ())
    assert [(it.side, it.reason) for it in found.unread] == [("request", "cut"), ("answer", "cut")]
    stream = msgspec.structs.replace(sample().answer, content_type="text/event-stream; charset=x")
    found = examine(msgspec.structs.replace(sample(), answer=stream), RULES, V2)
    assert (words(found.bad_output), found.unread[0].reason) == ([], "unsupported")


@pytest.mark.parametrize(
    ("status", "outcome", "problem"),
    [
        (500, Outcome.UPSTREAM_5XX, "status 500"),
        (422, Outcome.UPSTREAM_4XX, "status 422"),
        (0, Outcome.UPSTREAM_TIMEOUT, "no answer: upstream_timeout"),
        (200, Outcome.UPSTREAM_RESET, "broken answer: upstream_reset"),
        (204, Outcome.OK, "status 204"),
    ],
)
def test_an_answer_that_is_none_is_not_a_bad_output(
    status: int, outcome: Outcome, problem: str
) -> None:
    found = examine(sample(b"{", b"oops", status=status, outcome=outcome), RULES, V2)
    assert (words(found.bad_input), found.bad_output) == (["unreadable"], ())
    assert found.prediction.problem == problem


def test_a_question_without_a_body_is_left_alone() -> None:
    found = examine(sample(b"", b'{"ready": true}'), RULES, V2)
    assert (found.bad_input, found.bad_output) == ((), ())
    assert found.prediction.problem == "no request body"


@pytest.mark.parametrize(
    ("data", "value", "problem"),
    [
        ([0.1, 0.9, 0.2, 0.8], [0.9, 0.8], ""),
        ([0.1, None, 0.2, 0.8], None, "found null or NaN in a batch"),
        ([0, True, 1, False], [1.0, 0.0], ""),
    ],
)
def test_batches(data: list[Any], value: Any, problem: str) -> None:
    found = examine(sample(answer=body("outputs", "predict_proba", [2, 2], data)), None, V2)
    assert (found.prediction.value, found.prediction.problem) == (value, problem)


def test_the_output_that_is_asked_for() -> None:
    options = Options(V2.reading, PredictionOptions(output="label"))
    assert examine(sample(), None, options).prediction.problem.startswith("found no output 'label'")


@given(
    st.sampled_from(PROTOCOLS),
    st.binary(max_size=40) | st.sampled_from([GOOD, ANSWER, b'{"instances":[NaN]}']),
    st.binary(max_size=40) | st.sampled_from([ANSWER, b'{"predictions":[1e999,[]]}', b"1,2\n"]),
    st.sampled_from(["", "text/csv", "application/octet-stream"]),
    st.sampled_from(["", "gzip", "deflate"]),
)
def test_it_never_raises(protocol: Any, ask: bytes, answer: bytes, kind: str, coding: str) -> None:
    base = sample(ask, answer, request_type=kind, request_encoding=coding)
    half = msgspec.structs.replace(base.answer, content_type=kind, content_encoding=coding)
    found = examine(
        msgspec.structs.replace(base, answer=half), RULES, Options(Reading(protocol, ("a", "b")))
    )
    assert found.prediction.request_id == "r1"
    assert msgspec.json.encode(found)


def customers(percents: Percents, use: Any, arm: str) -> list[bool]:
    return [takes(percents, use, sample(arm=arm, customer=f"{at}")) for at in range(4000)]


@pytest.mark.parametrize(
    ("percents", "use", "arm", "part"),
    [
        (Percents(100, 10), "predictions", "stable", 1.0),
        (Percents(100, 10), "quality", "stable", 0.1),
        (Percents(100, 10, True), "quality", "canary", 1.0),
        (Percents(20, 10), "quality", "stable", 0.5),  # of the fifth that came up
        (Percents(20, 10, True), "predictions", "canary", 1.0),  # of the drawn ones
        (Percents(10, 40, True), "predictions", "canary", 0.25),
        (Percents(0, 10), "predictions", "stable", 0.0),
        (Percents(0, 10), "quality", "stable", 1.0),
        (Percents(0, 0), "quality", "stable", 0.0),
    ],
)
def test_each_use_takes_its_own_percent(
    percents: Percents, use: Any, arm: str, part: float
) -> None:
    taken = customers(percents, use, arm)
    assert sum(taken) / len(taken) == pytest.approx(part, abs=0.035 if 0 < part < 1 else 0)
    assert taken == customers(percents, use, arm), "sticky"


def test_what_came_up_for_qualitys_sake_alone_is_not_logged() -> None:
    percents = Percents(100, 10, True)
    assert not takes(percents, "predictions", sample(drawn=False))
    assert takes(percents, "quality", sample(drawn=False))
    assert takes(percents, "predictions", sample(drawn=False, arm="stable"))


@given(
    st.sampled_from([Percents(100, 10, True), Percents(20, 50, True), Percents(0, 10, True)]),
    st.text(max_size=8),
)
def test_who_is_evidence_is_so_in_either_arm(percents: Percents, customer: str) -> None:
    """The arm that is known by then must not decide whose bad event is seen at all."""
    ours, theirs = (sample(customer=customer, arm=arm) for arm in ("canary", "stable"))
    assert fair(percents, ours) == fair(percents, theirs) == takes(percents, "quality", theirs)
    assert not fair(percents, sample(customer=customer, drawn=False))


def test_who_named_nobody_is_drawn_by_the_request() -> None:
    percents = Percents(100, 50)
    drawn = {takes(percents, "quality", sample(customer="", arm="stable", request_id=f"{at}"))
             for at in range(50)}  # fmt: skip
    assert drawn == {True, False}


def test_the_casebook_counts_and_keeps_a_few() -> None:
    book = Casebook()
    young = body("inputs", "x", [1, 2], [17, 5])
    for at in range(10):
        one = sample(young, at=float(at), request_id=f"r{at}")
        book.add(one, examine(one, RULES, V2))
    book.add(sample(), examine(sample(), RULES, V2))
    book.add(sample(b"{"), examine(sample(b"{"), RULES, V2))
    (version,) = book.status()
    assert (version.version, version.exchanges, version.bad_input) == ("2", 12, 11)
    assert (version.bad_output, version.unread) == (0, {"request:syntax": 1})
    first, second = version.rules
    assert (first.kind, first.rule, first.exchanges) == ("bad_input", "age.range", 10)
    assert [it.request_id for it in first.last] == ["r7", "r8", "r9"]
    assert (second.rule, second.exchanges) == ("unreadable", 1)


@pytest.mark.parametrize(("one_in", "told"), [(20, False), (3, True)])
def test_inputs_that_are_missing_more_often_than_in_training(one_in: int, told: bool) -> None:
    rule = ColumnRule(missing=True, missing_share=0.05)
    rules = QualityRules(SideRules({"age": rule, "amount": rule}))
    book = Casebook()
    for at in range(300):
        value = None if at % one_in == 0 else 30
        one = sample(body("inputs", "x", [1, 2], [value, 1.5]))
        book.add(one, examine(one, rules, V2))
    (version,) = book.status(rules.inputs)
    assert (version.bad_input, [it.column for it in version.missing]) == (0, ["age"] * told)
    if told:
        assert version.missing[0].share == pytest.approx(1 / 3)
        assert (version.missing[0].expected, version.missing[0].rows) == (0.05, 300)


def test_the_casebook_is_bounded() -> None:
    book = Casebook()
    for at in range(200):
        half = msgspec.structs.replace(sample().answer, version=f"v{at}")
        one = msgspec.structs.replace(sample(), answer=half)
        book.add(one, examine(one, RULES, V2))
    assert len(book.status()) == 64
    assert book.status()[-1].version == "v199"
