"""A comparison's report: the verdict first, one file, nothing from outside, nothing unescaped."""

from __future__ import annotations

import random
import xml.etree.ElementTree as ET
from html.parser import HTMLParser

import msgspec
import pytest

from proxy.compare import Comparison, DecisionRule, Kind, Options, ReadOptions, Worth
from proxy.feedback import Label, Prediction
from proxy.judge.gate import Criteria, Inferior, gate
from proxy.payload import Reading as Bodies
from proxy.report.comparison import document
from proxy.report.forest import Estimate, Forest, draw_forest
from proxy.report.html import html
from proxy.report.markdown import markdown
from proxy.terms import Half, Outcome, Pair

START = 1_700_000_000.0
EVIL = "<script>alert(1)</script>|*x*`"
VOID = {"meta", "br", "path", "rect", "circle", "link", "img"}


def half(version, body, status=200):
    made = msgspec.json.encode(body)
    outcome = Outcome.OK if status == 200 else Outcome.UPSTREAM_4XX
    return Half(version, outcome, status, 0.02, made, len(made))


def compared(kind=Kind.PROBABILITY, rows=None, n=600, values=True, labels=True):
    chance = random.Random(3)
    options = Options(
        read=ReadOptions(kind, Bodies("kserve-v1")),
        decision=DecisionRule(0.5, worth=Worth(100, -500))
        if kind is Kind.PROBABILITY
        else DecisionRule(),
        show_values=values,
        small=20,
    )
    made = Comparison(options, EVIL, "3")
    for k in range(n):
        segments = (f"age=\u00e9{k % 3}", f"{EVIL}={k % 2}")
        a, b, truth = rows(chance) if rows else (chance.random(), chance.random(), k % 2)
        one, two = half("1", {"predictions": [a]}), half("3", {"predictions": [b]})
        at = START + 60 * k
        made.add(Pair(f"{EVIL}{k}", "m", f"c{k}", segments, at, one, two))
        if k < 120:
            made.add_noise(Pair(f"n{k}", "m", "", (), at, one, one))
        if labels:
            p, q = (
                Prediction("r", "m", v, "stable", 0.0, True, "", segments, at, x)
                for v, x in (("1", a), ("3", b))
            )
            made.add_label(p, q, Label(f"e{k}", "l", truth, at))
    made.add(Pair("bad", "m", "", (), START, half("1", {"predictions": [0.5]}), half("3", {}, 422)))
    made.tell({"sent": n, "dropped_queue": 3}, {"": n, "age=\u00e90": n // 3}, 2)
    return made.summary(START)


CASES = {
    "scores": compared(),
    "bare": compared(labels=False, values=False),
    "classes": compared(
        Kind.CLASS, lambda c: (c.choice("ab"), c.choice("ab"), c.choice("ab")), n=200
    ),
    "numbers": compared(Kind.NUMBER, lambda c: (c.random(), c.random() + 1, c.random()), n=200),
    "documents": compared(
        Kind.DOCUMENT, lambda c: ({EVIL: c.random()}, {EVIL: 2}, 0), n=30, labels=False
    ),
    "texts": compared(Kind.TEXT, lambda c: (EVIL, EVIL + "x", 0), n=30, labels=False),
    "nothing": Comparison(Options(), "m", "3").summary(START),
}
CRITERIA = Criteria(protected=("age",), ece=0.1, inferior=Inferior(), latency=2.0)


@pytest.fixture(params=list(CASES))
def summary(request):
    return CASES[request.param]


class Page(HTMLParser):
    def __init__(self):
        super().__init__()
        self.open, self.tags, self.wrong, self.links = [], set(), [], []

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.links += [v for k, v in attrs if k in ("src", "href") and not v.startswith("#")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in VOID and (not self.open or self.open.pop() != tag):
            self.wrong.append(tag)


def test_a_page_is_whole_and_asks_nobody(summary):
    text = html(document(summary, gate(CRITERIA, summary)))
    page = Page()
    page.feed(text)
    assert (page.wrong, page.open, page.links) == ([], [], [])
    assert not page.tags & {"script", "link", "img", "iframe"}
    assert "http://" not in text.replace("http://www.w3.org/2000/svg", "")
    assert "https://" not in text
    assert "url(" not in text
    assert "prefers-color-scheme:dark" in text
    assert "@media print" in text


def test_nothing_from_outside_is_taken_for_markup(summary):
    made = document(summary, gate(CRITERIA, summary))
    assert EVIL not in html(made)
    assert "<script>" not in markdown(made).replace("\\<", "")


def test_the_verdict_comes_first_then_the_fidelity(summary):
    found = gate(CRITERIA, summary)
    made = document(summary, found)
    assert made.verdict.text == found.sentence
    assert [it.title for it in made.sections[:2]] == ["Verdict", "Fidelity"]
    lines = markdown(made).splitlines()
    assert lines[0].startswith("# ")
    assert lines[2].startswith(("**FAIL.**", "**PASS.**", "**INCONCLUSIVE.**"))


def test_ids_are_there_once(summary):
    text = html(document(summary))
    ids = [it.split('"')[0] for it in text.split(' id="')[1:]]
    assert len(ids) == len(set(ids))


def test_pictures_are_well_formed():
    text = html(document(CASES["scores"]))
    pictures = [f"<svg{it.split('</svg>')[0]}</svg>" for it in text.split("<svg")[1:]]
    assert len(pictures) >= 6
    for it in pictures:
        assert ET.fromstring(it).tag.endswith("svg")


def titles(name):
    return [it.title for it in document(CASES[name]).sections]


def test_what_is_known_is_told_and_no_more():
    assert titles("scores") == [
        "Fidelity", "Agreement", "Predictions", "Decisions", "With labels", "Segments",
        "The shadow itself", "Examples",
    ]  # fmt: skip
    assert "With labels" not in titles("bare")
    assert "Classes" in titles("classes")
    assert titles("nothing") == ["Fidelity"]


def test_values_are_shown_only_where_they_are_kept():
    shown, hidden = (markdown(document(CASES[it])) for it in ("scores", "bare"))
    assert "Predicted values are not kept" in hidden
    assert "Predicted values are not kept" not in shown


def test_without_a_gate_poor_fidelity_is_the_first_line():
    made = document(CASES["nothing"])
    assert "fidelity is poor" in made.verdict.text
    assert "not one pair" in made.verdict.text


def test_a_forest_marks_by_shape_as_well():
    rows = (Estimate("a<b", 0.1, 0.05, 0.15, "0.1", True), Estimate("c", 0.0, -1e300, 0.1))
    text = draw_forest(Forest("t", "x", rows, allowed=(-0.1, 0.1)), "words", "f")
    assert ET.fromstring(text).tag.endswith("svg")
    assert 'class="far"' in text
    assert "<circle" in text
    assert "a&lt;b" in text
    assert "no data" in draw_forest(Forest("t", "x", ()), "words", "f")
