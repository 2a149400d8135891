"""``/metrics``: documented, labelled, bounded, and valid to those who read it."""

from __future__ import annotations

import asyncio
import math
import re
import shutil
import subprocess
from itertools import product
from pathlib import Path

import pytest
from admin_world import Door, report
from feedback_world import Remembered
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from proxy.admin import exposition
from proxy.admin.document import LABELS, document
from proxy.admin.metrics import TABLE, Board
from proxy.admin.series import exposition_in_turns, fill
from proxy.measure import Report, Tally, histogram
from proxy.routing.plan import Plan
from proxy.steering import Feedback, evident

ROOT = Path(__file__).parents[2]
PROMTOOL = shutil.which("promtool")


def busy(door: Door) -> Door:
    """A desk of which every part has something to say."""
    door.desk.hello(0, 0, pid=4711)
    door.desk.hello(1, 0, pid=4712)
    for _ in range(3):
        door.desk.report(0, report())
    door.desk.report(1, report())
    door.desk.tick()
    return door


def noisy() -> Feedback:
    """Feedback of which every part has something to say."""
    feedback = Feedback(Remembered(), None, "", {}, Plan(0, ()), 0.0)  # type: ignore[arg-type]
    feedback.taken.update(product(("label", "kpi"), ("accepted", "duplicate")))
    feedback.taken["unread", "rejected"] = 2
    feedback.evidence.update(evident.RESULTS)
    feedback.joins, feedback.waited = 3, 4
    feedback.signals.counts["other", "note"] = 5
    return feedback


def families(door: Door) -> dict[str, Metric]:
    text = exposition(door.desk, noisy()).decode()
    return {family.name: family for family in text_string_to_metric_families(text)}


def value(door: Door, name: str, **labels: str) -> float:
    """The one sample of that name with these labels."""
    found = [
        sample.value
        for family in families(door).values()
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    ]
    assert len(found) == 1, (name, labels, found)
    return float(found[0])


#: What is only said while a canary runs, or somebody must be called: test_admin_judge.py.  What is
#: said of comparisons: test_admin_compare.py.
WITH_A_CANARY = {
    "pointsman_share_ratio",
    "pointsman_held",
    "pointsman_shifted",
    "pointsman_stable_down",
    "pointsman_revert_validation",
    "pointsman_guardrail_e_value",
    "pointsman_guardrail_needed",
    "pointsman_guardrail_verdict",
    "pointsman_trial_observations_total",
}


async def latched(door: Door) -> Door:
    await busy(door).desk.revert("credit-risk", "ada", "complaints")
    return door


def test_the_document_is_the_table() -> None:
    written = (ROOT / "docs" / "metrics.md").read_text()
    assert written == document(), "run: python -m proxy.admin.document > docs/metrics.md"


def test_every_row_is_named_and_labelled_as_the_house_does() -> None:
    names = [row.name for row in TABLE]
    assert len(set(names)) == len(names)
    for row in TABLE:
        assert re.fullmatch(r"pointsman_[a-z_]+", row.name)
        assert (row.kind == "counter") == row.name.endswith("_total")
        assert row.kind != "histogram" or row.name.endswith("_seconds")
        assert set(row.labels) <= set(LABELS)
        assert row.help.endswith(".")
        if "model" in row.labels:
            assert "arm" in row.labels


def test_the_names_that_others_build_on() -> None:
    """As fixed from the first day; a label may be added, never taken away."""
    promised = {
        "pointsman_requests_total": {"model", "version", "arm", "outcome"},
        "pointsman_request_seconds": {"model", "version", "arm"},
        "pointsman_first_byte_seconds": {"model", "version", "arm"},
        "pointsman_shadow_copies_total": {"model", "version", "result"},
        "pointsman_share_ratio": {"model", "version", "kind"},
        "pointsman_reverts_total": {"model", "reason"},
        "pointsman_plan_number": set(),
        "pointsman_desk_silence_seconds": set(),
    }
    table = {row.name: set(row.labels) for row in TABLE}
    for name, labels in promised.items():
        assert labels <= table[name]


def test_only_what_stands_in_the_table_can_be_said() -> None:
    with pytest.raises(KeyError):
        Board().add("pointsman_unheard_of", (), 1)


async def test_every_series_of_the_table_is_filled(door: Door) -> None:
    await latched(door)
    told = {sample.name for family in families(door).values() for sample in family.samples}
    for row in TABLE:
        name = f"{row.name}_count" if row.kind == "histogram" else row.name
        if row.name not in WITH_A_CANARY and not row.name.startswith("pointsman_compare_"):
            assert name in told, name


async def test_every_sample_has_the_documented_labels(door: Door) -> None:
    await latched(door)
    rows = {row.name: set(row.labels) for row in TABLE}
    for family in families(door).values():
        for sample in family.samples:
            base = sample.name
            if family.type == "histogram":
                base = re.sub(r"_(bucket|count|sum)$", "", base)
            assert set(sample.labels) - {"le"} == rows[base], sample
            assert family.documentation
            if "model" in sample.labels:
                assert sample.labels["arm"], sample


async def test_no_series_stands_twice(door: Door) -> None:
    await latched(door)
    seen = set()
    for family in families(door).values():
        for sample in family.samples:
            key = (sample.name, tuple(sorted(sample.labels.items())))
            assert key not in seen
            seen.add(key)


def test_counts_add_up_over_workers_and_reports(door: Door) -> None:
    busy(door)
    stable = {"model": "credit-risk", "version": "1", "arm": "stable"}
    canary = {"model": "credit-risk", "version": "2", "arm": "canary"}
    assert value(door, "pointsman_requests_total", **stable, outcome="ok") == 36
    assert value(door, "pointsman_requests_total", **canary, outcome="upstream_5xx") == 4
    assert value(door, "pointsman_request_bytes_total", **stable) == 400
    assert value(door, "pointsman_segment_requests_total", **stable, segment="age=young") == 16
    assert value(door, "pointsman_shadow_copies_total", version="3", result="sent") == 44
    assert value(door, "pointsman_shadow_pairs_total", version="3", status="differ") == 4
    assert value(door, "pointsman_fallbacks_total", reason="status_500") == 4
    assert value(door, "pointsman_refused_total", reason="two_lengths") == 12
    assert value(door, "pointsman_model_refused_total", reason="proxy_overload") == 20
    assert value(door, "pointsman_endpoint_ejected", version="3", arm="shadow") == 2
    assert value(door, "pointsman_worker_connections", worker="1") == 7


def test_the_share_is_asked_and_realised(door: Door) -> None:
    door.clock.now += 3600
    busy(door)
    assert value(door, "pointsman_share_ratio", kind="asked") == 0.05
    assert value(door, "pointsman_share_ratio", kind="by_customers") == pytest.approx(2 / 11)
    assert value(door, "pointsman_share_ratio", kind="by_requests") == pytest.approx(2 / 12)


async def test_a_revert_is_counted_and_latched(door: Door) -> None:
    await latched(door)
    assert value(door, "pointsman_reverts_total", reason="manual") == 1
    assert value(door, "pointsman_latched", version="2") == 1


def test_histograms_count_up_to_all(door: Door) -> None:
    busy(door)
    family = families(door)["pointsman_request_seconds"]
    series = [s for s in family.samples if s.labels["arm"] == "stable"]
    buckets = [(float(s.labels["le"]), s.value) for s in series if s.name.endswith("_bucket")]
    assert [le for le, _ in buckets] == [*histogram.BOUNDS, math.inf]
    counts = [count for _, count in buckets]
    assert counts == sorted(counts)
    by_name = {s.name: s.value for s in series if "le" not in s.labels}
    assert counts[-1] == by_name["pointsman_request_seconds_count"] == 40
    assert by_name["pointsman_request_seconds_sum"] == pytest.approx(4 * 0.065, rel=0.016)
    below_5_ms = next(count for le, count in buckets if le == pytest.approx(0.005, rel=0.05))
    assert below_5_ms in (12, 16)  # 2, 3, 4 ms, and 5 ms by which side of the edge it lies


def test_callers_cannot_grow_the_series(door: Door) -> None:
    busy(door)
    before = sum(len(family.samples) for family in families(door).values())
    for n in range(200):
        strange = [Tally("credit-risk", f"v{n}", "stable", "", {"ok": 1})]
        strange += [Tally(f"m{n}", "1", "stable", "", {"ok": 1})]
        door.desk.report(0, Report(0.25, tallies=strange))
    told = families(door)
    endpoints = {name for name in told if name.startswith("pointsman_endpoint")}
    after = sum(len(family.samples) for name, family in told.items() if name not in endpoints)
    assert after <= before
    assert value(door, "pointsman_counts_dropped_total", reason="unknown_version") == 400


def test_what_the_workers_dropped_is_counted(door: Door) -> None:
    for _ in range(2):
        report = Report(
            0.25, pairs_dropped=1, incidents_dropped=2, samples_dropped=3, log_dropped=4
        )
        door.desk.report(0, report)
    for what, n in (("pairs", 2), ("incidents", 4), ("samples", 6), ("log_lines", 8)):
        assert value(door, f"pointsman_{what}_dropped_total") == n


def test_a_version_that_left_the_config_leaves_the_metrics(door: Door) -> None:
    busy(door)
    text = door.config.read_text()
    lines = [line for line in text.splitlines() if '"3"' not in line]
    door.config.write_text("\n".join(lines) + "\n")
    door.desk.reload(door.load())
    for family in families(door).values():
        for sample in family.samples:
            if not sample.name.startswith("pointsman_endpoint"):
                assert sample.labels.get("version") != "3", sample


async def test_the_door_serves_it_as_text(door: Door) -> None:
    status, body, answer = await busy(door).ask("GET", "/metrics")
    assert status == 200
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert list(text_string_to_metric_families(body.decode()))


async def test_in_turns_it_says_the_same(door: Door) -> None:
    await latched(door)
    assert await exposition_in_turns(door.desk) == exposition(door.desk)


async def test_the_desk_goes_on_while_it_is_made(door: Door) -> None:
    """What is made in steps bears that versions, models and counts change between two of them."""
    await latched(door)
    made = Board()
    for turn, _ in enumerate(fill(made, door.desk)):
        if turn == 1:
            door.config.write_text(
                "models: {new: {match: {path_prefix: /}, split: {stable: a}, "
                "versions: {a: {endpoints: [http://127.0.0.1:1]}}}}"
            )
            door.desk.reload(door.load())
            door.desk.report(0, Report(0.25, tallies=[Tally("new", "a", "stable", "", {"ok": 1})]))
    told = list(text_string_to_metric_families(made.text().decode()))
    assert not [s for family in told for s in family.samples if s.labels.get("model") == "new"]
    assert value(door, "pointsman_requests_total", model="new") == 1


@given(
    st.tuples(st.text(), st.text(), st.text()),
    st.one_of(st.integers(0, 2**53), st.floats(allow_nan=False), st.booleans()),
    st.dictionaries(st.integers(histogram.FIRST, histogram.LAST), st.integers(1, 10**9)),
)
def test_the_text_is_what_prometheus_client_would_write(
    labels: tuple[str, str, str], value: float, buckets: dict[int, int]
) -> None:
    row = next(it for it in TABLE if it.name == "pointsman_request_seconds")
    made = Board()
    made.add("pointsman_request_bytes_total", labels, value)
    made.add_durations(row.name, labels, buckets)
    bounds = zip(
        (*map(str, histogram.BOUNDS), "+Inf"),
        (*histogram.cumulative(buckets), histogram.count(buckets)),
        strict=True,
    )
    durations = HistogramMetricFamily(row.name, row.help, labels=row.labels)
    durations.add_metric(labels, list(bounds), histogram.seconds(buckets))
    sent = CounterMetricFamily("pointsman_request_bytes", "", labels=row.labels)
    sent.add_metric(labels, value)
    registry = CollectorRegistry()
    for family in (durations, sent):
        registry.register(Fixed(family))
    assert samples(made.text()) == samples(generate_latest(registry))


class Fixed(Collector):
    """One family, as it is."""

    def __init__(self, family: Metric) -> None:
        self.family = family

    def collect(self) -> list[Metric]:
        return [self.family]


def samples(text: bytes) -> set[tuple[str, frozenset[tuple[str, str]], float]]:
    return {
        (sample.name, frozenset(sample.labels.items()), sample.value)
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


@pytest.mark.skipif(PROMTOOL is None, reason="promtool is not on PATH (Debian: prometheus)")
async def test_promtool_finds_nothing_to_say(door: Door) -> None:
    await latched(door)
    assert PROMTOOL is not None
    judged = await asyncio.to_thread(check_by_promtool, PROMTOOL, exposition(door.desk))
    assert judged.stdout + judged.stderr == b""
    assert judged.returncode == 0


def check_by_promtool(program: str, text: bytes) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [program, "check", "metrics"], input=text, capture_output=True, check=False, timeout=60
    )
