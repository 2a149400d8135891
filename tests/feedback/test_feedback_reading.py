"""One item to one event: what is taken, and what is said of the rest."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.feedback import Fault, Forms, Item, Kpi, Label, Signal, hasher
from proxy.feedback.reading import LARGEST
from proxy.traffic import Plane

NOW = 1_790_000_000.0
KEY = "ab" * 32
LABEL = {"type": "label", "request_id": "r1", "name": "default", "value": 1}
KPI = {"type": "kpi", "model": "m", "customer": "4711", "name": "sales", "value": 2.5, "at": NOW}
SIGNAL = {"source": "fraud-desk", "summary": "chargebacks doubled"}


def forms(*kinds: str) -> Forms:
    names = kinds or ("label", "kpi")
    return Forms(NOW, ["m", "other"], hasher(KEY), names, "signal" if "signal" in names else "")


def read(found: object, *kinds: str) -> Item | Fault:
    return forms(*kinds).read(3, json.dumps(found).encode())


def event(found: object, *kinds: str) -> Any:
    one = read(found, *kinds)
    assert isinstance(one, Item), one
    return one.event


def problem(found: object, *kinds: str) -> str:
    one = read(found, *kinds)
    assert isinstance(one, Fault), one
    assert one.index == 3
    return one.problem


def test_a_label_by_request_id() -> None:
    found = event(LABEL | {"at": "2026-01-31T12:00:00.5Z", "event_id": "e1"})
    assert found == Label("e1", "default", 1.0, 1_769_860_800.5, "r1")


def test_a_label_by_customer_and_time() -> None:
    said = {"type": "label", "model": "m", "customer": "4711", "since": NOW - 60, "until": NOW}
    found = event(said | {"name": "default", "value": True})
    assert isinstance(found, Label)
    assert (found.model, found.since, found.until) == ("m", NOW - 60, NOW)
    assert found.value is True
    assert found.at == NOW
    assert found.customer == hasher(KEY)(b"4711")


def test_a_kpi_event_keeps_the_key_beside_it_and_never_in_it() -> None:
    one = read(KPI)
    assert isinstance(one, Item)
    assert one.key == b"4711"
    assert one.event == Kpi(
        one.event.event_id, "sales", 2.5, "m", hasher(KEY)(b"4711"), NOW
    )  # fmt: skip
    assert "4711" not in repr(one.event)


def test_a_customer_is_kept_under_the_name_that_the_data_plane_gives() -> None:
    plane = Plane(0)
    plane._hash_key = KEY.encode()[:64]
    assert plane.customer(b"4711", True) == hasher(KEY)(b"4711")


def test_a_customer_key_may_be_a_number() -> None:
    assert event(KPI | {"customer": 4711}).customer == event(KPI).customer


@pytest.mark.parametrize("base", [LABEL, KPI])
def test_a_repeat_has_the_same_id_and_another_event_another(base: dict[str, Any]) -> None:
    assert event(base).event_id == event(dict(reversed(base.items()))).event_id
    ids = {event(base | more).event_id for more in ({}, {"value": 7}, {"name": "x"})}
    assert len(ids) == 3
    assert event(base | {"event_id": "mine"}).event_id == "mine"


def test_the_same_time_written_in_two_ways_is_the_same() -> None:
    one = event(KPI | {"at": "2026-01-31T12:00:00+01:00"})
    assert one.event_id == event(KPI | {"at": "2026-01-31T11:00:00Z"}).event_id
    assert one.at == 1_769_857_200.0


def test_null_is_the_same_as_left_out() -> None:
    assert event(LABEL | {"model": None, "at": None}) == event(LABEL)


FUTURE = "at most 5 minutes in the future"


@pytest.mark.parametrize(
    ("wrong", "path", "found", "allowed"),
    [
        (LABEL | {"type": "lable"}, "type", '"lable"', '"label" or "kpi"'),
        ({"value": 1}, "type", "none", '"label" or "kpi"'),
        (LABEL | {"valeu": 1}, "valeu", "an unknown field", "one of type, event_id"),
        (LABEL | {"value": [1]}, "value", "[1]", "a finite number, true, false"),
        (LABEL | {"value": "x" * 201}, "value", '"xxx', "1 to 200 characters"),
        (LABEL | {"name": ""}, "name", '""', "1 to 128 printable"),
        (LABEL | {"name": "a\nb"}, "name", '"a\\nb"', "printable"),
        (LABEL | {"request_id": 7}, "request_id", "7", "a text of 1 to 200"),
        (LABEL | {"request_id": "x" * 201}, "request_id", "201 characters", "1 to 200"),
        (LABEL | {"customer": "c"}, "request_id", "it together", "request_id alone"),
        ({"type": "label", "name": "d", "value": 1}, "request_id", "neither", "a request_id"),
        (
            {"type": "label", "name": "d", "value": 1, "customer": "c"},
            *("model", "none", "an event with model"),
        ),
        (
            {"type": "label", "name": "d", "value": 1, "customer": "c", "model": "m"}
            | {"since": NOW, "until": NOW - 1},
            *("since", "a time after until", "before"),
        ),
        (KPI | {"value": "1"}, "value", '"1"', "a finite number"),
        (KPI | {"value": True}, "value", "true", "a finite number"),
        (KPI | {"model": "unknown"}, "model", '"unknown"', "a model of the config: m, other"),
        (KPI | {"customer": ""}, "customer", '""', "the customer key"),
        (KPI | {"customer": "x" * 1025}, "customer", "1025 bytes", "1 to 1024 bytes"),
        (KPI | {"customer": 1.5}, "customer", "1.5", "the customer key"),
        (KPI | {"at": NOW + 301}, "at", "1790000301", FUTURE),
        (KPI | {"at": NOW * 1000}, "at", "which looks like milliseconds", FUTURE),
        (KPI | {"at": 0}, "at", "0", "from the year 2000 on"),
        (KPI | {"at": "yesterday"}, "at", '"yesterday"', "RFC 3339"),
        (KPI | {"at": "2026-02-30T00:00:00Z"}, "at", "2026-02-30", "RFC 3339"),
        (KPI | {"at": "2026-01-31T00:00:00"}, "at", "2026-01-31", "RFC 3339"),
        (KPI | {"at": None}, "at", "neither it nor event_id", "a repeat looks like"),
        (7, "found 7", "", "an object"),
        ([LABEL], "found [{", "", "an object"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(
    wrong: object, path: str, found: str, allowed: str
) -> None:
    said = problem(wrong)
    assert said.startswith(path), said
    assert found in said, said
    assert allowed in said.partition("allowed is")[2], said


def test_times_a_little_ahead_are_taken() -> None:
    assert event(KPI | {"at": NOW + 299}).at == NOW + 299


def test_what_is_no_json_is_said() -> None:
    one = forms().read(0, b'{"type": "kpi", "value": NaN}')
    assert isinstance(one, Fault)
    assert "NaN is no number there" in one.problem
    large = forms().read(0, b'"' + b"x" * LARGEST + b'"')
    assert isinstance(large, Fault)
    assert f"allowed are {LARGEST}" in large.problem
    for broken in (b"", b"{", b"\xff", b'{"a": 1e999}', b"[" * 20_000, b'"\\ud800"'):
        assert isinstance(forms().read(0, broken), Fault)


CLOUD = {
    "specversion": "1.0",
    "id": "1",
    "source": "/crm",
    "type": "pointsman.label.v1",
    "time": "2026-01-31T12:00:00Z",
    "traceparent": "00-x",
    "data": {"request_id": "r1", "name": "default", "value": 0},
}


def test_a_cloud_event() -> None:
    found = event(CLOUD)
    assert (found.request_id, found.value, found.at) == ("r1", 0.0, 1_769_860_800.0)
    assert found.event_id == event(CLOUD | {"data": CLOUD["data"] | {"value": 1}}).event_id  # type: ignore[operator]
    assert found.event_id != event(CLOUD | {"source": "/erp"}).event_id
    assert found.event_id != event(CLOUD | {"id": "2"}).event_id


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"specversion": "0.3"}, 'specversion: found "0.3"; allowed is "1.0"'),
        ({"type": "com.example"}, 'type: found "com.example"; allowed is "pointsman.label.v1"'),
        ({"id": ""}, "id: found"),
        ({"data": "x"}, 'data: found "x"'),
        ({"data_base64": "eA=="}, "data: found data_base64"),
        ({"time": "x"}, 'time: found "x"'),
        ({"data": {"type": "kpi"}}, 'data.type: found "kpi"'),
        ({"data": {"request_id": "r", "name": "d", "value": None}}, "data.value: found none"),
        ({"data": {"foo": 1}}, "data.foo: found an unknown field"),
    ],
)
def test_what_is_wrong_with_a_cloud_event(more: dict[str, Any], said: str) -> None:
    assert problem(CLOUD | more).startswith(said)


def test_a_signal() -> None:
    found = event(SIGNAL | {"model": "m", "severity": "page", "resolved": True}, "signal")
    assert isinstance(found, Signal)
    assert (found.source, found.model, found.resolved, found.at) == ("fraud-desk", "m", True, NOW)
    assert "resolved: found 1" in problem(SIGNAL | {"resolved": 1}, "signal")
    assert "summary: found none" in problem({"source": "x"}, "signal")


def test_an_alarm_that_goes_off_again_is_another_event() -> None:
    later = Forms(NOW + 1, ["m"], hasher(KEY), ("signal",), "signal").read(
        0, json.dumps(SIGNAL).encode()
    )
    assert isinstance(later, Item)
    assert later.event.event_id != event(SIGNAL, "signal").event_id


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)
fields = (
    *("type", "event_id", "request_id", "model", "customer", "name", "value", "at", "since"),
    *("until", "specversion", "id", "source", "data", "time", "summary", "resolved"),
)
words = st.sampled_from(("label", "kpi", "signal", "m", "1.0", "pointsman.kpi.v1"))


@given(
    st.dictionaries(st.sampled_from(fields) | st.text(max_size=3), values | words)
    | values
    | st.fixed_dictionaries({key: st.just(it) | values for key, it in KPI.items()})
    | st.fixed_dictionaries({key: st.just(it) | values for key, it in CLOUD.items()})
)
def test_any_junk_is_an_event_or_a_fault(junk: object) -> None:
    for one in (forms(), forms("signal")):
        for found in (one.convert(1, junk), one.read(1, json.dumps(junk).encode())):
            assert isinstance(found, Item) or (found.problem and found.index == 1)


@given(st.binary(max_size=200))
def test_any_bytes_are_an_event_or_a_fault(raw: bytes) -> None:
    assert isinstance(forms().read(0, raw), Item | Fault)
