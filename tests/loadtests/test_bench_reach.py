"""From figures to verdicts, tables, a picture and a record."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from io import StringIO
from pathlib import Path
from typing import cast

import pytest
from rich.console import Console

from loadtests.bench import alone, chart, options, record, rounds, stubs, table
from loadtests.bench.peers import Peer
from loadtests.bench.peers.haproxy import HAProxy
from loadtests.bench.peers.ours import Pointsman
from loadtests.bench.processes import Cores
from loadtests.bench.reach import AIMS, Aim, judge, judge_all
from loadtests.bench.rounds import Results, Session, turns, visited, visits
from loadtests.bench.spread import Verdict
from loadtests.bench.visits import Place, Visit
from loadtests.bench.works import GROUPS, QUICK_GROUPS, Contender, Measure, Work
from loadtests.bench.works import SPLIT as SPLIT_MEASURE

CORES = Cores(frozenset({1}), frozenset({0}))


def results(**figures: dict[str, list[float]]) -> Results:
    """Row to contender to the CPU microseconds of each round."""
    made = Results()
    for row, contenders in figures.items():
        for contender, values in contenders.items():
            for number, value in enumerate(values):
                made.add(row, contender, number, {"cpu_us": value, "p50_us": value, "per_s": 9})
    return made


SPLIT = results(
    split={"pointsman": [20, 21, 22], "nginx": [16, 16, 16], "envoy": [42, 60, 44]},
    steady={"direct": [80, 80, 90], "pointsman": [160, 150, 190], "envoy": [300, 280, 310]},
)


def test_every_aim_is_about_something_that_is_measured() -> None:
    rows = {measure.row for group in GROUPS for measure in group.measures}
    rows |= {alone.CUSTOMERS_ROW, alone.MEMORY_ROW}
    labels = {each.label for group in GROUPS for each in group.contenders}
    labels |= {alone.FEW_LABEL, alone.MANY_LABEL, ""}
    for aim in AIMS:
        assert {aim.row, aim.other_row or aim.row} <= rows, aim
        assert {aim.ours, aim.against} <= labels, aim
        assert aim.reach is not None or aim.stretch is not None, aim


def test_a_quick_run_measures_rows_of_the_full_one() -> None:
    full = {measure for group in GROUPS for measure in group.measures}
    assert {measure for group in QUICK_GROUPS for measure in group.measures} <= full


def test_reach_and_stretch_are_judged_apart() -> None:
    judged = judge(Aim("split", "split", "cpu_us", "envoy", 0.60, 0.49), SPLIT)
    assert judged.found is not None
    assert judged.found.median == pytest.approx(20 / 42)
    assert (judged.reach, judged.stretch) == (Verdict.HOLDS, Verdict.NOISE)
    missed = judge(Aim("split", "split", "cpu_us", "nginx", 1.2), SPLIT)
    assert (missed.reach, missed.stretch) == (Verdict.MISSED, None)


def test_a_bound_of_its_own_needs_nobody_else() -> None:
    made = Results()
    for number, value in enumerate((40.0, 41.0, 42.0)):
        made.add("memory", "pointsman", number, {"idle_mb": value})
    assert judge(Aim("idle", "memory", "idle_mb", reach=45), made).reach is Verdict.HOLDS


def test_what_was_not_measured_is_not_told() -> None:
    assert {each.aim.row for each in judge_all(SPLIT)} == {"split", "steady"}
    assert judge(AIMS[0], Results()).reach is Verdict.NOT_MEASURED


def test_each_has_each_place_in_turn() -> None:
    three = [Contender(name, name, Work()) for name in "abc"]
    orders = ["".join(each.label for each in turns(three, number)) for number in range(4)]
    assert orders == ["abc", "bca", "cab", "abc"]
    assert turns([], 1) == []


def test_who_cannot_do_a_work_is_left_out_with_the_reason() -> None:
    peers: dict[str, Peer] = {"pointsman": Pointsman(), "haproxy": HAProxy()}
    made = Results()
    mirror = next(group for group in GROUPS if group.name == "mirror")
    assert [each.label for each in visited(mirror, peers, made)] == ["pointsman"]
    assert "HAProxy has no mirror" in made.notes[0]
    assert visits([GROUPS[0]], peers, rounds=2) == 2 * 3  # direct is visited as well


def test_the_tables_say_it_all() -> None:
    out = StringIO()
    console = Console(file=out, width=160)
    table.show(console, GROUPS, SPLIT)
    table.show_reach(console, judge_all(SPLIT), ["a note"])
    said = out.getvalue()
    assert "21.0 (20.0-22.0)" in said
    assert "1.31 (1.25-1.38)" in said  # ours over nginx
    assert "80 (70-100)" in said  # added over direct
    assert "holds" in said
    assert "a note" in said


def test_a_ratio_that_may_be_one_is_marked() -> None:
    made = results(split={"pointsman": [10, 11, 12], "nginx": [11, 10, 12]})
    group = GROUPS[0]
    column = next(each for each in table.COLUMNS[group.measures[0].kind] if each.ratio)
    assert table.cell(group, "split", "nginx", column, made).endswith(table.NOISE)


def test_the_picture_is_one(tmp_path: Path) -> None:
    path = tmp_path / "picture.svg"
    chart.draw(SPLIT, path, "now & then")
    texts = [element.text for element in ET.parse(path).iter() if element.tag.endswith("text")]
    assert "now & then" in texts
    assert "21.0 µs (20.0 to 22.0)" in texts
    assert "Added at 3,000 requests/s, p50" in texts


def test_the_record_holds_every_repeat(tmp_path: Path) -> None:
    chosen = options.parse(["--rows", "split", "--rounds", "3"])
    content = record.whole(SPLIT, judge_all(SPLIT), {}, CORES, chosen.told(), None)
    kept = json.loads(record.keep(content, tmp_path).read_text())
    (row,) = (r for r in kept["results"] if (r["row"], r["contender"]) == ("split", "envoy"))
    assert row["figures"]["cpu_us"] == {"0": 42, "1": 60, "2": 44}
    assert kept["reach"][0]["reach"] in set(Verdict)
    assert kept["machine"]["proxy_on_cores"] == [1]
    assert {"kernel", "python", "python_optimised"} <= kept["machine"].keys()


@pytest.mark.parametrize(
    ("arguments", "built"),
    [
        ("'--enable-optimizations' '--with-lto'", {"pgo": True, "lto": True}),
        ("'--with-lto=no' '--enable-shared'", {"pgo": False, "lto": False}),
    ],
)
def test_how_this_python_was_built(arguments: str, built: dict[str, bool]) -> None:
    assert record.optimised(arguments) == built


def test_both_stubs_say_how_much_they_have_seen() -> None:
    nginx = "Active connections: 2 \nserver accepts handled requests\n 12 12 345 \nReading: 0\n"
    assert stubs.parse_seen(nginx) == 345
    assert stubs.parse_seen("678\n") == 678


def test_what_is_asked_for() -> None:
    full, quick = options.parse([]), options.parse(["--quick"])
    assert (full.rounds, full.alone, full.groups) == (5, True, GROUPS)
    assert (quick.rounds, quick.alone, quick.groups) == (3, False, QUICK_GROUPS)
    some = options.parse(["--rows", "alone", "mirror", "--peers", "envoy"])
    assert ([group.name for group in some.groups], some.alone) == (["mirror"], True)
    assert some.peers == ("envoy",)


@pytest.mark.parametrize("wrong", [["--rounds", "0"], ["--seconds", "nan"], ["--rows", "spilt"]])
def test_what_cannot_be_asked_for(wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as refused:
        options.parse(wrong)
    assert refused.value.code == 2
    assert wrong[1] in capsys.readouterr().err


class Scripted:
    """A visit on a machine that is as loud as ``others`` says, measure after measure."""

    def __init__(self, others: list[float]) -> None:
        self.others = others

    def take(self, measure: Measure, seconds: float) -> dict[str, float]:
        return {"others_cores": self.others.pop(0), "cpu_us": float(len(self.others))}


def quietest(others: list[float], retaken: int = 0) -> tuple[dict[str, float], int]:
    made = Results(retaken=retaken)
    session = Session({}, cast("Place", None), made, 1, 1.0, lambda said: None)
    return rounds.quietest(cast("Visit", Scripted(others)), SPLIT_MEASURE, session), made.retaken


@pytest.mark.parametrize(
    ("others", "kept", "retaken"),
    [
        ([0.02], 0.02, 0),
        ([0.5, 0.05], 0.05, 1),
        ([0.5, 0.3, 0.4], 0.3, 2),
    ],
)
def test_a_disturbed_measure_is_taken_again_and_the_quietest_kept(
    others: list[float], kept: float, retaken: int
) -> None:
    figures, again = quietest(others)
    assert (figures["others_cores"], again) == (kept, retaken)


def test_a_machine_that_is_never_quiet_brings_no_run_without_end() -> None:
    assert quietest([0.9], retaken=rounds.RETAKEN_IN_A_ROUND)[1] == rounds.RETAKEN_IN_A_ROUND
