"""Reading keys: the value as bytes, or missing; never a guess."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote_plus, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.routing import CookieKey, HeaderKey, JsonKey, QueryKey, SegmentKey, reader
from proxy.routing.plan import KeySource, SegmentPlan


@pytest.mark.parametrize(
    ("values", "key"),
    [
        ([], None),
        ([b""], None),
        ([b"ada"], b"ada"),
        ([b"\xc3\xa9\xff"], b"\xc3\xa9\xff"),
        ([b"ada", b"ada"], b"ada"),
        ([b"ada", b"bob"], None),
        ([b"ada", b""], None),
        ([b"", b""], None),
        ([b"ada, bob"], b"ada, bob"),
    ],
)
def test_header(values: list[bytes], key: bytes | None) -> None:
    assert HeaderKey("X-Customer-Id").read(values) == key


def test_header_and_cookie_name_the_lines_they_need() -> None:
    assert HeaderKey("X-Customer-ID").line == b"x-customer-id"
    assert CookieKey("Id").line == b"cookie"


@pytest.mark.parametrize(
    ("values", "key"),
    [
        ([], None),
        ([b"id=7"], b"7"),
        ([b"a=1; id=7; b=2"], b"7"),
        ([b"a=1;id=7"], b"7"),
        ([b"a=1", b"id=7"], b"7"),
        ([b"id=7; id=7"], b"7"),
        ([b"id=7; id=8"], None),
        ([b"id=7", b"id=8"], None),
        ([b"id="], None),
        ([b"id"], None),
        ([b"ID=7"], None),
        ([b"xid=7; id2=8"], None),
        ([b"a=id=7"], None),
        ([b'id="7"'], b'"7"'),
        ([b"id=a=b "], b"a=b"),
        ([b";;; id=7;"], b"7"),
    ],
)
def test_cookie(values: list[bytes], key: bytes | None) -> None:
    assert CookieKey("id").read(values) == key


def test_a_cookie_name_is_no_pattern() -> None:
    assert CookieKey("a.b").read([b"axb=1"]) is None
    assert CookieKey("a.b").read([b"a.b=1"]) == b"1"


@pytest.mark.parametrize(
    ("target", "key"),
    [
        (b"/a", None),
        (b"/a?", None),
        (b"/a?id=7", b"7"),
        (b"/a?x=1&id=7&y", b"7"),
        (b"/a?i%64=7", b"7"),
        (b"/a?id=a%20b+c%2Bd", b"a b c+d"),
        (b"/a?id=%C3%A9", b"\xc3\xa9"),
        (b"/a?id=%zz", b"%zz"),
        (b"/a?id=", None),
        (b"/a?id", None),
        (b"/a?id=7&id=7", b"7"),
        (b"/a?id=7&id=%37", b"7"),
        (b"/a?id=7&id=8", None),
        (b"/a?ID=7", None),
        (b"/id=7", None),
        (b"/a?b=?id=7", None),
        (b"/a?id=7?8", b"7?8"),
    ],
)
def test_query(target: bytes, key: bytes | None) -> None:
    assert QueryKey("id").read(target) == key


@given(st.text(min_size=1, max_size=20), st.text(min_size=1, max_size=20))
def test_query_reads_what_a_form_writes(name: str, value: str) -> None:
    name, value = (text.encode("utf-8", "replace").decode() for text in (name, value))
    target = f"/a?x=1&{urlencode({name: value}, quote_via=quote_plus)}"
    if name != "x":
        assert QueryKey(name).read(target.encode()) == value.encode()


@pytest.mark.parametrize(
    ("pointer", "body", "key"),
    [
        ("/id", b'{"id": "ada"}', b"ada"),
        ("/id", b' {"x": [1, {"id": 2}], "id": 7} ', b"7"),
        ("/id", b'{"id": -0}', b"0"),
        ("/id", b'{"id": 123456789012345678901234567890}', b"123456789012345678901234567890"),
        ("/id", b'{"id": true}', b"true"),
        ("/id", b'{"id": false}', b"false"),
        ("/id", b'{"id": 0}', b"0"),
        ("/id", b'{"id": ""}', None),
        ("/id", b'{"id": null}', None),
        ("/id", b'{"id": 1.0}', None),
        ("/id", b'{"id": 1e3}', None),
        ("/id", b'{"id": {}}', None),
        ("/id", b'{"id": [1]}', None),
        ("/id", b"{}", None),
        ("/id", b"[1]", None),
        ("/id", b'"id"', None),
        ("/id", b"", None),
        ("/id", b'{"id": 7', None),
        ("/id", b'{"id": 7} x', None),
        ("/id", b'{"id": 7, "x": [1, }', None),
        ("/id", b'{"id": "\xff"}', None),
        ("/id", b'{"\xff": 7}', None),
        ("/id", b'{"id": "\\ud800"}', None),
        ("/id", b'{"id": NaN}', None),
        ("/id", b'{"id": ' + b"1" * 10_000 + b"}", None),
        ("/id", b"[" * 100_000, None),
        ("/id", b'{"id":' * 100_000, None),
        ("/id", b'{"id": "a", "id": "b"}', b"b"),
        ("/id", b'{"id": "\\u00e9\\n"}', b"\xc3\xa9\n"),
        ("", b'"ada"', b"ada"),
        ("", b"{}", None),
        ("/", b'{"": 7}', b"7"),
        ("/a~1b/m~0n", b'{"a/b": {"m~n": 7}}', b"7"),
        ("/~01", b'{"~1": 7}', b"7"),
        ("/value", b'{"value": 7}', b"7"),
        ("/inputs/0/data/1", b'{"inputs": [{"data": [5, "x"]}]}', b"x"),
        ("/inputs/0/data/2", b'{"inputs": [{"data": [5, "x"]}]}', None),
        ("/inputs/00", b'{"inputs": [5]}', None),
        ("/inputs/-", b'{"inputs": [5]}', None),
        ("/inputs/0", b'{"inputs": {"0": 5}}', b"5"),
        ("/inputs/00", b'{"inputs": {"00": 5}}', b"5"),
        ("/99999999999999999999", b"[1]", None),
    ],
)
def test_json(pointer: str, body: bytes, key: bytes | None) -> None:
    assert JsonKey(pointer).read(body) == key


@pytest.mark.parametrize("pointer", ["id", "#/id", "/a~", "/a~2", "/~~0"])
def test_a_broken_pointer_is_refused(pointer: str) -> None:
    with pytest.raises(ValueError, match="JSON pointer"):
        JsonKey(pointer)


scalars = st.booleans() | st.integers() | st.text(st.characters(codec="utf-8")) | st.none()
documents = st.recursive(
    scalars | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["a", "b", "0", "1", "~", "a/b", ""]), inner, max_size=4)
    ),
)
tokens = st.lists(st.sampled_from(["a", "b", "0", "1", "~", "a/b", ""]), max_size=3)


def walked(document: Any, path: list[str]) -> bytes | None:
    """RFC 6901 over decoded JSON."""
    for token in path:
        if isinstance(document, dict) and token in document:
            document = document[token]
        elif isinstance(document, list) and token in "01" and int(token or "9") < len(document):
            document = document[int(token)]
        else:
            return None
    if isinstance(document, bool):
        return str(document).lower().encode()
    return str(document).encode() or None if isinstance(document, int | str) else None


@given(documents, tokens)
def test_json_reads_what_a_walk_over_the_document_finds(document: Any, path: list[str]) -> None:
    pointer = "".join("/" + token.replace("~", "~0").replace("/", "~1") for token in path)
    assert JsonKey(pointer).read(json.dumps(document).encode()) == walked(document, path)


@given(st.binary(max_size=60))
def test_no_bytes_break_a_reader(junk: bytes) -> None:
    for read in (JsonKey("/a/0"), JsonKey(""), QueryKey("a")):
        key = read.read(junk)
        assert key is None or key
    for line in (HeaderKey("a"), CookieKey("a")):
        key = line.read([junk, junk])
        assert key is None or key


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        (KeySource("header", "X-Id"), HeaderKey),
        (KeySource("cookie", "id"), CookieKey),
        (KeySource("query", "id"), QueryKey),
        (KeySource("json", "/id"), JsonKey),
    ],
)
def test_a_reader_for_every_source(source: KeySource, kind: type) -> None:
    made = reader(source)
    assert type(made) is kind
    assert made.kind == source.kind


def test_segments_fold_to_a_bounded_set_of_labels() -> None:
    plan = SegmentPlan("age", KeySource("header", "X-Age"), ("young", "\u00e9"))
    segment = SegmentKey(plan)
    assert isinstance(segment.reader, HeaderKey)
    assert segment.label(b"young") == "age=young"
    assert segment.label("\u00e9".encode()) == "age=\u00e9"
    assert segment.label(b"Young") == "age=other"
    assert segment.label(b"\xff") == "age=other"
    assert segment.label(None) == "age=missing"
    assert segment.labels == ("age=young", "age=\u00e9", "age=other", "age=missing")
