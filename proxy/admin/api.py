"""The operators' API under ``/v1``: look at the desk, explain it, tell it what to do.

Handlers translate: JSON to a call of the desk, its answer back to JSON.  They decide nothing.
A write is answered once it is in force and in the history.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import msgspec
from aiohttp import web

from proxy.admin.bodies import Body, SplitBody, read
from proxy.admin.problems import Problem
from proxy.admin.state import DESK, RELOAD
from proxy.admin.turns import in_turns
from proxy.errors import ConfigError
from proxy.routing import explain
from proxy.routing.plan import ModelPlan, Plan

HIDDEN = "(hidden)"
MOST_ENTRIES = 1000
#: Of the status: so many take a few milliseconds.
MODELS_AT_ONCE = 20

routes = web.RouteTableDef()


def answer(value: object, status: int = HTTPStatus.OK) -> web.Response:
    """Any struct as JSON.  A number that is none (NaN) becomes null: JSON has no word for it."""
    return web.Response(
        status=status, body=msgspec.json.encode(value), content_type="application/json"
    )


def asked(request: web.Request, allowed: frozenset[str]) -> dict[str, str]:
    """The query, each parameter once.  Raises Problem 400 for unknown or repeated ones."""
    found = [name for name, _ in request.query.items()]
    problems = [f"{name}: unknown parameter" for name in sorted(set(found) - allowed)]
    problems += [f"{name}: given twice" for name in sorted(set(found)) if found.count(name) > 1]
    if problems:
        detail = f"{request.path} takes the parameters {', '.join(sorted(allowed)) or '(none)'}"
        raise Problem(HTTPStatus.BAD_REQUEST, detail, problems=problems)
    return dict(request.query)


def model_plan(plan: Plan, name: str) -> ModelPlan:
    """The model of that name.  Raises Problem 404 with the names there are."""
    for model in plan.models:
        if model.name == name:
            return model
    names = ", ".join(model.name for model in plan.models[:20])
    more = " ..." if len(plan.models) > 20 else ""
    raise Problem(HTTPStatus.NOT_FOUND, f"There is no model {name!r}; there are: {names}{more}")


def open_plan(plan: Plan) -> Any:
    """The plan as plain data without its secrets: testers' secrets and added header values."""
    tree = msgspec.to_builtins(plan)
    for model in tree["models"]:
        if model["testers"]:
            model["testers"]["secret"] = HIDDEN
        for shadow in model["shadows"]:
            shadow["add"] = [[name, HIDDEN] for name, _ in shadow["add"]]
    return tree


@routes.get("/v1/status")
async def get_status(request: web.Request) -> web.Response:
    asked(request, frozenset())
    desk = request.app[DESK]
    status = desk.outline()
    status.models = {name: model async for name, model in in_turns(desk.models(), MODELS_AT_ONCE)}
    return answer(status)


@routes.get("/v1/plan")
async def get_plan(request: web.Request) -> web.Response:
    asked(request, frozenset())
    return answer(open_plan(request.app[DESK].plan))


@routes.get("/v1/explain")
async def get_explain(request: web.Request) -> web.Response:
    """Where a customer goes and why.  No ``customer`` asks about a request without a key."""
    query = asked(request, frozenset({"model", "customer"}))
    plan = request.app[DESK].asked
    if "model" not in query:
        raise Problem(HTTPStatus.BAD_REQUEST, "The parameter model is missing")
    model = model_plan(plan, query["model"])
    return answer(explain(model, query.get("customer"), plan.latches))


@routes.get("/v1/history")
async def get_history(request: web.Request) -> web.Response:
    text = asked(request, frozenset({"limit"})).get("limit", "100")
    if not (text.isascii() and text.isdigit()) or not 1 <= int(text[:9]) <= MOST_ENTRIES:
        detail = f"limit: a number from 1 to {MOST_ENTRIES} is needed, found {text[:100]!r}"
        raise Problem(HTTPStatus.BAD_REQUEST, detail)
    return answer({"entries": await request.app[DESK].entries(int(text))})


def done(request: web.Request, name: str) -> web.Response:
    """What a write left: the model's split in force (null when the model left the config)."""
    plan = request.app[DESK].plan
    now = next((model for model in plan.models if model.name == name), None)
    stable, canary = (now.stable, now.canary) if now is not None else (None, None)
    return answer({"model": name, "plan_number": plan.number, "stable": stable, "canary": canary})


@routes.put("/v1/models/{model}/split")
async def put_split(request: web.Request) -> web.Response:
    desk, model = request.app[DESK], request.match_info["model"]
    body = await read(request, SplitBody)
    model_plan(desk.plan, model)
    await desk.set_split(model, body.version, body.percent, body.actor, body.reason)
    return done(request, model)


@routes.delete("/v1/models/{model}/split")
async def delete_split(request: web.Request) -> web.Response:
    desk, model = request.app[DESK], request.match_info["model"]
    body = await read(request, Body)
    model_plan(desk.plan, model)
    await desk.clear_split(model, body.actor, body.reason)
    return done(request, model)


@routes.post("/v1/models/{model}/revert")
async def post_revert(request: web.Request) -> web.Response:
    desk, model = request.app[DESK], request.match_info["model"]
    body = await read(request, Body)
    model_plan(desk.plan, model)
    await desk.revert(model, body.actor, body.reason)
    return done(request, model)


@routes.delete("/v1/models/{model}/reverts/{version}")
async def delete_revert(request: web.Request) -> web.Response:
    """Also of a model that left the config: its latches stay, and a person may clear them."""
    desk, model = request.app[DESK], request.match_info["model"]
    body = await read(request, Body)
    await desk.clear_revert(model, request.match_info["version"], body.actor, body.reason)
    return done(request, model)


@routes.delete("/v1/models/{model}/hold")
async def delete_hold(request: web.Request) -> web.Response:
    """Also of a model that left the config, as with reverts."""
    desk, model = request.app[DESK], request.match_info["model"]
    body = await read(request, Body)
    await desk.clear_hold(model, body.actor, body.reason)
    return done(request, model)


@routes.delete("/v1/models/{model}/shift")
async def delete_shift(request: web.Request) -> web.Response:
    """Also of a model that left the config, as with reverts."""
    desk, model = request.app[DESK], request.match_info["model"]
    body = await read(request, Body)
    await desk.clear_shift(model, body.actor, body.reason)
    return done(request, model)


@routes.get("/v1/models/{model}/evidence")
async def get_evidence(request: web.Request) -> web.Response:
    """The trial of the model's canary: findings and counts as they are now."""
    asked(request, frozenset())
    desk, model = request.app[DESK], request.match_info["model"]
    model_plan(desk.plan, model)
    return answer(desk.evidence(model))


@routes.post("/v1/reload")
async def post_reload(request: web.Request) -> web.Response:
    """Read the config file now, as SIGHUP does.  422 with every problem when it is refused."""
    await read(request, Body)
    await request.app[RELOAD]()
    config = request.app[DESK].outline().config
    if config.last_error is not None:
        raise ConfigError(config.path, config.problems or [config.last_error])
    return answer({"plan_number": request.app[DESK].plan.number})
