"""What our own house is told: pointsman's config, the stubs, the load, the command line."""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from demo import processes, workfile
from loadtests.load import acts, house, options, places, target
from loadtests.load.errors import LoadError, UnreachableError, UsageError
from loadtests.load.payloads import Payload
from loadtests.load.scenarios import COOL_DOWN, SCENARIOS, WARM_UP, Act, Scenario
from loadtests.load.stub import Behaviour, Server, serve
from loadtests.load.target import Target
from proxy.settings import load

PORTS = {"listen": 8080, "admin": 9901, "1": 8001, "2": 8002, "3": 8003}


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=lambda one: one.name)
def test_every_config_is_accepted(scenario: Scenario, tmp_path: Path) -> None:
    path = tmp_path / "pointsman.yaml"
    first = house.config(scenario, PORTS, workers=2)
    splits = [house.split(scenario)]
    if scenario.act is Act.SHADOW:
        splits.append(house.with_shadow(splits[0]))
    if scenario.act is Act.RELOADS:
        splits += [acts._another(number) for number in range(14)]
    for split in splits:
        workfile.save(house.with_split(first, split), path)
        assert load(path).models[house.MODEL].split.stable == "1"


def test_every_edit_of_the_storm_differs_from_the_one_before() -> None:
    edits = [acts._another(number) for number in range(30)]
    assert all(one != other for one, other in itertools.pairwise(edits))


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=lambda one: one.name)
def test_the_load_fills_the_time(scenario: Scenario) -> None:
    stages = scenario.stages(20.0, scenario.users)
    assert sum(stage.seconds for stage in stages) == pytest.approx(20.0 + WARM_UP + COOL_DOWN)
    assert all(stage.users >= 1 for stage in stages)
    assert scenario.phases


def given(*words: str) -> argparse.Namespace:
    return options.parser().parse_args(["run", *words])


@pytest.fixture
def theirs(tmp_path: Path) -> list[str]:
    """The options of somebody's own proxy."""
    path = tmp_path / "requests.jsonl"
    path.write_text('{"customer": "a", "body": {}}\n')
    words = ["--proxy", "http://127.0.0.1:8080/", "--direct", "http://127.0.0.1:8001"]
    return [*words, "--path", "/v2/models/m/infer", "--payloads", str(path)]


def test_all_is_every_scenario_and_each_has_its_own_budget() -> None:
    orders = options.orders(given("all", "--quick"))
    assert [order.scenario.name for order in orders] == list(SCENARIOS)
    assert {order.seconds for order in orders} == {options.QUICK_SECONDS}
    assert all(order.rows for order in orders)


def test_real_model_servers_get_less_and_streams_keep_their_stubs() -> None:
    steady = options.orders(given("steady", "--model", "mlserver"))[0]
    assert (steady.kind, steady.rate) == ("mlserver", 30.0)
    assert options.orders(given("long-streams", "--model", "mlserver"))[0].kind == "stubs"


def test_ones_own_proxy_is_called_where_it_is(theirs: list[str]) -> None:
    header = ["--header", "X-User", "--add-header", "Authorization: Bearer x:y"]
    (order,) = options.orders(given("steady", *theirs, *header, "--direct-path", "/infer"))
    assert order.target is not None
    assert order.target.urls == (
        "http://127.0.0.1:8080/v2/models/m/infer",
        "http://127.0.0.1:8001/infer",
    )
    assert order.target.headers == {"Authorization": "Bearer x:y"}
    assert order.crowd == [Payload("a", "{}")]


def test_all_on_ones_own_proxy_leaves_out_what_cannot_be(theirs: list[str]) -> None:
    names = [order.scenario.name for order in options.orders(given("all", *theirs))]
    assert names == ["steady", "ramp", "spike"]
    with_admin = options.orders(given("all", *theirs, "--admin", "http://127.0.0.1:9901"))
    assert [order.scenario.name for order in with_admin] == [*names, "reload-storm"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["slow-shadow"], r"slow-shadow makes an upstream misbehave.* you can run steady, ramp"),
        (["reload-storm"], r"give --admin as well"),
        (["steady", "--model", "mlserver"], r"--model: found with --proxy"),
        (["steady", "--proxy", "127.0.0.1:8080"], r"--proxy: found '127.0.0.1:8080'; allowed: htt"),
        (["steady", "--path", "infer"], r"--path: found 'infer'; allowed: a path that begins"),
        (["steady", "--add-header", "X"], r"--add-header: found 'X'; allowed: NAME:VALUE"),
        (["steady", "--seconds", "1"], r"--seconds: found 1; allowed: 3 to 3600"),
        (["steady", "--rate", "0"], r"--rate: found 0; allowed: 1 to 5000"),
        (["all", "--budget", "x.yaml"], r"--budget: found with all"),
    ],
)
def test_what_does_not_go_together_is_refused(
    theirs: list[str], words: list[str], told: str
) -> None:
    with pytest.raises(UsageError, match=told):
        options.orders(given(words[0], *theirs, *words[1:]))


def test_half_a_target_says_what_is_missing() -> None:
    with pytest.raises(UsageError, match="found --proxy without --direct, --path, --payloads"):
        options.orders(given("steady", "--proxy", "http://127.0.0.1:8080"))


def test_every_scenario_has_its_budget_file_and_no_file_is_left_over() -> None:
    assert {path.stem for path in places.BUDGETS.glob("*.yaml")} == set(SCENARIOS)


# ---- stubs


@pytest.fixture
async def stub() -> AsyncIterator[str]:
    """A stub's address."""
    (port,) = processes.free_ports([0])
    task = asyncio.ensure_future(serve(Server("1", Behaviour(event_every=0.001)), port))
    address = f"http://127.0.0.1:{port}"
    async with aiohttp.ClientSession() as session:
        for _ in range(200):
            try:
                await session.get(address)
            except aiohttp.ClientError:
                await asyncio.sleep(0.02)
            else:
                break
    yield address
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def post(url: str, content: Any) -> tuple[int, bytes]:
    async with aiohttp.ClientSession() as session, session.post(url, json=content) as answer:
        return answer.status, await answer.read()


async def test_a_stub_answers_counts_and_fails_when_told(stub: str) -> None:
    status, body = await post(stub + house.INFER, {"inputs": []})
    assert (status, json.loads(body)["model_version"]) == (200, "1")
    assert (await post(stub + "/_stub", {"error_share": 1.0}))[0] == 200
    assert (await post(stub + house.INFER, {}))[0] == 500
    assert json.loads((await post(stub + "/_stub", {}))[1])["requests"] == 2


async def test_a_stub_refuses_what_it_does_not_know(stub: str) -> None:
    status, body = await post(stub + "/_stub", {"errors": 1.0})
    assert status == 400
    assert b"found 'errors'; allowed: delay, error_share, hang" in body


async def test_a_stub_streams_whole_or_cut(stub: str) -> None:
    status, body = await post(stub + house.STREAM, {})
    assert (status, body.count(b"data: "), body[-14:]) == (200, 41, b"data: [DONE]\n\n")
    await post(stub + "/_stub", {"cut_after": 5})
    with pytest.raises(aiohttp.ClientError):
        await post(stub + house.STREAM, {})


async def test_a_hung_stub_never_answers(stub: str) -> None:
    await post(stub + "/_stub", {"hang": True})
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await post(stub + house.INFER, {})


# ---- somebody's own


async def test_both_ways_are_tried_before_any_load(stub: str) -> None:
    (closed,) = processes.free_ports([0])
    one = Payload("a", "{}")
    good = Target(stub, stub, house.INFER, house.INFER, "X-Customer-Id")
    await target.check(good, one)
    nobody = Target(stub, f"http://127.0.0.1:{closed}", "/", "/", "X-Customer-Id")
    with pytest.raises(UnreachableError, match=rf"--direct: .*:{closed}/ does not answer"):
        await target.check(nobody, one)
    await post(stub + "/_stub", {"error_share": 1.0})
    with pytest.raises(LoadError, match=r"--proxy: .* answered 500 .*told to fail.*\n.*2xx"):
        await target.check(good, one)


async def test_an_admin_address_that_is_none(stub: str) -> None:
    (closed,) = processes.free_ports([0])
    admin = f"http://127.0.0.1:{closed}"
    with pytest.raises(UnreachableError, match=r"--admin: .* needed is pointsman's admin address"):
        await target.check(
            Target(stub, stub, "/", "/", "X-Customer-Id", admin=admin), Payload("a", "{}")
        )
