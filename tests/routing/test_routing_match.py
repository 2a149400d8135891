"""Matching: whole segments, longest prefix, host; and always what a plain search would find."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.routing import Table, place
from proxy.routing.plan import ModelPlan


def model(prefix: str, host: str | None = None) -> ModelPlan:
    return ModelPlan("m", prefix, "1", (), host=host)


def plain_search(models: list[ModelPlan], target: bytes, host: bytes) -> int | None:
    """What the rule says, one model after the other."""
    path = target.split(b"?")[0]
    bare = host.decode().lower().split(":")[0]
    best: tuple[int, bool, int] | None = None
    for index, candidate in enumerate(models):
        prefix = candidate.path_prefix.encode().removesuffix(b"/")
        if path != prefix and not path.startswith(prefix + b"/"):
            continue
        if candidate.host is not None and candidate.host.lower() != bare:
            continue
        rank = (len(prefix), candidate.host is not None, -index)
        if best is None or rank > best:
            best = rank
    return None if best is None else -best[2]


segments = st.sampled_from(["v2", "models", "credit", "credit-risk", "a", ""])
paths = st.lists(segments, max_size=5).map(lambda parts: "/" + "/".join(parts))
hosts = st.sampled_from(["a.example", "b.example", "A.Example", "c"])
models = st.lists(st.builds(model, paths, st.none() | hosts), max_size=8)
queries = st.sampled_from(["", "?", "?a=/v2/models", "?a=b?c"])
ports = st.sampled_from(["", ":80", ":8080"])
requests = st.lists(st.tuples(paths, queries, hosts | st.just(""), ports), max_size=10)


@given(models, requests)
def test_the_table_finds_what_a_plain_search_finds(
    plans: list[ModelPlan], asked: list[tuple[str, str, str, str]]
) -> None:
    table = Table(plans)
    for path, query, host, port in asked * 2:
        target, name = (path + query).encode(), (host + port).encode()
        assert table.find(target, name) == plain_search(plans, target, name)


@pytest.mark.parametrize(
    ("prefix", "target", "serves"),
    [
        ("/v2/models/credit", b"/v2/models/credit", True),
        ("/v2/models/credit", b"/v2/models/credit/infer", True),
        ("/v2/models/credit", b"/v2/models/credit?x=1", True),
        ("/v2/models/credit", b"/v2/models/credit/", True),
        ("/v2/models/credit", b"/v2/models/credit-risk/infer", False),
        ("/v2/models/credit", b"/v2/models/credi", False),
        ("/v2/models/credit", b"/v2/models/Credit", False),
        ("/v2/models/credit", b"/v2/models?x=/v2/models/credit", False),
        ("/v2/models/credit", b"//v2/models/credit", False),
        ("/v2/models/credit/", b"/v2/models/credit", True),
        ("/", b"/", True),
        ("/", b"/any/thing?x", True),
        ("/", b"*", False),
        ("/a-b", b"/a%2db", True),
        ("/a-b", b"/a%2Db/c", True),
        ("/a%2fb", b"/a%2Fb", True),
        ("/a/b", b"/a%2Fb", False),
        ("/a%zz", b"/a%zz", True),
        ("/cr\u00e9dit", b"/cr%c3%a9dit/infer", True),
        ("/a", b"http://h.example/a?x", True),
        ("/a", b"http://h.example/b", False),
        ("/", b"http://h.example", True),
        ("/", b"http://h.example?x", True),
        ("/a", b"/b://h/a", False),
    ],
)
def test_whole_segments(prefix: str, target: bytes, serves: bool) -> None:
    assert Table([model(prefix)]).find(target, b"") == (0 if serves else None)


@pytest.mark.parametrize(
    ("host", "seen", "serves"),
    [
        ("h.example", b"h.example", True),
        ("h.example", b"H.Example:8080", True),
        ("H.EXAMPLE:80", b"h.example", True),
        ("h.example", b"h.example.org", False),
        ("h.example", b"", False),
        ("[::1]", b"[::1]:8080", True),
        ("[::1]", b"[::2]:8080", False),
        ("h.example", b"[::1", False),
    ],
)
def test_hosts(host: str, seen: bytes, serves: bool) -> None:
    assert Table([model("/", host)]).find(b"/a", seen) == (0 if serves else None)


def test_the_authority_of_an_absolute_target_replaces_the_host_line() -> None:
    table = Table([model("/", "a.example"), model("/", "b.example")])
    assert table.find(b"http://user@B.example:80/x", b"a.example") == 1


def test_a_longer_prefix_beats_a_host_and_a_host_beats_none() -> None:
    table = Table([model("/a", "h"), model("/a"), model("/a/b")])
    assert table.find(b"/a/b/c", b"h") == 2
    assert table.find(b"/a/c", b"h") == 0
    assert table.find(b"/a/c", b"other") == 1


def test_the_first_of_two_in_the_same_place_wins() -> None:
    twins = [model("/a-b/", "H:1"), model("/a%2Db", "h")]
    assert place(twins[0]) == place(twins[1])
    assert Table(twins).find(b"/a-b", b"h") == 0


def test_an_empty_table_serves_nobody() -> None:
    assert Table([]).find(b"/a/b", b"h") is None


@pytest.mark.parametrize("host", [None, "h"])
def test_what_is_remembered_stays_bounded(host: str | None) -> None:
    table = Table([model("/a", host)])
    for number in range(10_000):
        assert table.find(b"/a/%d" % number, b"h") == 0
        assert table.find(b"/b/%d?q=%d" % (number, number), b"h") is None
    assert len(table._memo) <= 4096
    table.find(b"/a/" + b"x" * 8000, b"h")
    assert all(len(known) < 1000 for known in table._memo)


def test_many_models_and_a_path_of_slashes() -> None:
    table = Table([model(f"/v2/models/m{number}") for number in range(1000)])
    assert table.find(b"/v2/models/m617/infer", b"") == 617
    assert table.find(b"/" * 8000, b"") is None
