"""Answers as model servers write them, and pairs of them."""

from __future__ import annotations

import json
import random

from proxy.terms import Half, Outcome, Pair

START = 1_700_000_000.0


def half(version, body, status=200, seconds=0.02, outcome=None, size=None, kind="", encoding=""):
    if outcome is None:
        outcome = (
            Outcome.OK
            if status < 400
            else Outcome.UPSTREAM_4XX
            if status < 500
            else Outcome.UPSTREAM_5XX
        )
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Half(
        version,
        outcome,
        status,
        seconds,
        body,
        len(body) if size is None else size,
        kind or "application/json",
        encoding,
    )


def v2(*rows, name="predict_proba", datatype="FP64", shape=None):
    """MLServer's answer: for a probability p the row [1 - p, p]."""
    data = [it for p in rows for it in (1 - p, p)]
    return {
        "model_name": "credit-risk",
        "id": "5e0c",
        "outputs": [
            {"name": name, "shape": shape or [len(rows), 2], "datatype": datatype, "data": data}
        ],
    }


def pair(live, shadow, k=0, segments=(), at=None, customer=None):
    return Pair(
        f"r{k}",
        "credit-risk",
        f"c{k}" if customer is None else customer,
        segments,
        START + k if at is None else at,
        live,
        shadow,
    )


def chance_pair(p, q, k=0, segments=(), **more):
    return pair(half("1", v2(p)), half("3", v2(q)), k, segments, **more)


def scores(seed, n):
    """n customers: probability, whether it came true, age band."""
    chance = random.Random(seed)
    for _ in range(n):
        p = chance.betavariate(1.2, 4)
        yield p, chance.random() < p, chance.choice(("young", "middle", "senior"))
