"""``POST /v1/feedback`` and ``/v1/signals``, on a real server with a real ledger."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import io
import json
import socket
import sqlite3
import time
import zlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from feedback_door import (
    JSON,
    LINES,
    World,
    feedback_door,  # noqa: F401  # a fixture
)

from proxy.admin import build, exposition, serve
from proxy.admin.feedback import LARGEST_BODY, MOST_SIGNALS


@pytest.fixture
def door(feedback_door: World) -> World:  # noqa: F811
    return feedback_door


def label(request_id: str = "r1", **more: Any) -> dict[str, Any]:
    said = {"type": "label", "request_id": request_id, "name": "default", "value": 0}
    return said | more


def kpi(customer: str = "4711", **more: Any) -> dict[str, Any]:
    said = {"type": "kpi", "model": "credit-risk", "customer": customer, "name": "sales"}
    return said | {"value": 1, "at": round(time.time(), 3)} | more


async def test_one_event(door: World) -> None:
    status, answer = await door.send(label())
    assert status == 200
    assert answer == {
        "accepted": 1,
        "duplicates": 0,
        "waiting": 0,
        "rejected": [],
        "rejected_total": 0,
    }
    ((model, seen),) = door.remembered.observed
    assert (model, seen.arm, seen.value) == ("credit-risk", "canary", 1.0)


async def test_good_ones_are_taken_and_bad_ones_are_told(door: World) -> None:
    said = {"events": [kpi("1"), kpi("2", value="x"), 7, label("unknown")]}
    status, answer = await door.send(said)
    assert status == 200
    assert (answer["accepted"], answer["waiting"], answer["rejected_total"]) == (2, 1, 2)
    assert answer["rejected"] == [
        {"index": 1, "problem": 'value: found "x"; allowed is a finite number'},
        {"index": 2, "problem": "found 7; allowed is an object"},
    ]


async def test_a_storm_of_repeats_is_taken_once(door: World) -> None:
    said = [label(), kpi("1", event_id="e")] * 50
    answers = await asyncio.gather(*(door.send(said) for _ in range(6)))
    assert {status for status, _ in answers} == {200}
    assert sum(answer["accepted"] for _, answer in answers) == 2
    assert sum(answer["duplicates"] for _, answer in answers) == 598
    assert len(door.remembered.observed) == 2


async def test_json_lines(door: World) -> None:
    lines = [json.dumps(kpi("1")), "", "{broken", json.dumps(kpi("2"))]
    status, answer = await door.raw("\r\n".join(lines).encode(), **LINES)
    assert (status, answer["accepted"]) == (200, 2)
    assert [it["index"] for it in answer["rejected"]] == [2]


async def test_cloud_events(door: World) -> None:
    cloud = {"specversion": "1.0", "id": "1", "source": "/crm", "type": "pointsman.label.v1"}
    cloud |= {"data": {"request_id": "r1", "name": "default", "value": 1}}
    body = json.dumps(cloud).encode()
    one = await door.raw(body, Content_Type="application/cloudevents+json")
    assert (one[0], one[1]["accepted"]) == (200, 1)
    batch = json.dumps([cloud, cloud | {"id": "2"}]).encode()
    two = await door.raw(batch, Content_Type="application/cloudevents-batch+json; charset=utf-8")
    assert (two[1]["accepted"], two[1]["duplicates"]) == (1, 1)


async def test_nothing_good_is_a_problem_with_the_same_numbers(door: World) -> None:
    status, answer = await door.send([1, {"type": "label"}])
    assert status == 422
    assert answer["detail"] == "None of the 2 events can be taken"
    assert answer["rejected_total"] == 2
    assert answer["problems"][0] == "0: found 1; allowed is an object"
    assert (await door.send([]))[0] == 422


async def test_of_many_faults_the_first_hundred_are_told(door: World) -> None:
    said = [*range(500), kpi()]
    _, answer = await door.send(said)
    assert (len(answer["rejected"]), answer["rejected_total"]) == (100, 500)
    _, answer = await door.send(said, "/v1/feedback?rejected=300")
    assert len(answer["rejected"]) == 300
    assert (await door.send(said, "/v1/feedback?rejected=x"))[0] == 400
    assert (await door.send(said, "/v1/feedback?what=x"))[0] == 400


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        (b"", 400, "is empty"),
        (b"hello", 400, "begins with"),
        (b'[{"type": "kpi"', 400, "was it cut?"),
        (b'{"events": [], "x": 1}', 400, "has x"),
        (b"[" * 100_000, 400, "before its last bracket"),
    ],
)
async def test_a_body_that_cannot_be_split(
    door: World, body: bytes, status: int, said: str
) -> None:
    found, answer = await door.raw(body)
    assert found == status
    assert said in answer["detail"]


async def test_a_ledger_that_cannot_commit_takes_nothing(door: World) -> None:
    await door.send(kpi("1"))
    body = json.dumps([kpi("2"), label()]).encode()
    with contextlib.closing(sqlite3.connect(door.folder / "ledger.sqlite3")) as other:
        other.execute("begin exclusive")
        status, answer, head = await door.ask("POST", "/v1/feedback", data=body, headers=JSON)
    assert (status, head.headers["Retry-After"]) == (503, "5")
    assert "Nothing was taken" in answer["detail"]
    status, answer = await door.raw(body)
    assert (status, answer["accepted"], answer["duplicates"]) == (200, 2, 0)


async def test_ten_mebibytes_and_one_byte(door: World) -> None:
    event = json.dumps(kpi("1")).encode()
    room = b" " * (LARGEST_BODY - len(event))
    status, answer = await door.raw(room + event)
    assert (status, answer["accepted"]) == (200, 1)
    status, answer = await door.raw(room + b" " + event)
    assert status == 413
    assert answer["detail"].startswith(f"The body is too large: found {LARGEST_BODY + 1} bytes")


async def test_a_body_without_a_length_is_bounded_as_well(door: World) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(LARGEST_BODY // 65_536 + 2):
            yield b" " * 65_536

    with contextlib.suppress(aiohttp.ClientOSError):  # it may close while the rest still comes
        status, answer, _ = await door.ask("POST", "/v1/feedback", data=endless(), headers=JSON)
        assert status == 413
        assert "more than" in answer["detail"]
    assert (await door.send(kpi()))[0] == 200


async def test_other_writes_stay_small(door: World) -> None:
    body = io.BytesIO(b" " * (2 * 1024 * 1024))
    status, _, _ = await door.ask("POST", "/v1/models/credit-risk/revert", data=body, headers=JSON)
    assert status == 413


async def test_gzip(door: World) -> None:
    body = json.dumps([kpi("1"), kpi("2")]).encode()
    members = gzip.compress(body[:30]) + gzip.compress(body[30:])
    for packed, encoding in ((members, "gzip"), (zlib.compress(body), "deflate")):
        status, answer = await door.raw(packed, Content_Encoding=encoding)
        assert (status, answer["accepted"] + answer["duplicates"]) == (200, 2)


async def test_a_gzip_bomb_is_stopped(door: World) -> None:
    bomb = gzip.compress(b" " * (100 * 1024 * 1024), 9)
    assert len(bomb) < 200_000
    status, answer = await door.raw(bomb, Content_Encoding="gzip")
    assert status == 413
    assert "unpacked" in answer["detail"]


async def test_what_is_no_gzip_and_other_encodings(door: World) -> None:
    status, answer = await door.raw(b"hello", Content_Encoding="gzip")
    assert status == 400
    assert "The body is no gzip: " in answer["detail"]
    cut = gzip.compress(json.dumps([kpi()]).encode())[:-9]
    status, answer = await door.raw(cut, Content_Encoding="gzip")
    assert (status, answer["detail"]) == (
        400,
        "The body is no gzip: it ends before it is over; was it cut?",
    )
    status, answer = await door.raw(b"hello", Content_Encoding="br")
    assert status == 415
    assert "gzip" in answer["detail"]
    path = "/v1/models/credit-risk/revert"
    status, answer = await door.raw(gzip.compress(b"{}"), path, Content_Encoding="gzip")
    assert status == 415


async def test_the_guard_stands_here_too(door: World) -> None:
    body = json.dumps(kpi()).encode()
    for headers, status in (
        ({"Content-Type": "text/plain"}, 415),
        ({"Content-Type": "application/x-www-form-urlencoded"}, 415),
        (JSON | {"Origin": "http://evil.example"}, 403),
        (JSON | {"Host": "evil.example"}, 421),
        (JSON | {"Sec-Fetch-Site": "cross-site"}, 403),
    ):
        found, _, _ = await door.ask("POST", "/v1/feedback", data=body, headers=headers)
        assert found == status, headers
    found, _, _ = await door.ask("POST", "/v1/reload", data=b"{}", headers=LINES)
    assert found == 415


async def test_without_a_ledger_it_says_so(tmp_path: Path, door: World) -> None:
    sock = socket.create_server(("127.0.0.1", 0))
    runner = await serve(build(door.desk), sock)
    url = f"http://127.0.0.1:{sock.getsockname()[1]}/v1/feedback"
    async with door.session.post(url, json=kpi()) as answer:
        assert answer.status == 503
        assert "no ledger" in (await answer.json(content_type=None))["detail"]
    await runner.cleanup()


async def test_a_hundred_thousand_events_leave_room_for_the_tick(door: World) -> None:
    """Five seconds of CPU for all of it, and the loop goes on turning meanwhile."""
    many = (label(f"r{it}", value=1) for it in range(100_000))
    body = gzip.compress(b"\n".join(json.dumps(it).encode() for it in many), 1)
    pauses, over = [], asyncio.Event()

    async def ticks() -> None:
        while not over.is_set():
            began = time.perf_counter()
            await asyncio.sleep(0.01)
            pauses.append(time.perf_counter() - began)

    ticking = asyncio.ensure_future(ticks())
    began = time.process_time()
    status, answer = await door.raw(body, **LINES, Content_Encoding="gzip")
    spent = time.process_time() - began
    over.set()
    await ticking
    assert (status, answer["accepted"], answer["waiting"]) == (200, 100_000, 99_999)
    assert spent < 15.0  # in its own order of magnitude, on whatever machine
    assert len(pauses) > 10


# ---- signals


async def test_a_signal_and_what_it_brings_about(door: World) -> None:
    said = {"source": "finance", "summary": "margin down", "model": "credit-risk"}
    status, answer = await door.send(said, "/v1/signals")
    assert status == 200
    assert (answer["accepted"], answer["effects"]) == (1, {"hold": 1})
    await door.send(said | {"resolved": True}, "/v1/signals")
    assert [it[:3] for it in door.remembered.done] == [
        ("hold", "credit-risk", "2"),
        ("unhold", "credit-risk", "2"),
    ]
    status, answer, _ = await door.ask("GET", "/v1/signals")
    assert [it["effects"] for it in answer["signals"]] == [["resolved"], ["hold"]]
    assert answer["signals"][1]["signal"]["summary"] == "margin down"


def hook(**more: Any) -> dict[str, Any]:
    when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    alert = {"status": "firing", "labels": {"alertname": "Chargebacks", "model": "credit-risk"}}
    alert |= {"annotations": {"summary": "chargebacks doubled"}, "startsAt": when}
    alert |= {"fingerprint": "c0ffee"}
    return {"version": "4", "status": "firing", "receiver": "pointsman", "alerts": [alert]} | more


async def test_a_webhook_of_alertmanager(door: World) -> None:
    said = hook()
    assert (await door.send(said, "/v1/signals"))[1]["effects"] == {"revert": 1}
    assert (await door.send(said, "/v1/signals"))[1]["duplicates"] == 1
    found = await door.send(said, "/v1/signals?source=finance")
    assert found[1]["effects"] == {"hold": 1}
    assert door.remembered.done[0][3] == "alertmanager reports: chargebacks doubled"


@pytest.mark.parametrize(
    ("said", "status"),
    [
        (hook(version="3"), 400),
        (hook(alerts=[7]), 422),
        (hook(alerts=[7, *hook()["alerts"]]), 200),
        (hook(alerts=hook()["alerts"] * (MOST_SIGNALS + 1)), 413),
        ({"signals": [{"source": "x", "summary": "y"}, {}]}, 200),
        ({"source": "x"}, 422),
        ([{"source": "x", "summary": "y"}] * (MOST_SIGNALS + 1), 413),
        ("x", 400),
    ],
)
async def test_broken_signals(door: World, said: object, status: int) -> None:
    assert (await door.send(said, "/v1/signals"))[0] == status


async def test_the_metrics_of_it(door: World) -> None:
    await door.send([label(), label(), kpi("1"), 7])
    await door.send({"source": "anybody", "summary": "x"}, "/v1/signals")
    text = exposition(door.desk, door.feedback).decode()
    for line in (
        'pointsman_feedback_total{kind="label",result="accepted"} 1',
        'pointsman_feedback_total{kind="label",result="duplicate"} 1',
        'pointsman_feedback_total{kind="kpi",result="accepted"} 1',
        'pointsman_feedback_total{kind="unread",result="rejected"} 1',
        'pointsman_feedback_evidence_total{result="observed"} 2',
        "pointsman_feedback_joined_total 1",
        'pointsman_signals_total{source="other",effect="note"} 1',
    ):
        assert line in text, line
    _, metrics, _ = await door.ask("GET", "/metrics")
    assert b"pointsman_signals_total" in metrics
