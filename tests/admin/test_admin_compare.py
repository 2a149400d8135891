"""What shadows' comparisons say over the admin address: the API, metrics, the status."""

from __future__ import annotations

import json
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from admin_world import CONFIG, SECRET
from prometheus_client.parser import text_string_to_metric_families

from proxy.admin import build, serve
from proxy.admin.metrics import TABLE
from proxy.feedback import Label, Prediction
from proxy.measure import Report
from proxy.measure.tally import ModelTally
from proxy.net import Tasks
from proxy.settings import comparisons, load
from proxy.steering import Comparisons, ReleaseDesk
from proxy.store import History
from proxy.store.comparisons import ComparisonFiles
from proxy.store.ledger import Joined
from proxy.terms import Half, Outcome, Pair

COMPARE = """\
    predictions: {index: -1}
    compare: {gate: {pairs: 100, protected: [age]}}
"""
#: Of TABLE, those that tell of comparisons.
ROWS = {row.name for row in TABLE if row.name.startswith("pointsman_compare_")}


class Place:
    def __init__(self, url: str, comparing: Comparisons, logged: list[Prediction]) -> None:
        self.url, self.comparing, self.logged = url, comparing, logged

    async def get(self, path: str) -> tuple[int, Any]:
        async with aiohttp.ClientSession() as session, session.get(self.url + path) as answer:
            raw = await answer.read()
            return answer.status, json.loads(raw) if "json" in answer.content_type else raw


@pytest.fixture
async def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Place]:
    monkeypatch.setenv("TESTERS_SECRET", SECRET)
    config = tmp_path / "pointsman.yaml"
    config.write_text(CONFIG.replace("    guardrails:\n", COMPARE + "    guardrails:\n", 1))
    settings = load(config)
    history = History(tmp_path / "history.jsonl")
    desk = ReleaseDesk(settings, history, lambda _plan: None)
    logged: list[Prediction] = []
    comparing = Comparisons(
        comparisons(settings), desk.plan, ComparisonFiles(tmp_path), logged.extend,
        lambda _joined: None,
    )  # fmt: skip
    desk.reported, desk.compared = comparing.offer, comparing.of
    sock = socket.create_server(("127.0.0.1", 0))
    runner = await serve(build(desk, comparisons=comparing), sock)
    tasks = Tasks()
    await comparing.turn()
    task = tasks.start(comparing.run(), "comparisons")
    desk.report(0, report())
    yield Place(f"http://127.0.0.1:{sock.getsockname()[1]}", comparing, logged)
    comparing.stop()
    await task
    await runner.cleanup()
    await desk.close()
    history.close()


def half(version: str, score: float) -> Half:
    outputs = [{"name": "s", "shape": [1], "datatype": "FP64", "data": [score]}]
    body = json.dumps({"outputs": outputs}).encode()
    return Half(version, Outcome.OK, 200, 0.01, body, len(body), "application/json")


def report() -> Report:
    name = "credit-risk"
    pairs = [
        Pair(f"r{k}", name, f"c{k}", ("age=young",), 1e9, half("1", k / 400), half(other, k / 400))
        for k in range(200)
        for other in ("3", "1")
    ]
    copies = {"3": {"sent": 210, "dropped_queue": 1}, "1": {"sent": 200}}
    return Report(
        0.25, pairs=pairs, models=[ModelTally(name, copies=copies, pairs_dropped={"3": 10})]
    )


async def labelled(place: Place) -> None:
    """Everything was read, and every request has its truth."""
    while len(place.logged) < 200:
        await place.get("/v1/models/credit-risk/compare")
    place.comparing.label(
        [
            Joined(k, Label(f"e{k}", "default", int(k % 3 == 0), 2e9, made.request_id), made)
            for k, made in enumerate(place.logged)
        ]
    )
    for running in place.comparing.all():
        running.began = 0.0
    await place.comparing.room()


async def test_the_summary_and_the_gate_of_a_shadow(place: Place) -> None:
    one: dict[str, Any] = {}
    while not one or one["summary"]["pairs"] < 200:
        status, found = await place.get("/v1/models/credit-risk/compare?shadow=3")
        (one,) = found["comparisons"]
    assert (status, found["model"], one["version"], one["stable"]) == (200, "credit-risk", "3", "1")
    assert (one["summary"]["pairs"], one["summary"]["noise"]["pairs"]) == (200, 200)
    assert one["summary"]["fidelity"]["dropped"] == {"dropped_queue": 1, "pair_dropped": 10}
    assert one["gate"]["verdict"] == "inconclusive"
    assert one["gate"]["findings"][0]["verdict"] in ("pass", "inconclusive")


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("credit-risk/compare?shadow=9", 404, "there are: 3"),
        ("other/compare?shadow=3", 404, "there are: none"),
        ("nobody/compare", 404, "There is no model"),
        ("credit-risk/compare?version=3", 400, "takes the parameters shadow"),
    ],
)
async def test_what_is_not_there_is_said(place: Place, path: str, status: int, words: str) -> None:
    found = await place.get(f"/v1/models/{path}")
    assert (found[0], words in found[1]["detail"]) == (status, True), found


async def test_a_model_that_compares_nothing_has_no_comparisons(place: Place) -> None:
    assert (await place.get("/v1/models/other/compare"))[1]["comparisons"] == []


async def test_every_series_of_comparisons_is_filled_and_labelled(place: Place) -> None:
    await labelled(place)
    samples: list[Any] = []
    while not any(it.labels.get("score") for it in samples):
        await place.get("/v1/models/credit-risk/compare")
        raw = (await place.get("/metrics"))[1].decode()
        families = text_string_to_metric_families(raw)
        samples = [it for family in families for it in family.samples]
    compared = [it for it in samples if it.name in ROWS]
    assert {it.name for it in compared} == ROWS
    rows = {row.name: set(row.labels) for row in TABLE}
    for it in compared:
        assert set(it.labels) == rows[it.name]
    noise = [it for it in samples if it.labels.get("arm") == "noise"]
    assert {it.name for it in noise} >= {
        "pointsman_compare_agreement_ratio", "pointsman_shadow_copies_total",
        "pointsman_shadow_pairs_total",
    }  # fmt: skip
    scores = {
        (it.labels["version"], it.labels["arm"], it.labels["score"])
        for it in compared
        if it.name == "pointsman_compare_score"
    }
    assert {("1", "stable", "auc"), ("3", "shadow", "auc"), ("3", "shadow", "ece")} <= scores


async def test_the_status_has_a_line_of_it(place: Place) -> None:
    while len(place.logged) < 200:
        await place.get("/v1/models/credit-risk/compare")
    await place.get("/v1/models/credit-risk/compare")
    found = (await place.get("/v1/status"))[1]["models"]["credit-risk"]["shadows"]
    assert list(found) == ["3"]
    line = found["3"]["comparison"]
    assert (line["gate"], line["sampling"]) == ("inconclusive", 1.0)
