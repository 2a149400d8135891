"""The judge's faces: status, evidence, holds and shifts over the API, metrics."""

from __future__ import annotations

from admin_world import Door, failures, report, stable_is_down

from proxy.admin.series import exposition

MODEL = "/v1/models/credit-risk"


async def held(door: Door) -> None:
    """Six of the canary's customers wait too long: not critical, so the share is held."""
    door.desk.report(0, report())
    door.desk.report(0, failures(6, seconds=2.0, outcome="ok"))
    door.clock.now += 0.1
    door.desk.tick()
    assert [it.reason for it in door.desk.holds] == ["slow"]


async def shifted(door: Door) -> None:
    """Stable is down when the canary has to go."""
    door.desk.report(0, stable_is_down())
    door.desk.report(0, failures(6))
    door.clock.now += 0.1
    door.desk.tick()
    assert [it.version for it in door.desk.shifts] == ["4"]


async def test_the_evidence_as_it_is_now(door: Door) -> None:
    await held(door)
    status, body, _ = await door.ask("GET", f"{MODEL}/evidence")
    assert status == 200
    assert body["model"] == "credit-risk"
    assert (body["trial"]["version"], body["trial"]["guardrails"]) == ("2", 3)
    findings = {it["check"]: it for it in body["findings"]}
    assert set(findings) == {"errors", "errors[age=young]", "slow", "sample_ratio"}
    slow = findings["slow"]
    assert (slow["verdict"], slow["effect"]) == ("fail", "hold")
    assert slow["numbers"]["canary_events"] == 6
    assert slow["numbers"]["e_value"] >= slow["numbers"]["needed"]
    assert body["hold"]["percent"] == 5


async def test_evidence_of_nobody_and_of_no_canary(door: Door) -> None:
    status, body, _ = await door.ask("GET", "/v1/models/gone/evidence")
    assert (status, "there are: credit-risk" in body["detail"]) == (404, True)
    status, body, _ = await door.ask("GET", "/v1/models/other/evidence")
    assert (status, body["trial"], body["findings"]) == (200, None, [])
    status, _, _ = await door.ask("GET", f"{MODEL}/evidence?when=now")
    assert status == 400


async def test_a_hold_in_the_status_and_its_clearing(door: Door) -> None:
    await held(door)
    _, body, _ = await door.ask("GET", "/v1/status")
    hold = body["models"]["credit-risk"]["hold"]
    assert (hold["version"], hold["percent"], hold["reason"]) == ("2", 5.0, "slow")
    assert body["evidence"]["error"] == ""
    status, body, _ = await door.ask("PUT", f"{MODEL}/split", json={"percent": 6})
    assert (status, "clear-hold credit-risk" in body["detail"]) == (409, True)
    status, body, _ = await door.ask("DELETE", f"{MODEL}/hold", json={"reason": "known"})
    assert status == 200
    assert door.desk.holds == []
    status, body, _ = await door.ask("DELETE", f"{MODEL}/hold", json={})
    assert (status, "is not held" in body["detail"]) == (409, True)
    status, _, _ = await door.ask("PUT", f"{MODEL}/split", json={"percent": 6})
    assert status == 200


async def test_a_shift_in_the_status_and_its_clearing(door: Door) -> None:
    await shifted(door)
    _, body, _ = await door.ask("GET", "/v1/status")
    model = body["models"]["credit-risk"]
    assert (model["stable"], model["shift"]["stable"], model["shift"]["version"]) == ("4", "1", "4")
    assert model["validation"]["result"] is None
    status, body, _ = await door.ask("DELETE", f"{MODEL}/shift", json={"reason": "up again"})
    assert (status, body["stable"]) == (200, "1")
    status, body, _ = await door.ask("DELETE", f"{MODEL}/shift", json={})
    assert (status, "is not shifted" in body["detail"]) == (409, True)


def told(door: Door, name: str) -> list[str]:
    lines = exposition(door.desk).decode().splitlines()
    return [line for line in lines if line.startswith(f"{name}{{")]


async def test_the_metrics_of_a_trial(door: Door) -> None:
    await held(door)
    guardrail = 'model="credit-risk",version="2",arm="canary",guardrail'
    verdicts = told(door, "pointsman_guardrail_verdict")
    assert f'pointsman_guardrail_verdict{{{guardrail}="slow"}} 4' in verdicts
    assert len(verdicts) == 4
    assert len(told(door, "pointsman_guardrail_e_value")) == 4
    assert f'pointsman_guardrail_needed{{{guardrail}="slow"}}' in "".join(
        told(door, "pointsman_guardrail_needed")
    )
    assert told(door, "pointsman_held") == [
        'pointsman_held{model="credit-risk",version="2",arm="canary"} 1'
    ]
    assert told(door, "pointsman_trial_observations_total")


async def test_the_metrics_of_a_shift_and_of_a_stable_that_is_down(door: Door) -> None:
    await shifted(door)
    assert told(door, "pointsman_shifted") == [
        'pointsman_shifted{model="credit-risk",version="4",arm="stable"} 1'
    ]
    assert told(door, "pointsman_revert_validation") == [
        'pointsman_revert_validation{model="credit-risk",arm="stable",result="running"} 1'
    ]
    assert told(door, "pointsman_stable_down") == []
    await door.desk.clear_shift("credit-risk", "ada", "")
    await door.desk.clear_revert("credit-risk", "2", "ada", "")
    config = door.config.read_text().replace('last_resort: "4"', "")
    door.config.write_text(config)
    door.desk.reload(door.load())
    await door.desk.revert("credit-risk", "ada", "")
    assert told(door, "pointsman_stable_down") == [
        'pointsman_stable_down{model="credit-risk",arm="stable"} 1'
    ]
