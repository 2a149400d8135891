"""The API over a real socket: what it shows, what it does, and how it refuses."""

from __future__ import annotations

import io
import json
from http import HTTPStatus
from typing import Any

import pytest
from admin_world import SECRET, Door, report

from proxy.routing import explain
from proxy.terms import Arm

JSON = {"Content-Type": "application/json"}
SPLIT = "/v1/models/credit-risk/split"


def canary(door: Door) -> tuple[str, float] | None:
    """The canary in force."""
    model = next(model for model in door.desk.plan.models if model.name == "credit-risk")
    return (model.canary.version, model.canary.percent) if model.canary else None


async def problem(door: Door, method: str, path: str, **more: Any) -> dict[str, Any]:
    """The problem that this request is answered with; its shape is checked here for all."""
    status, body, answer = await door.ask(method, path, **more)
    assert answer.content_type == "application/problem+json", body
    assert body["status"] == status
    assert body["type"] == "about:blank"
    assert body["title"] == HTTPStatus(status).phrase
    assert body["detail"]
    assert body["instance"] == path.partition("?")[0]
    found: dict[str, Any] = body
    return found


async def test_status_tells_of_models_workers_and_house(door: Door) -> None:
    door.desk.hello(0, 0, pid=4711)
    door.desk.report(0, report())
    status, body, _ = await door.ask("GET", "/v1/status")
    assert status == 200
    assert body["plan_number"] == door.desk.plan.number
    assert body["workers"][0]["pid"] == 4711
    model = body["models"]["credit-risk"]
    assert model["arms"]["stable"]["requests"] == 10
    assert model["arms"]["canary"]["error_rate"] == 0.5
    assert model["shadows"]["3"]["copies"] == {"sent": 11, "dropped_queue": 2}
    assert body["config"]["last_error"] is None


async def test_the_plan_is_shown_without_its_secrets(door: Door) -> None:
    status, body, answer = await door.ask("GET", "/v1/plan")
    assert status == 200
    assert body["models"][0]["testers"]["header"] == "X-Tester"
    assert body["models"][0]["shadows"][0]["add"] == [["X-Token", "(hidden)"]]
    text = json.dumps(body)
    assert SECRET not in text
    assert "very secret" not in text
    assert answer.headers["Cache-Control"] == "no-store"


async def test_explain_is_routings_own_answer(door: Door) -> None:
    (model, _) = door.desk.plan.models
    for key in map(str, range(50)):
        status, body, _ = await door.ask(
            "GET", "/v1/explain", params={"model": "credit-risk", "customer": key}
        )
        mine = explain(model, key)
        assert status == 200
        assert (body["arm"], body["point"], body["why"]) == (mine.arm, mine.point, mine.why)


async def test_explain_names_the_revert(door: Door) -> None:
    await door.desk.revert("credit-risk", "ada", "complaints")
    _, body, _ = await door.ask("GET", "/v1/explain?model=credit-risk&customer=1")
    assert body["arm"] == Arm.STABLE
    assert "reverted by ada" in body["why"]


async def test_a_split_is_set_and_cleared(door: Door) -> None:
    status, body, _ = await door.ask(
        "PUT", SPLIT, json={"percent": 10, "reason": "quiet", "actor": "ada"}
    )
    assert status == 200, body
    assert body["canary"] == {"version": "2", "percent": 10.0}
    assert body["plan_number"] == door.desk.plan.number
    assert canary(door) == ("2", 10.0)
    status, body, _ = await door.ask("PUT", SPLIT, json={"percent": 0.01, "version": "3"})
    assert (status, canary(door)) == (200, ("3", 0.01))
    status, body, _ = await door.ask("DELETE", SPLIT)
    assert (status, canary(door)) == (200, ("2", 5.0))
    _, history, _ = await door.ask("GET", "/v1/history?limit=3")
    first = history["entries"][0]
    assert (first["event"], first["actor"], first["reason"]) == ("split_set", "ada", "quiet")
    assert [entry["event"] for entry in history["entries"]][-1] == "split_cleared"


async def test_a_revert_latches_until_a_person_clears_it(door: Door) -> None:
    status, body, _ = await door.ask(
        "POST", "/v1/models/credit-risk/revert", json={"reason": "complaints", "actor": "ada"}
    )
    assert (status, body["canary"], canary(door)) == (200, None, None)
    refused = await problem(door, "PUT", SPLIT, json={"percent": 50, "version": "2"})
    assert refused["status"] == 409
    assert "clear-revert" in refused["detail"]
    again = await problem(door, "POST", "/v1/models/credit-risk/revert", json={})
    assert again["status"] == 409
    status, body, _ = await door.ask(
        "DELETE", "/v1/models/credit-risk/reverts/2", json={"reason": "fixed"}
    )
    assert (status, canary(door)) == (200, ("2", 5.0))


async def test_reload_takes_the_edited_file(door: Door) -> None:
    door.config.write_text(door.config.read_text().replace("percent: 5", "percent: 7"))
    status, _, _ = await door.ask("POST", "/v1/reload", headers=JSON)
    assert (status, canary(door)) == (200, ("2", 7.0))


async def test_a_broken_edit_is_refused_with_every_problem(door: Door) -> None:
    broken = door.config.read_text().replace("percent: 5", "percent: 500, colour: red")
    door.config.write_text(broken)
    refused = await problem(door, "POST", "/v1/reload", headers=JSON)
    assert refused["status"] == 422
    assert len(refused["problems"]) == 2
    assert canary(door) == ("2", 5.0)
    _, body, _ = await door.ask("GET", "/v1/status")
    assert "found 500" in body["config"]["last_error"]


async def test_an_edit_that_the_desk_refuses_is_refused_here_too(door: Door) -> None:
    await door.desk.revert("credit-risk", "ada", "complaints")
    edited = door.config.read_text().replace('stable: "1"\n', 'stable: "2"\n')
    door.config.write_text(edited.replace('version: "2"', 'version: "1"'))
    refused = await problem(door, "POST", "/v1/reload", headers=JSON)
    assert refused["status"] == 422
    assert door.desk.plan.models[0].stable == "1"


@pytest.mark.parametrize(
    ("body", "faults"),
    [
        ({}, ["percent: missing"]),
        ({"percent": "5"}, ["percent:"]),
        ({"percent": True}, ["percent:"]),
        ({"percent": 101}, ["percent:"]),
        ({"percent": -1}, ["percent:"]),
        ({"percent": 0.001}, ["percent:"]),
        ({"percent": 5, "colour": "red"}, ["colour: unknown field"]),
        ({"percent": 5, "version": 2}, ["version:"]),
        ({"percent": 5, "version": ""}, ["version:"]),
        ({"percent": 5, "reason": "two\nlines"}, ["reason:"]),
        ({"percent": 5, "actor": "\x1b[31mada"}, ["actor:"]),
        ({"percent": 5, "actor": ""}, ["actor:"]),
        (
            {"percent": "x", "version": [], "colour": "red", "reason": None},
            ["percent:", "version:", "colour:", "reason:"],
        ),
    ],
)
async def test_every_fault_of_a_body_is_listed(
    door: Door, body: dict[str, object], faults: list[str]
) -> None:
    refused = await problem(door, "PUT", SPLIT, json=body)
    assert refused["status"] == 422
    assert len(refused["problems"]) == len(faults)
    for fault in faults:
        assert any(line.startswith(fault) for line in refused["problems"]), refused
    assert canary(door) == ("2", 5.0)


@pytest.mark.parametrize(
    "raw",
    [b"{", b"\xff", b'{"percent": 5, "percent": 50}', b'{"percent": NaN}', b"[" * 100_000],
)
async def test_what_is_no_json_is_refused(door: Door, raw: bytes) -> None:
    refused = await problem(door, "PUT", SPLIT, data=raw, headers=JSON)
    assert refused["status"] in (400, 422)
    assert canary(door) == ("2", 5.0)


@pytest.mark.parametrize("raw", [b"[]", b"5", b"null", b'"x"'])
async def test_a_body_must_be_an_object(door: Door, raw: bytes) -> None:
    refused = await problem(door, "PUT", SPLIT, data=raw, headers=JSON)
    assert refused["status"] == 422
    assert "percent" in refused["detail"]


async def test_a_body_over_the_limit_is_refused(door: Door) -> None:
    huge = b'{"percent": 5, "reason": "' + b"x" * (1024 * 1024) + b'"}'
    refused = await problem(door, "PUT", SPLIT, data=io.BytesIO(huge), headers=JSON)
    assert refused["status"] == 413
    assert "1048576" in refused["detail"]


async def test_unknown_models_are_answered_with_the_known_ones(door: Door) -> None:
    for method, path, body in (
        ("PUT", "/v1/models/x/split", {"percent": 5}),
        ("DELETE", "/v1/models/x/split", None),
        ("POST", "/v1/models/x/revert", {}),
        ("GET", "/v1/explain?model=x", None),
    ):
        refused = await problem(door, method, path, json=body)
        assert refused["status"] == 404
        assert "credit-risk, other" in refused["detail"]


async def test_what_the_desk_refuses_is_a_conflict(door: Door) -> None:
    unknown = await problem(door, "PUT", SPLIT, json={"percent": 5, "version": "9"})
    assert unknown["status"] == 409
    assert "no version '9'" in unknown["detail"]
    none = await problem(door, "DELETE", "/v1/models/credit-risk/reverts/3")
    assert none["status"] == 409


@pytest.mark.parametrize(
    "path",
    [
        "/v1/explain",
        "/v1/explain?model=credit-risk&model=other",
        "/v1/explain?model=credit-risk&colour=red",
        "/v1/status?colour=red",
        "/v1/history?limit=0",
        "/v1/history?limit=1001",
        "/v1/history?limit=-1",
        "/v1/history?limit=ten",
        "/v1/history?limit=9999999999999999999999",
    ],
)
async def test_a_wrong_query_is_refused(door: Door, path: str) -> None:
    assert (await problem(door, "GET", path))["status"] == 400


async def test_nothing_there_and_wrong_methods(door: Door) -> None:
    assert (await problem(door, "GET", "/v2"))["status"] == 404
    refused = await problem(door, "POST", "/v1/status", headers=JSON)
    assert refused["status"] == 405
    _, _, answer = await door.ask("POST", "/v1/status", headers=JSON)
    assert "GET" in answer.headers["Allow"]


async def test_a_fault_of_ours_shows_nothing_of_itself(
    door: Door, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> None:
        raise RuntimeError("inner matters")

    monkeypatch.setattr(door.desk, "outline", broken)
    refused = await problem(door, "GET", "/v1/status")
    assert refused["status"] == 500
    assert "inner matters" not in json.dumps(refused)
    assert "inner matters" in caplog.text


async def test_the_index_names_every_route(door: Door) -> None:
    status, body, answer = await door.ask("GET", "/")
    assert (status, answer.content_type) == (200, "text/plain")
    for path in ("/healthz", "/readyz", "/metrics", "/v1/status", "/v1/reload", "/reverts/"):
        assert path in body.decode()
