"""A body into its items: whole, in pieces, broken."""

from __future__ import annotations

import contextlib
import json
import time
import tracemalloc
from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.feedback import Broken, Document, Fault, Forms, Item, Lines, alertmanager, hasher
from proxy.feedback.bodies import TooMany, split

MOST = 250_000

EVENT = {"type": "kpi", "model": "m", "customer": "c", "name": "n", "value": 1, "at": 1.7e9}
plain = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=6,
)


def raws(items: Sequence[bytes | msgspec.Raw]) -> list[object]:
    return [json.loads(bytes(it)) for it in items]


@pytest.mark.parametrize(
    ("body", "items"),
    [
        (b'{"a": 1}', [{"a": 1}]),
        (b' [1, {"a": [2]}, "x"] ', [1, {"a": [2]}, "x"]),
        (b'{"events": [{"a": 1}, {"b": 2}]}', [{"a": 1}, {"b": 2}]),
        (b'\xef\xbb\xbf{"events": []}', []),
        (b"[]", []),
    ],
)
def test_a_document(body: bytes, items: list[object]) -> None:
    assert raws(split(body, "events", MOST)) == items


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "is empty"),
        (b"  ", "is empty"),
        (b"hello", "begins with b'hello'"),
        (b'{"events": 1}', "no list"),
        (b'{"events": [], "more": 1}', "Beside 'events' the body has more"),
        (b'[{"a": 1}', "before its last bracket"),
        (b'[{"a": NaN}', "before its last bracket"),
        (b'[{"a": NaN}] x', "goes on"),
        (b'{"events": [{"a": NaN}]', "} is missing"),
        (b'["a', "a text begins at byte 1"),
        (b'{"a": NaN}}', "goes on"),
        (b"[" + b'\\"' * 50_000 + b"]", "a text begins at byte"),
    ],
)
def test_a_body_whose_end_nobody_knows_is_refused(body: bytes, said: str) -> None:
    with pytest.raises(Broken, match=said.replace("}", r"\}")):
        split(body, "events", MOST)


def test_a_broken_item_costs_itself() -> None:
    body = b'{"events": [{"a": 1}, {"b": NaN, "t": "],}\\""}, tru, {"c": 2}]}'
    items = split(body, "events", MOST)
    assert [bytes(it) for it in items] == [
        b'{"a": 1}', b'{"b": NaN, "t": "],}\\""}', b"tru", b'{"c": 2}',
    ]  # fmt: skip


def test_one_object_that_is_broken_is_one_item() -> None:
    assert list(split(b'{"a": NaN}', "events", MOST)) == [b'{"a": NaN}']


@given(st.lists(plain, max_size=5), st.sampled_from([None, 0, 1]))
def test_by_hand_as_by_the_decoder(items: list[object], indent: int | None) -> None:
    """One item that is no JSON takes the slow way; the others come out the same."""
    good = json.dumps(items, indent=indent).encode()
    slow = (good[:-1] + (b",NaN]" if items else b"NaN]")) if good != b"[]" else b"[NaN]"
    assert raws(split(good, "events", MOST)) == items
    found = split(slow, "events", MOST)
    assert raws(found[:-1]) == items
    assert bytes(found[-1]) == b"NaN"


@given(st.binary(max_size=100) | st.text(alphabet='[]{},":\\ a1', max_size=60).map(str.encode))
def test_any_body_is_items_or_broken(body: bytes) -> None:
    with contextlib.suppress(Broken):
        assert len(split(body, "events", MOST)) <= len(body)


@given(st.lists(plain, max_size=6), st.lists(st.integers(1, 9)), st.sampled_from([b"\n", b"\r\n"]))
def test_lines_in_any_pieces(items: list[object], cuts: list[int], end: bytes) -> None:
    body = end.join(json.dumps(it).encode() for it in items)
    lines, found, at = Lines(MOST), [], 0
    for size in [*cuts, len(body)]:
        found += lines.feed(body[at : at + size])
        at += size
    found += lines.finish()
    assert [index for index, _ in found] == list(range(len(items)))
    assert raws([raw for _, raw in found]) == items


def test_empty_lines_count_and_are_let_be() -> None:
    lines = Lines(MOST)
    assert [index for index, _ in lines.feed(b"\n1\n \n2")] == [1]
    assert [index for index, _ in lines.finish()] == [3]


def test_a_document_in_pieces() -> None:
    document = Document("events", MOST)
    for piece in (b'{"eve', b'nts": [1,', b"2]}"):
        assert document.feed(piece) == ()
    assert [(index, bytes(raw)) for index, raw in document.finish()] == [(0, b"1"), (1, b"2")]


@pytest.mark.parametrize("broken", [0, 1])
def test_a_hundred_thousand_events_cost_little(broken: int) -> None:
    """Under 5 s of CPU, the slow way as well: a bound that only another order would break."""
    many = [EVENT | {"customer": str(it)} for it in range(100_000)]
    body = json.dumps({"events": many}).encode()
    body = body[:-2] + b", {NaN}]}" if broken else body
    began = time.process_time()
    forms = Forms(1.79e9, ["m"], hasher("k"))
    read = [forms.read(index, raw) for index, raw in enumerate(split(body, "events", MOST))]
    assert time.process_time() - began < 5.0
    assert sum(isinstance(it, Fault) for it in read) == broken
    assert len({it.event.event_id for it in read if isinstance(it, Item)}) == 100_000


HOOK = {
    "version": "4",
    "groupKey": "{}:{}",
    "truncatedAlerts": 0,
    "status": "firing",
    "receiver": "pointsman",
    "groupLabels": {},
    "commonLabels": {},
    "commonAnnotations": {},
    "externalURL": "http://alertmanager:9093",
    "alerts": [
        {
            "status": "firing",
            "labels": {"alertname": "Chargebacks", "model": "m", "severity": "page"},
            "annotations": {"summary": "chargebacks\ndoubled"},
            "startsAt": "2026-01-31T12:00:00.123456789Z",
            "endsAt": "0001-01-01T00:00:00Z",
            "generatorURL": "http://prometheus/graph",
            "fingerprint": "c0ffee",
        },
        {
            "status": "resolved",
            "labels": {"alertname": "Chargebacks", "version": "2"},
            "startsAt": "2026-01-31T12:00:00Z",
            "endsAt": "2026-01-31T13:00:00+00:00",
        },
    ],
}


def hook(**more: object) -> bytes:
    return json.dumps(HOOK | more).encode()


def alerts(body: bytes) -> list[Item | Fault]:
    return list(alertmanager.read(body, 1.79e9))


def test_a_webhook_of_alertmanager() -> None:
    assert alertmanager.is_webhook(hook())
    firing, resolved = (it.event for it in alerts(hook()) if isinstance(it, Item))
    assert firing.source == "alertmanager"
    assert (firing.model, firing.severity, firing.alarm) == ("m", "page", "c0ffee")
    assert (firing.summary, firing.resolved) == ("chargebacks doubled", False)
    assert firing.at == pytest.approx(1_769_860_800.123456)
    assert (resolved.resolved, resolved.alarm, resolved.version) == (True, "Chargebacks", "2")
    assert resolved.at == 1_769_864_400.0


def test_a_repeat_of_an_alert_is_the_same_event() -> None:
    ids = [[it.event.event_id for it in alerts(hook()) if isinstance(it, Item)] for _ in range(2)]
    assert ids[0] == ids[1]
    assert len(set(ids[0])) == 2


def test_what_is_wrong_with_an_alert_costs_that_alert() -> None:
    good = HOOK["alerts"][0]  # type: ignore[index]
    wrong = [
        good | {"status": "pending"},
        good | {"startsAt": "soon"},
        good | {"startsAt": "2099-01-01T00:00:00Z"},
        good | {"labels": []},
        7,
    ]
    found = alerts(hook(alerts=[*wrong, good]))
    assert [isinstance(it, Fault) for it in found] == [True] * 5 + [False]
    said = [it.problem for it in found if isinstance(it, Fault)]
    assert said[0] == 'alerts[0]: found status "pending"; allowed is "firing" or "resolved"'
    assert "RFC 3339" in said[1]
    assert "in the future" in said[2]


@pytest.mark.parametrize("more", [{"version": "3"}, {"alerts": 7}, {"version": None}])
def test_another_webhook_is_refused(more: dict[str, object]) -> None:
    with pytest.raises(Broken):
        alerts(hook(**more))


@given(plain)
def test_any_junk_for_an_alert_is_a_signal_or_a_fault(junk: object) -> None:
    (one,) = alerts(hook(alerts=[junk]))
    assert isinstance(one, Fault)


@pytest.mark.parametrize(
    "body",
    [
        b"[" + b"1," * 2_000_000 + b"1]",
        b'{"events": [' + b"{}," * 2_000_000 + b"{}]}",
        b"[" + b"1," * 1_000 + b"1]",
        b"[NaN" + b",NaN" * 1_000 + b"]",
    ],
)
def test_more_than_are_wanted_are_refused_before_they_are_made(body: bytes) -> None:
    """Millions of tiny items held the desk up for three seconds, and took a gigabyte."""
    tracemalloc.start()
    with pytest.raises(TooMany):
        split(body, "events", 1_000)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2 * len(body) + 1_000_000


def test_as_many_as_are_wanted_are_taken_either_way() -> None:
    assert len(split(b"[" + b"1," * 999 + b"1]", "events", 1_000)) == 1_000
    assert len(split(b"[" + b"1," * 998 + b"1,NaN]", "events", 1_000)) == 1_000
    large = b"[[" + b"1," * 1_000_000 + b"1]" + b",2" * 999 + b"]"
    assert len(split(large, "events", 1_000)) == 1_000


def test_too_many_lines_are_refused_before_they_are_made() -> None:
    with pytest.raises(TooMany):
        Lines(1_000).feed(b"\n" * 4_002)
    assert Lines(1_000).feed(b"\n" * 4_000) == []
