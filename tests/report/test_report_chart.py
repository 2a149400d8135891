"""Charts: valid XML, nothing outside, no text on another, readable on light and on dark."""

from __future__ import annotations

import itertools
import math
import re
from typing import NamedTuple
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.report import Axis, Bound, Chart, Line, draw
from proxy.report.chart import WIDTH
from proxy.report.scale import ticks, writer

SVG = "{http://www.w3.org/2000/svg}"
NUMBER = st.floats(-1e9, 1e9)
POINTS = st.lists(st.tuples(NUMBER, st.floats()), max_size=30).map(sorted).map(tuple)
KINDS = st.sampled_from(["number", "duration", "percent"])


AXIS = Axis("an axis")


def one(*lines: Line, x: Axis = AXIS, y: Axis = AXIS, bounds: tuple[Bound, ...] = ()) -> Chart:
    return Chart("a chart", x, y, lines, bounds)


def parsed(*charts: Chart) -> ElementTree.Element:
    return ElementTree.fromstring(draw(charts, "A title", "What it shows"))


class Box(NamedTuple):
    left: float
    right: float
    top: float
    bottom: float
    text: str


def boxes(svg: ElementTree.Element) -> list[Box]:
    """Where each text stands, with characters on the wide side."""
    found = []
    for text in svg.iter(f"{SVG}text"):
        words = text.text or ""
        size = 16 if text.get("class") == "head" else 13
        wide = len(words) * size * 0.55
        x, y = float(text.get("x", "nan")), float(text.get("y", "nan"))
        left = x - {None: 0.0, "middle": wide / 2, "end": wide}[text.get("text-anchor")]
        found.append(Box(left, left + wide, y - size * 0.8, y + size * 0.2, words))
    return found


def numbers(path: str) -> list[tuple[float, float]]:
    """The places that a path goes to (M, L, H, V with absolute numbers)."""
    found, x, y = [], 0.0, 0.0
    for kind, words in re.findall(r"([MLHV])([-\d. ]+)", path):
        values = [float(word) for word in words.split()]
        if kind in "ML":
            x, y = values
        elif kind == "H":
            (x,) = values
        else:
            (y,) = values
        found.append((x, y))
    return found


def data_paths(svg: ElementTree.Element) -> list[list[tuple[float, float]]]:
    """Lines, without the keys of the legend."""
    paths = [it for it in svg.iter(f"{SVG}path") if re.fullmatch(r"c\d", it.get("class", ""))]
    return [numbers(it.get("d", "")) for it in paths if "h" not in it.get("d", "")]


@settings(max_examples=40)
@given(POINTS, POINTS, st.floats(-1e6, 1e6), KINDS, KINDS)
def test_whatever_the_data_nothing_is_outside_or_on_another(a, b, bound, across, up):
    chart = one(
        Line("first", a),
        Line("second, in steps", b, steps=True),
        x=Axis("time", across),
        y=Axis("value", up),
        bounds=(Bound("bound", bound),),
    )
    svg = parsed(chart, chart)
    height = float(svg.get("height", "nan"))
    for box in boxes(svg):
        assert box.left >= 0
        assert box.right <= WIDTH
        assert 0 <= box.top < box.bottom <= height
    for one_box, other in itertools.combinations(boxes(svg), 2):
        beside = one_box.right <= other.left or other.right <= one_box.left
        assert beside or one_box.bottom <= other.top or other.bottom <= one_box.top, (
            one_box,
            other,
        )
    for path in data_paths(svg):
        for x, y in path:
            assert 0 <= x <= WIDTH
            assert 0 <= y <= height


def test_it_says_in_words_what_it_shows():
    svg = parsed(one(Line("a", ((0, 0), (1, 1)))))
    labelled = svg.get("aria-labelledby", "").split()
    said = {it.get("id"): it.text for it in svg if it.tag in (f"{SVG}title", f"{SVG}desc")}
    assert [said[name] for name in labelled] == ["A title", "What it shows"]
    assert svg.get("role") == "img"


def test_names_from_elsewhere_are_only_text():
    evil = '</text><script>alert("1")</script>&'
    chart = Chart(evil, Axis(evil), Axis(evil), (Line(evil, ((0, 0),)),), (Bound(evil, 1),))
    svg = ElementTree.fromstring(draw([chart], evil, evil))
    assert not list(svg.iter(f"{SVG}script"))
    assert sum(it.text == evil for it in svg.iter(f"{SVG}text")) == 6


def test_two_pictures_in_one_page_share_no_name():
    first, second = (draw([one()], "t", "d", prefix=it) for it in ("one", "two"))
    for pattern in (r'id="([^"]+)"', r"\.([a-z]+) text"):
        assert not set(re.findall(pattern, first)) & set(re.findall(pattern, second))


def test_without_data_it_says_so():
    assert "no data" in draw([one(Line("empty", ()))], "t", "d")
    assert "no data" in draw([one(Line("odd", ((0.0, math.nan), (math.inf, 1.0))))], "t", "d")
    assert "no data" not in draw([one(Line("one", ((0.0, 1.0),)))], "t", "d")


def test_a_line_in_steps_has_no_slope():
    svg = parsed(one(Line("s", ((0, 0), (1, 5), (2, 5), (3, 1)), steps=True)))
    (path,) = data_paths(svg)
    for (x1, y1), (x2, y2) in itertools.pairwise(path):
        assert x1 == x2 or y1 == y2


def test_a_long_line_keeps_its_peak():
    points = tuple((float(k), 100.0 if k == 7777 else 0.0) for k in range(10_000))
    (path,) = data_paths(parsed(one(Line("long", points))))
    assert len(path) < 1000
    assert min(y for _, y in path) < max(y for _, y in path) - 100
    assert path[0][0] == pytest.approx(76, abs=1)
    assert path[-1][0] == pytest.approx(WIDTH - 32, abs=1)


def test_a_bound_is_where_its_value_is():
    svg = parsed(one(Line("l", ((0, 0), (1, 10))), bounds=(Bound("half", 5.0),)))
    (path,) = [it for it in svg.iter(f"{SVG}path") if it.get("data-bound")]
    (_, at), *_ = numbers(path.get("d", ""))
    (line,) = data_paths(svg)
    assert at == pytest.approx((line[0][1] + line[1][1]) / 2, abs=0.2)


def test_thirteen_lines_look_different_and_their_names_fit():
    lines = [Line(f"guardrail {k} [age_band=young]", ((0, k), (1, k))) for k in range(13)]
    svg = parsed(one(*lines))
    looks = [(it.get("class"), it.get("stroke-dasharray")) for it in svg.iter(f"{SVG}path")]
    mine = [look for look in looks if re.fullmatch(r"c\d", look[0] or "")]
    assert len(set(mine)) == 13
    assert all(box.right <= WIDTH for box in boxes(svg))


def test_a_name_too_long_is_cut():
    svg = draw([one(Line("n" * 500, ((0, 0),)))], "t", "d")
    assert "n\u2026" in svg
    assert "n" * 200 not in svg


# The scale.


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6), st.integers(2, 12), KINDS)
def test_ticks_are_round_even_and_inside(low, width, most, kind):
    found = ticks(low, low + width, most, kind)
    assert len(found) <= most
    assert all(low - 1e-6 * width <= it <= low + width * (1 + 1e-6) for it in found)
    gaps = [b - a for a, b in itertools.pairwise(found)]
    rounding = 4 * math.ulp(abs(low) + width)
    assert all(gap == pytest.approx(gaps[0], rel=1e-6, abs=rounding) for gap in gaps)
    texts = list(map(writer(found, kind), found))
    assert len(set(texts)) == len(texts)


@pytest.mark.parametrize(
    ("low", "high", "most", "kind", "said"),
    [
        (0.0, 1.0, 6, "percent", ["0 %", "20 %", "40 %", "60 %", "80 %", "100 %"]),
        (0.0, 0.01, 5, "percent", ["0.00 %", "0.25 %", "0.50 %", "0.75 %", "1.00 %"]),
        (-2.0, 2.0, 5, "number", ["\u22122", "\u22121", "0", "1", "2"]),
        (0.0, 7200.0, 5, "duration", ["0.0 h", "0.5 h", "1.0 h", "1.5 h", "2.0 h"]),
        (0.0, 50.0, 6, "duration", ["0 s", "10 s", "20 s", "30 s", "40 s", "50 s"]),
        (0.0, 3 * 86400.0, 4, "duration", ["0 d", "1 d", "2 d", "3 d"]),
        (0.001, 1000.0, 7, "log", ["0.001", "0.01", "0.1", "1", "10", "100", "1,000"]),
    ],
)
def test_what_is_written_at_the_ticks(low, high, most, kind, said):
    found = ticks(low, high, most, kind)
    assert list(map(writer(found, kind), found)) == said


def test_no_range_has_no_ticks():
    assert ticks(1.0, 1.0, 5) == ticks(2.0, 1.0, 5) == ticks(0.0, math.inf, 5) == []


# The colours.


def luminance(colour: str) -> float:
    parts = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    linear = [it / 12.92 if it <= 0.04045 else ((it + 0.055) / 1.055) ** 2.4 for it in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a: str, b: str) -> float:
    high, low = sorted((luminance(a), luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_lines_and_words_stand_out_on_light_and_on_dark():
    """WCAG 2.2: 3 to 1 for graphics, 4.5 to 1 for text."""
    light, dark = draw([one()], "t", "d").split("@media (prefers-color-scheme:dark)")
    for scheme in (light, dark):
        (back,) = re.findall(r"\.back\{fill:(#\w{6})", scheme)
        lines = re.findall(r"\.c\d\{stroke:(#\w{6})", scheme)
        texts = re.findall(r"(?:text|\.pale)\{fill:(#\w{6})", scheme)
        assert len(lines) == 6
        assert len(texts) == 2
        assert all(contrast(colour, back) >= 3.0 for colour in lines)
        assert all(contrast(colour, back) >= 4.5 for colour in texts)
